// Random graphs, run again and again, some nodes of each run failing: what runs, in which order, and what is reported
// is what a model of one loop says.
#include <polyreme/graph.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace polyreme {
namespace {

struct Failing {};

RC_GTEST_PROP(CapturedGraphProperty, RunsAsTheModelSays, ()) {
  const auto workers = *rc::gen::inRange<unsigned>(1, 4);
  const auto size = *rc::gen::inRange<std::size_t>(1, 120);
  std::vector<std::vector<std::size_t>> before(size);
  for (std::size_t i = 1; i < size; ++i) {
    before[i] = *rc::gen::container<std::vector<std::size_t>>(*rc::gen::inRange<std::size_t>(0, 6),
                                                              rc::gen::inRange<std::size_t>(0, i));
  }
  // Beside the nodes some of which fail.
  Runtime rt({.workers = workers});
  Graph g(rt);
  std::vector<char> fails(size);
  std::vector<std::atomic<int>> ran(size);
  std::atomic<int> too_early{0};
  std::vector<Node<std::size_t>> nodes;
  int round = 0;
  for (std::size_t i = 0; i < size; ++i) {
    std::vector<Node<std::size_t>> after;
    for (const std::size_t one : before[i])
      after.push_back(nodes[one]);
    nodes.push_back(g.spawn({.after = after}, [&, i] {
      for (const std::size_t one : before[i])
        too_early += ran[one] != round ? 1 : 0;
      ran[i] = round;
      if (fails[i] != 0) throw Failing();
      return i;
    }));
  }
  const auto rounds = *rc::gen::inRange<int>(1, 5);
  for (round = 1; round <= rounds; ++round) {
    std::vector<char> broken(size);
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
    for (std::size_t i = 0; i < size; ++i) {
      fails[i] = *rc::gen::weightedElement<char>({{20, char{0}}, {1, char{1}}});
      const bool cut_off = std::ranges::any_of(before[i], [&](std::size_t one) { return broken[one] != 0; });
      broken[i] = static_cast<char>(cut_off || fails[i] != 0);
      failed += !cut_off && fails[i] != 0 ? 1U : 0U;
      cancelled += cut_off ? 1U : 0U;
    }
    const GraphRun run = g.run_async();
    run.wait();
    try {
      run.get();
      RC_ASSERT(failed == 0U);
    } catch (const TaskErrors& errors) {
      RC_ASSERT(errors.failures().size() == failed);
      RC_ASSERT(errors.cancelled_dependents() == cancelled);
    }
    for (std::size_t i = 0; i < size; ++i) {
      const bool cut_off = std::ranges::any_of(before[i], [&](std::size_t one) { return broken[one] != 0; });
      RC_ASSERT((ran[i] == round) == !cut_off);
      try {
        RC_ASSERT(run.get(nodes[i]) == i);
        RC_ASSERT(broken[i] == 0);
      } catch (const Failing&) {
        RC_ASSERT(!cut_off && fails[i] != 0);
      } catch (const DependencyFailed&) {
        RC_ASSERT(cut_off);
      }
    }
    RC_ASSERT(too_early == 0);
    try {
      rt.wait();
    } catch (const TaskErrors&) {
      RC_ASSERT(failed != 0U);
    }
  }
}

}  // namespace
}  // namespace polyreme
