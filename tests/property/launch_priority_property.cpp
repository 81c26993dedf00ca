// Which task a slot runs next: a session on one thread, against an oracle that has lists instead of queues.
//
// The slot's own queues: the highest priority first, the newest of it. When they are empty: the older half of what the
// foreign lane has of its highest priority, oldest first. A successor without a priority runs next, unless a task of
// priority 1 is in the own queues.
#include "launch/session.hpp"
#include "support/records.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace polyreme::launch {
namespace {

using tasks::Record;

/// What the body of a task does.
struct Node {
  int priority = 0;
  std::vector<std::size_t> children;     ///< become ready while it runs, in this order
  std::optional<std::size_t> successor;  ///< becomes ready at its end, and may run next; has no priority
};

/// Tasks 0 … roots-1 are there from the start, in the foreign thread's lane.
struct Program {
  std::vector<Node> nodes;
  std::size_t roots = 0;
};

Program arbitrary_program() {
  Program program;
  program.roots = *rc::gen::inRange<std::size_t>(1, 20);
  const auto total = program.roots + *rc::gen::inRange<std::size_t>(0, 60);
  const bool mostly_plain = *rc::gen::arbitrary<bool>();
  for (std::size_t i = 0; i < total; ++i) {
    Node node;
    node.priority = mostly_plain && *rc::gen::inRange(0, 4) != 0 ? 0 : *rc::gen::inRange(-1, 2);
    program.nodes.push_back(node);
    if (i < program.roots) continue;
    Node& parent = program.nodes[*rc::gen::inRange<std::size_t>(0, i)];
    if (!parent.successor.has_value() && *rc::gen::arbitrary<bool>()) {
      parent.successor = i;
      program.nodes[i].priority = 0;
    } else {
      parent.children.push_back(i);
    }
  }
  return program;
}

/// Runs the program on a session of the production code.
class OneSlot {
 public:
  explicit OneSlot(const Program& program) : program_(program) {
    for (const Node& node : program.nodes) {
      Record& record = records_.make();
      if (node.priority != 0) tasks::set_priority(record, node.priority);
      all_.push_back(&record);
    }
    session_.board(deck_.pool.try_take(), true);
  }
  OneSlot(const OneSlot&) = delete;
  OneSlot& operator=(const OneSlot&) = delete;
  ~OneSlot() {
    for (Record* record : all_)
      records_.drop(*record);
  }

  std::vector<std::size_t> order() {
    for (std::size_t i = 0; i < program_.roots; ++i)
      deck_.push(foreign_lane_, *all_[i]);
    static_cast<void>(session_.work([] { return true; }));
    return order_;
  }

  tasks::Entry* run(tasks::Entry& entry, Lane& lane) {
    const std::size_t index = static_cast<Record&>(entry).id - 1;
    order_.push_back(index);
    for (const std::size_t child : program_.nodes[index].children)
      deck_.push(lane, *all_[child]);
    const auto successor = program_.nodes[index].successor;
    return successor.has_value() ? all_[*successor] : nullptr;
  }

 private:
  const Program& program_;
  base::BlockDepot depot_{nullptr};
  Deck deck_{1};
  [[maybe_unused]] Lane& slot_lane_ = deck_.lanes.add(depot_, 0);
  Lane& foreign_lane_ = deck_.lanes.add(depot_, ~0U);
  Session<OneSlot> session_{*this, deck_};
  test::HeapRecords records_;
  std::vector<Record*> all_;
  std::vector<std::size_t> order_;
};

/// Newest at the back; by priority + 1.
using Lists = std::array<std::deque<std::size_t>, 3>;

std::vector<std::size_t> expected_order(const Program& program) {
  Lists own;
  Lists foreign;
  std::vector<std::size_t> order;
  const auto list_of = [&](Lists& lists, std::size_t task) -> auto& {
    return lists[static_cast<std::size_t>(program.nodes[task].priority + 1)];
  };
  const auto take_own = [&]() -> std::optional<std::size_t> {
    for (const std::size_t at : {2U, 1U, 0U}) {
      if (own[at].empty()) continue;
      const std::size_t task = own[at].back();
      own[at].pop_back();
      return task;
    }
    return std::nullopt;
  };
  const auto steal = [&]() -> std::optional<std::size_t> {
    for (const std::size_t at : {2U, 1U, 0U}) {
      if (foreign[at].empty()) continue;
      const std::size_t first = foreign[at].front();
      const std::size_t count = foreign[at].size() - foreign[at].size() / 2;
      for (std::size_t k = count; k-- > 1;)
        own[at].push_back(foreign[at][k]);
      foreign[at].erase(foreign[at].begin(), foreign[at].begin() + static_cast<std::ptrdiff_t>(count));
      return first;
    }
    return std::nullopt;
  };
  for (std::size_t i = 0; i < program.roots; ++i)
    list_of(foreign, i).push_back(i);
  std::optional<std::size_t> next;
  while (true) {
    if (next.has_value() && !own[2].empty()) {
      list_of(own, *next).push_back(*next);
      next.reset();
    }
    if (!next.has_value()) next = take_own();
    if (!next.has_value()) next = steal();
    if (!next.has_value()) return order;
    order.push_back(*next);
    const Node& node = program.nodes[*next];
    for (const std::size_t child : node.children)
      list_of(own, child).push_back(child);
    next = node.successor;
  }
}

RC_GTEST_PROP(LaunchPriorityProperty, OneSlotRunsTasksInTheOrderOfTheOracle, ()) {
  const Program program = arbitrary_program();
  RC_ASSERT(OneSlot(program).order() == expected_order(program));
}

}  // namespace
}  // namespace polyreme::launch
