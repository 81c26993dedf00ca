// Suspended bodies: awaits, failures, cancellations and dropped handles, all at once.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using stress::Dice;
using stress::scaled;

class CoroStress : public testing::TestWithParam<std::uint32_t> {};

Coro<int> leaves_below(Runtime& rt, int depth, std::uint64_t stream) {
  if (depth == 0) co_return 1;
  Dice dice(stream);
  std::vector<Task<int>> children;
  for (std::uint64_t k = 0; k < 3; ++k)
    children.push_back(rt.spawn(leaves_below, std::ref(rt), depth - 1, 3 * stream + k));
  dice.shuffle(children);
  if (dice.one_in(3)) co_await all(children);
  int sum = 0;
  for (const Task<int>& child : children)
    sum += dice.one_in(6) ? child.get() : co_await child;
  co_return sum;
}

TEST_P(CoroStress, TreesOfAwaitsFromSeveralThreads) {
  Runtime rt({.workers = GetParam()});
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 1; t <= 3; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < scaled(5); ++round)
        EXPECT_EQ(rt.spawn(leaves_below, std::ref(rt), 6, 1000 * t).get(), 729);
    });
  }
  threads.clear();
  rt.wait();
}

/// Bodies that wait for a gate, are cancelled at any moment of it, wait again, fail, or end; handles go at any time.
TEST_P(CoroStress, CancelsRaceWithTheEndOfWhatIsAwaited) {
  for (int round = 0; round < scaled(60); ++round) {
    Runtime rt({.workers = GetParam()});
    Space ids = rt.space("gate");
    std::atomic<int> over{0};
    std::vector<Task<>> tasks;
    constexpr int kTasks = 40;
    for (int i = 0; i < kTasks; ++i) {
      tasks.push_back(rt.spawn([&rt, &over, first = ids[i % 3].task(), second = ids[3].task(), i]() -> Coro<> {
        struct Over {
          std::atomic<int>& count;
          ~Over() { ++count; }
        } const end{over};
        bool cancelled = false;
        try {
          co_await first;
        } catch (const TaskCancelled&) {
          cancelled = true;
        }
        if (cancelled) co_await second;
        co_await rt.spawn([] {});
        if (i % 7 == 0) throw std::runtime_error("one of seven");
      }));
    }
    const auto cancel = [&](std::uint64_t stream) {
      Dice dice(stream);
      for (int k = 0; k < kTasks; ++k)
        tasks[static_cast<std::size_t>(dice.roll(kTasks))].cancel();
    };
    {
      std::jthread one(cancel, static_cast<std::uint64_t>(2 * round));
      std::jthread other(cancel, static_cast<std::uint64_t>(2 * round + 1));
      for (int gate = 0; gate < 3; ++gate)
        rt.spawn({.id = ids[gate]}, [] {});
    }
    rt.spawn({.id = ids[3]}, [] {});
    for (Task<>& task : tasks) {
      task.wait();
      static_cast<void>(task.exception());
    }
    tasks.clear();
    try {
      rt.wait();
    } catch (const TaskErrors&) {
    }
    EXPECT_LE(over.load(), kTasks);  // the others were cancelled before they started
  }
}

/// Helping waiters claim bodies, so that queues hold stale entries of suspended ones.
TEST_P(CoroStress, StaleEntriesOfSuspendedBodies) {
  Runtime rt({.workers = GetParam()});
  for (int round = 0; round < scaled(3000); ++round) {
    auto outer = rt.spawn([&rt] {
      auto inner = rt.spawn([&rt]() -> Coro<int> {
        int sum = 0;
        for (int i = 0; i < 3; ++i)
          sum += co_await rt.spawn([i] { return i; });
        co_return sum;
      });
      return inner.get();
    });
    ASSERT_EQ(outer.get(), 3);
  }
  rt.wait();
}

TEST_P(CoroStress, RuntimesAwaitEachOther) {
  Runtime left({.workers = GetParam()});
  Runtime right({.workers = GetParam()});
  const auto body = [](Runtime& other) -> Coro<int> {
    int sum = 0;
    for (int i = 0; i < 50; ++i)
      sum += co_await other.spawn([i] { return i; });
    co_return sum;
  };
  std::vector<Task<int>> tasks;
  for (int k = 0; k < scaled(20); ++k) {
    tasks.push_back(left.spawn(body, std::ref(right)));
    tasks.push_back(right.spawn(body, std::ref(left)));
  }
  for (const Task<int>& task : tasks)
    EXPECT_EQ(task.get(), 1225);
}

INSTANTIATE_TEST_SUITE_P(Workers, CoroStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
