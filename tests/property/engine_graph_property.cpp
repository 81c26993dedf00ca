// Random graphs with random failures, spawned in random order from several places, against a sequential oracle.
#include <polyreme/runtime.hpp>

#include "support/errors.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cstdint>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using test::is;
using test::text_of;

/// How a task depends on another one.
enum class By : std::uint8_t {
  kId,      ///< `after` its id
  kHandle,  ///< `after` its handle, if the spawner has it; else its id
  kWait,    ///< its body waits for the result
};
constexpr int kWaysToDepend = 3;

/// Who spawns a task.
enum class Spawner : std::uint8_t { kMain, kThread, kBody };
constexpr int kSpawners = 3;

struct Edge {
  std::size_t from;
  By by;
};

struct Node {
  std::vector<Edge> edges;
  Spawner spawner = Spawner::kMain;
  bool throws = false;
};

struct Plan {
  std::uint32_t workers = 1;
  std::vector<Node> nodes;
  std::vector<std::size_t> order;  ///< in which each spawner takes its nodes
};

enum class Outcome : std::uint8_t { kReturned, kThrew, kCancelled };

/// What the oracle says of a node, or what was seen of it.
struct Result {
  Outcome outcome = Outcome::kReturned;
  std::int64_t value = 0;
  bool operator==(const Result&) const = default;
};

Plan random_plan() {
  Plan plan;
  plan.workers = *rc::gen::inRange<std::uint32_t>(1, 5);
  const auto size = *rc::gen::inRange<std::size_t>(1, 60);
  const int failing = *rc::gen::element(0, 0, 5, 20);  // percent
  for (std::size_t i = 0; i < size; ++i) {
    Node node;
    node.throws = *rc::gen::inRange(0, 100) < failing;
    node.spawner = static_cast<Spawner>(*rc::gen::inRange(0, kSpawners));
    const auto few = *rc::gen::element(0, 1, 1, 2, 3, 4, 12);
    for (int k = 0; k < few && i > 0; ++k) {
      const bool near = *rc::gen::arbitrary<bool>();
      const std::size_t lowest = near && i > 4 ? i - 4 : 0;
      node.edges.push_back({*rc::gen::inRange(lowest, i), static_cast<By>(*rc::gen::inRange(0, kWaysToDepend))});
    }
    plan.nodes.push_back(std::move(node));
  }
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = size; i > 1; --i)
    std::swap(order[i - 1], order[*rc::gen::inRange<std::size_t>(0, i)]);
  plan.order = std::move(order);
  return plan;
}

std::vector<Result> oracle(const Plan& plan) {
  std::vector<Result> results;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    Result mine{Outcome::kReturned, static_cast<std::int64_t>(i)};
    bool wait_throws = false;
    for (const Edge& edge : plan.nodes[i].edges) {
      const Result& before = results[edge.from];
      mine.value = (mine.value + before.value) % 1'000'003;
      if (before.outcome == Outcome::kReturned) continue;
      if (edge.by == By::kWait) {
        wait_throws = true;
      } else {
        mine.outcome = Outcome::kCancelled;
      }
    }
    if (mine.outcome == Outcome::kReturned && (wait_throws || plan.nodes[i].throws)) mine.outcome = Outcome::kThrew;
    if (mine.outcome != Outcome::kReturned) mine.value = 0;
    results.push_back(mine);
  }
  return results;
}

/// One run of a plan.
class Run {
 public:
  explicit Run(const Plan& plan)
      : plan_(plan),
        values_(plan.nodes.size(), 0),
        begins_(plan.nodes.size()),
        ends_(plan.nodes.size()),
        handles_(kSpawners, std::vector<Task<std::int64_t>>(plan.nodes.size())),
        runtime_({.workers = plan.workers}),
        space_(runtime_.space("N")) {}

  /// Three spawners at once: this thread, another one, and a body.
  void spawn_all() {
    // This thread does not wait before all is spawned, so until then no missing id is an error.
    const auto body = runtime_.spawn([this] { spawn_share(Spawner::kBody); });
    {
      const std::jthread other([this] { spawn_share(Spawner::kThread); });
      spawn_share(Spawner::kMain);
    }
    body.get();
  }

  [[nodiscard]] Result result(std::size_t node) {
    const auto task = space_[static_cast<std::int64_t>(node)].task<std::int64_t>();
    if (task.exception() == nullptr) return {Outcome::kReturned, task.get()};
    return {begins_[node].load() == 0 ? Outcome::kCancelled : Outcome::kThrew, 0};
  }
  [[nodiscard]] std::exception_ptr exception(std::size_t node) const {
    return space_[static_cast<std::int64_t>(node)].task().exception();
  }
  [[nodiscard]] bool ordered(std::size_t node) const {
    for (const Edge& edge : plan_.nodes[node].edges) {
      if (edge.by != By::kWait && begins_[node].load() != 0 && ends_[edge.from].load() >= begins_[node].load()) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool ran_twice() const noexcept { return ran_twice_.load(); }
  [[nodiscard]] Runtime& runtime() noexcept { return runtime_; }

 private:
  void spawn_share(Spawner spawner) {
    std::vector<Task<std::int64_t>>& mine = handles_[static_cast<std::size_t>(spawner)];
    for (const std::size_t node : plan_.order) {
      if (plan_.nodes[node].spawner != spawner) continue;
      After after;
      for (const Edge& edge : plan_.nodes[node].edges) {
        if (edge.by == By::kHandle && mine[edge.from].valid()) {
          after.add(mine[edge.from]);
        } else if (edge.by != By::kWait) {
          after.add(space_[static_cast<std::int64_t>(edge.from)]);
        }
      }
      mine[node] = runtime_.spawn({.id = space_[static_cast<std::int64_t>(node)], .after = std::move(after)},
                                  [this, node] { return body(node); });
    }
  }

  std::int64_t body(std::size_t node) {
    if (begins_[node].exchange(clock_.fetch_add(1)) != 0) ran_twice_ = true;
    std::int64_t value = static_cast<std::int64_t>(node);
    for (const Edge& edge : plan_.nodes[node].edges) {
      // Written by the predecessor without any protection but the dependency.
      value += edge.by == By::kWait ? space_[static_cast<std::int64_t>(edge.from)].task<std::int64_t>().get()
                                    : values_[edge.from];
      value %= 1'000'003;
    }
    if (plan_.nodes[node].throws) throw std::runtime_error(std::to_string(node));
    values_[node] = value;
    ends_[node].store(clock_.fetch_add(1));
    return value;
  }

  const Plan& plan_;
  std::vector<std::int64_t> values_;
  std::vector<std::atomic<std::uint64_t>> begins_;
  std::vector<std::atomic<std::uint64_t>> ends_;
  std::atomic<std::uint64_t> clock_{1};
  std::atomic<bool> ran_twice_{false};
  std::vector<std::vector<Task<std::int64_t>>> handles_;  ///< by spawner
  Runtime runtime_;
  Space space_;
};

/// A node is cancelled for a node that threw, with cancelled ones between them at most.
std::vector<std::set<std::size_t>> possible_causes(const Plan& plan, const std::vector<Result>& results) {
  std::vector<std::set<std::size_t>> causes(plan.nodes.size());
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    if (results[i].outcome == Outcome::kThrew) causes[i].insert(i);
    if (results[i].outcome != Outcome::kCancelled) continue;
    for (const Edge& edge : plan.nodes[i].edges) {
      if (edge.by != By::kWait) causes[i].insert(causes[edge.from].begin(), causes[edge.from].end());
    }
  }
  return causes;
}

RC_GTEST_PROP(EngineGraphProperty, EndsAsTheOracleSays, ()) {
  const Plan plan = random_plan();
  const std::vector<Result> expected = oracle(plan);
  const auto causes = possible_causes(plan, expected);
  std::size_t threw = 0;
  std::uint64_t cancelled = 0;

  Run run(plan);
  run.spawn_all();
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    const Result seen = run.result(i);
    RC_ASSERT(seen.outcome == expected[i].outcome);
    RC_ASSERT(seen.value == expected[i].value);
    RC_ASSERT(run.ordered(i));
    threw += seen.outcome == Outcome::kThrew ? 1 : 0;
    if (seen.outcome != Outcome::kCancelled) continue;
    ++cancelled;
    const std::string text = text_of(run.exception(i));
    bool named = false;
    for (const std::size_t cause : causes[i])
      named = named || text.find("N[" + std::to_string(cause) + "]") != text.npos;
    RC_ASSERT(is<DependencyFailed>(run.exception(i)));
    RC_ASSERT(named);
  }
  RC_ASSERT(!run.ran_twice());
  try {
    run.runtime().wait();
    RC_ASSERT(threw == 0U);
  } catch (const TaskErrors& errors) {
    RC_ASSERT(errors.failures().size() == threw);
    RC_ASSERT(errors.cancelled_dependents() == cancelled);
  }
  RC_ASSERT(run.runtime().stats().completed == plan.nodes.size() + 1);
}

}  // namespace
}  // namespace polyreme
