// Exceptions among many tasks: each outcome is known when its task is spawned, and must come true.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"
#include "support/errors.hpp"
#include "support/sanitizer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using stress::Dice;
using stress::scaled;

enum class Outcome : std::uint8_t { kReturned, kThrew, kCancelled };

struct Plan {
  Task<> task;
  Outcome expected = Outcome::kReturned;
};

class Board {
 public:
  explicit Board(std::size_t size) : places_(size) {}
  void put(const Plan& one, int place) {
    const std::lock_guard lock(mutex_);
    places_[static_cast<std::size_t>(place)] = one;
  }
  [[nodiscard]] Plan pick(int place) const {
    const std::lock_guard lock(mutex_);
    return places_[static_cast<std::size_t>(place)];
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Plan> places_;
};

Outcome outcome_of(const Task<>& task) {
  const std::exception_ptr error = task.exception();
  if (error == nullptr) return Outcome::kReturned;
  return test::is<DependencyFailed>(error) ? Outcome::kCancelled : Outcome::kThrew;
}

class FailureStress : public testing::TestWithParam<std::uint32_t> {};

TEST_P(FailureStress, EveryOutcomeIsAsPlanned) {
  constexpr int kProducers = 4;
  constexpr int kPlaces = 100;
  const int tasks = scaled(1500);
  Runtime rt({.workers = GetParam()});
  Board board(kPlaces);
  std::vector<std::vector<Plan>> plans(kProducers);
  std::atomic<int> wrongly_run{0};
  {
    std::vector<std::jthread> producers;
    for (int p = 0; p < kProducers; ++p) {
      producers.emplace_back([&, p] {
        Dice dice(static_cast<std::uint64_t>(p));
        std::vector<Plan>& mine = plans[static_cast<std::size_t>(p)];
        for (int i = 0; i < tasks; ++i) {
          std::vector<Task<>> after;
          Plan plan;
          const bool throws = dice.one_in(20);
          if (throws) plan.expected = Outcome::kThrew;
          for (int k = dice.roll(3); k > 0; --k) {
            const Plan other = board.pick(dice.roll(kPlaces));
            if (!other.task.valid()) continue;
            after.push_back(other.task);
            if (other.expected != Outcome::kReturned) plan.expected = Outcome::kCancelled;
          }
          plan.task = rt.spawn({.after = after}, [&wrongly_run, throws, expected = plan.expected] {
            if (expected == Outcome::kCancelled) wrongly_run.fetch_add(1);
            if (throws) throw std::runtime_error("planned");
          });
          board.put(plan, dice.roll(kPlaces));
          if (dice.one_in(50)) {
            EXPECT_EQ(outcome_of(plan.task), plan.expected);
          }
          mine.push_back(std::move(plan));
        }
      });
    }
  }
  std::size_t roots = 0;
  std::uint64_t cancelled = 0;
  for (const auto& mine : plans) {
    for (const Plan& plan : mine) {
      ASSERT_EQ(outcome_of(plan.task), plan.expected);
      roots += plan.expected == Outcome::kThrew ? 1 : 0;
      cancelled += plan.expected == Outcome::kCancelled ? 1 : 0;
    }
  }
  EXPECT_EQ(wrongly_run.load(), 0);
  try {
    rt.wait();
    EXPECT_EQ(roots, 0U);
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), roots);
    EXPECT_EQ(errors.cancelled_dependents(), cancelled);
  }
}

/// A tree in which a leaf throws and every body above catches it, lets it pass, or throws something else.
int risky(Runtime& rt, int depth, std::uint64_t stream, std::atomic<int>& thrown) {
  Dice dice(stream);
  if (depth == 0) {
    if (!dice.one_in(4)) return 1;
    thrown.fetch_add(1);
    throw std::runtime_error("leaf");
  }
  std::vector<Task<int>> children;
  for (std::uint64_t k = 0; k < 3; ++k) {
    children.push_back(
        rt.spawn([&rt, &thrown, depth, child = 3 * stream + k] { return risky(rt, depth - 1, child, thrown); }));
  }
  int sum = 0;
  for (const auto& child : children) {
    try {
      sum += child.get();
    } catch (const std::runtime_error&) {
      if (dice.one_in(3)) {
        thrown.fetch_add(1);
        throw;
      }
      if (dice.one_in(3)) {
        thrown.fetch_add(1);
        throw std::logic_error("body");
      }
    } catch (const std::logic_error&) {
      ++sum;
    }
  }
  return sum;
}

TEST_P(FailureStress, ExceptionsPassThroughWaitsInBodies) {
  Runtime rt({.workers = GetParam()});
  for (int round = 0; round < scaled(10); ++round) {
    std::atomic<int> thrown{0};
    const auto top = rt.spawn([&, round] { return risky(rt, 4, 17U + static_cast<std::uint64_t>(round), thrown); });
    static_cast<void>(top.exception());
    try {
      rt.wait();
      EXPECT_EQ(thrown.load(), 0);
    } catch (const TaskErrors& errors) {
      EXPECT_EQ(errors.failures().size(), static_cast<std::size_t>(thrown.load()));
    }
  }
}

TEST_P(FailureStress, OneFailureWithManyDependentsFromManyThreads) {
  constexpr int kThreads = 4;
  for (int round = 0; round < scaled(30); ++round) {
    Runtime rt({.workers = GetParam()});
    const auto root = rt.spawn([]() -> int { throw std::runtime_error("root"); });
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          const auto dependent = rt.spawn([](int x) { return x; }, root);
          EXPECT_THROW(static_cast<void>(dependent.get()), DependencyFailed);
        }
      });
    }
    threads.clear();
    try {
      rt.wait();
      FAIL() << "the failure of the root was not reported";
    } catch (const TaskErrors& errors) {
      EXPECT_EQ(errors.failures().size(), 1U);
      EXPECT_EQ(errors.cancelled_dependents(), static_cast<std::uint64_t>(20 * kThreads));
    }
  }
}

/// Circles of ids, and ids that nobody spawns, among tasks that run: each must be found once everything else is done.
TEST_P(FailureStress, CirclesAndMissingIds) {
  Runtime rt({.workers = GetParam()});
  Dice dice(5);
  for (int round = 0; round < scaled(40); ++round) {
    const Space space = rt.space("knot");
    const int length = 2 + dice.roll(40);
    std::vector<Task<>> bystanders;
    for (int i = 0; i < 10; ++i)
      bystanders.push_back(rt.spawn([] {}));
    const auto missing = rt.spawn({.after = {space(-1, round), bystanders[0]}}, [] {});
    int refused = 0;
    for (int i = 0; i < length; ++i) {
      try {
        static_cast<void>(rt.spawn({.id = space[i], .after = {space[(i + 1) % length], bystanders[5]}}, [] {}));
      } catch (const CycleError&) {
        ++refused;
      }
    }
    EXPECT_EQ(refused, 1);
    EXPECT_THROW(missing.get(), DependencyFailed);
    EXPECT_THROW(rt.wait(), TaskErrors);
    for (const auto& task : bystanders)
      EXPECT_EQ(outcome_of(task), Outcome::kReturned);
  }
}

/// A body that waits for its own dependent: ending its wait is enough, also when several events ask for the cause.
TEST_P(FailureStress, OneWaitIsEndedForACircle) {
  for (int round = 0; round < scaled(100); ++round) {
    Runtime rt({.workers = GetParam()});
    const Space space = rt.space("T");
    const auto body = rt.spawn({.id = space[0]}, [dependent = space[1].task()] {
      return test::is<CycleError>(test::caught([&] { dependent.get(); })) ? 1 : 0;
    });
    const auto dependent = rt.spawn({.id = space[1], .after = body}, [] { return 2; });
    EXPECT_EQ(body.get(), 1);
    EXPECT_EQ(dependent.exception(), nullptr);
    EXPECT_NO_THROW(rt.wait());
  }
}

/// Between the end of a body's wait and its return to a slot all slots may be idle; what it is about to spawn is not
/// missing.
TEST_P(FailureStress, ABodyThatGoesOnSpawnsWhatOthersNeed) {
  for (int round = 0; round < scaled(300); ++round) {
    Runtime rt({.workers = GetParam()});
    const Space space = rt.space("T");
    static_cast<void>(rt.spawn([&] {
      const auto first = rt.spawn([] {});
      rt.spawn({.after = first}, [] {}).get();
      static_cast<void>(rt.spawn({.id = space[0]}, [] {}));
    }));
    const auto needy = rt.spawn({.after = space[0]}, [] { return 4; });
    ASSERT_EQ(needy.get(), 4);
    ASSERT_NO_THROW(rt.wait());
  }
}

/// The same for a registered thread between the end of its wait and what it does next.
TEST_P(FailureStress, AProducerThatGoesOnSpawnsWhatOthersNeed) {
  for (int round = 0; round < scaled(200); ++round) {
    Runtime rt({.workers = GetParam()});
    const Space space = rt.space("T");
    const Task<int> needed = space[0].task<int>();
    std::jthread bystander([&] { EXPECT_EQ(needed.get(), 4); });
    const auto busy = rt.spawn([] {});
    if (round % 2 == 0) {
      ASSERT_NO_THROW(rt.wait());
    } else {
      busy.wait();
    }
    static_cast<void>(rt.spawn({.id = space[0]}, [] { return 4; }));
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, FailureStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
