// Waits in bodies and outside, with and without time limits, all at once.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using stress::Dice;
using stress::scaled;

class WaitStress : public testing::TestWithParam<std::uint32_t> {};

/// Counts the leaves of a tree in tasks of tasks, and waits for the children in every way there is.
int leaves_below(Runtime& rt, int depth, std::uint64_t stream) {
  if (depth == 0) return 1;
  Dice dice(stream);
  std::vector<Task<int>> children;
  for (std::uint64_t k = 0; k < 3; ++k) {
    children.push_back(rt.spawn([&rt, depth, child = 3 * stream + k] { return leaves_below(rt, depth - 1, child); }));
  }
  dice.shuffle(children);
  int sum = 0;
  for (const auto& child : children) {
    if (dice.one_in(4)) static_cast<void>(child.wait_for(microseconds(dice.roll(50))));
    if (dice.one_in(8)) {
      while (!child.wait_for(hours(1))) {
      }
    }
    sum += child.get();
  }
  return sum;
}

TEST_P(WaitStress, TreesOfWaitsFromSeveralThreads) {
  Runtime rt({.workers = GetParam()});
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 1; t <= 3; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < scaled(3); ++round) {
        const auto top = rt.spawn([&rt, t] { return leaves_below(rt, 5, 1000 * t); });
        EXPECT_EQ(top.get(), 243);
      }
    });
  }
  threads.clear();
  rt.wait();
}

TEST_P(WaitStress, BodiesThatWaitForIdsNobodyHasSpawnedYet) {
  constexpr int kThreads = 3;
  const int length = scaled(60);
  Runtime rt({.workers = GetParam()});
  const Space chain = rt.space("chain");
  std::vector<int> order;
  for (int i = 1; i <= length; ++i)
    order.push_back(i);
  Dice dice(7);
  dice.shuffle(order);
  std::latch registered(kThreads + 1);
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto producing = rt.producer();
      registered.arrive_and_wait();
      for (std::size_t k = static_cast<std::size_t>(t); k < order.size(); k += kThreads) {
        const int i = order[k];
        static_cast<void>(rt.spawn({.id = chain[i]},
                                   [before = chain[i - 1].task<int>(), i] { return before.get() == i - 1 ? i : -1; }));
      }
    });
  }
  registered.arrive_and_wait();
  const auto producing = rt.producer();
  static_cast<void>(rt.spawn({.id = chain[0]}, [] { return 0; }));
  for (int i = length; i >= 0; i -= 7)
    EXPECT_EQ(chain[i].task<int>().get(), i);
  threads.clear();
  rt.wait();
}

TEST_P(WaitStress, ManyThreadsWaitForTheSameTasks) {
  constexpr std::size_t kThreads = 4;
  const auto tasks = static_cast<std::size_t>(scaled(1500));
  Runtime rt({.workers = GetParam()});
  std::vector<Task<int>> all;
  for (std::size_t i = 0; i < tasks; ++i) {
    if (i % 5 == 4) {
      all.push_back(rt.spawn([](int a, int b) { return a + b - 1; }, all[i - 1], all[i / 2]));
    } else {
      all.push_back(rt.spawn([] { return 1; }));
    }
  }
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(t);
      auto mine = all;
      dice.shuffle(mine);
      for (const auto& task : mine) {
        switch (dice.roll(4)) {
          case 0:
            static_cast<void>(task.wait_for(microseconds(dice.roll(20))));
            break;
          case 1:
            static_cast<void>(task.done());
            break;
          case 2:
            static_cast<void>(rt.wait_for(microseconds(dice.roll(20))));
            break;
          default:
            break;
        }
        wrong.fetch_add(task.get() == 1 ? 0 : 1);
      }
    });
  }
  rt.wait();
  threads.clear();
  EXPECT_EQ(wrong.load(), 0);
}

/// Two bodies at a time meet in time limits that mostly pass just when the awaited task ends.
TEST_P(WaitStress, TimeLimitsThatPassAsTheTaskEnds) {
  Runtime rt({.workers = GetParam()});
  Dice dice(11);
  for (int round = 0; round < scaled(400); ++round) {
    std::atomic<int> spins{dice.roll(2000)};
    const auto target = rt.spawn([&] {
      while (spins.fetch_sub(1) > 0) {
      }
    });
    const auto patient = rt.spawn([&, us = dice.roll(40)] {
      while (!target.wait_for(microseconds(us))) {
      }
    });
    while (!target.wait_for(microseconds(dice.roll(40)))) {
    }
    patient.get();
  }
  rt.wait();
}

TEST_P(WaitStress, WaitForAllFromSeveralThreads) {
  Runtime rt({.workers = GetParam()});
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(t);
      for (int round = 0; round < scaled(100); ++round) {
        std::vector<Task<>> mine;
        for (int i = dice.roll(20); i >= 0; --i)
          mine.push_back(rt.spawn([] {}));
        rt.wait();
        for (const auto& task : mine)
          ASSERT_TRUE(task.done());
      }
    });
  }
  threads.clear();
  rt.wait();
  EXPECT_EQ(rt.stats().spawned, rt.stats().completed);
}

INSTANTIATE_TEST_SUITE_P(Workers, WaitStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
