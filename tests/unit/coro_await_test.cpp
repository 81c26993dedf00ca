// Coroutine bodies: what co_await answers, throws and leaves alone.
#include <polyreme/runtime.hpp>

#include "../support/counted.hpp"
#include "../support/errors.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using test::caught;
using test::is;
using test::text_of;

TEST(CoroAwait, GivesTheValueOfATaskThatIsNotDone) {
  Runtime rt({.workers = 1});
  auto total = rt.spawn([&rt]() -> Coro<int> {
    Task<int> part = rt.spawn([] { return 41; });  // one slot, which this body holds: it cannot have run yet
    const int& value = co_await part;
    co_return value + 1;
  });
  EXPECT_EQ(total.get(), 42);
}

TEST(CoroAwait, ADoneTaskDoesNotSuspend) {
  Runtime rt({.workers = 1});
  auto done = rt.spawn([] { return std::string("here"); });
  done.wait();
  auto same_thread = rt.spawn([done]() -> Coro<bool> {
    const auto before = std::this_thread::get_id();
    const std::string& value = co_await done;
    co_return &value == &done.get() && before == std::this_thread::get_id();
  });
  EXPECT_TRUE(same_thread.get());
}

TEST(CoroAwait, ATemporaryHandleGivesACopy) {
  Runtime rt({.workers = 2});
  auto text = rt.spawn([&rt]() -> Coro<std::string> {
    std::string value = co_await rt.spawn([] { return std::string(100, 'x'); });
    co_return value + "y";
  });
  EXPECT_EQ(text.get(), std::string(100, 'x') + "y");
}

TEST(CoroAwait, ATaskWithoutAValueGivesNone) {
  Runtime rt({.workers = 2});
  std::atomic<int> order{0};
  auto task = rt.spawn([&]() -> Coro<> {
    co_await rt.spawn([&] { order = 1; });
    EXPECT_EQ(order.load(), 1);
    order = 2;
  });
  task.get();
  EXPECT_EQ(order.load(), 2);
}

TEST(CoroAwait, ACoroutineMayNeverAwait) {
  Runtime rt({.workers = 1});
  EXPECT_EQ(rt.spawn([]() -> Coro<int> { co_return 3; }).get(), 3);
}

TEST(CoroAwait, AwaitsManyTasksOneAfterTheOther) {
  Runtime rt({.workers = 2});
  auto sum = rt.spawn([&rt]() -> Coro<long> {
    long total = 0;
    for (int i = 0; i < 1000; ++i)
      total += co_await rt.spawn([i] { return i; });
    co_return total;
  });
  EXPECT_EQ(sum.get(), 499500);
}

TEST(CoroAwait, ArgumentsAndCapturesLiveToTheEnd) {
  Runtime rt({.workers = 2});
  test::Census census;
  {
    auto input = rt.spawn([&census] { return test::Counted(census, 5); });
    auto task = rt.spawn(
        [&rt, text = std::string(60, 'c')](const test::Counted& value, const std::string& more) -> Coro<std::string> {
          co_await rt.spawn([] {});
          co_return text + more + std::to_string(value.value());
        },
        input, std::string(60, 'm'));
    EXPECT_EQ(task.get(), std::string(60, 'c') + std::string(60, 'm') + "5");
  }
  rt.wait();
}

TEST(CoroAwait, AFailureIsThrownAtTheAwait) {
  Runtime rt({.workers = 1});
  auto task = rt.spawn([&rt]() -> Coro<std::string> {
    Task<int> bad = rt.spawn([]() -> int { throw std::runtime_error("broken part"); });
    try {
      co_await bad;
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "nothing was thrown";
  });
  EXPECT_EQ(task.get(), "broken part");
  EXPECT_THROW(rt.wait(), TaskErrors);  // the part's own failure is still a root failure
}

TEST(CoroAwait, WhatTheCoroutineThrowsIsItsTasksFailure) {
  Runtime rt({.workers = 2});
  test::Census census;
  auto task = rt.spawn([&rt, counted = test::Counted(census, 1)]() -> Coro<int> {
    const test::Counted local(counted);
    co_await rt.spawn([] {});
    throw std::logic_error("after the await");
  });
  EXPECT_THROW(static_cast<void>(task.get()), std::logic_error);
  EXPECT_EQ(census.alive(), 0);
  auto dependent = rt.spawn([](int) {}, task);
  EXPECT_THROW(dependent.get(), DependencyFailed);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroAwait, ADependentOfAFailedTaskThrowsDependencyFailed) {
  Runtime rt({.workers = 1});
  auto task = rt.spawn([&rt]() -> Coro<bool> {
    Task<> bad = rt.spawn([] { throw 5; });
    Task<> never = rt.spawn({.after = {bad}}, [] {});
    bool failed = false;
    try {
      co_await never;
    } catch (const DependencyFailed&) {
      failed = true;
    }
    co_return failed;
  });
  EXPECT_TRUE(task.get());
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroAwait, LargeMovableAndReferenceResultsArrive) {
  Runtime rt({.workers = 2});
  struct Large {
    std::array<int, 64> values;
  };
  auto large = rt.spawn([&rt]() -> Coro<Large> {
    co_await rt.spawn([] {});
    Large result{};
    result.values[63] = 7;
    co_return result;
  });
  EXPECT_EQ(large.get().values[63], 7);
  auto unique = rt.spawn([]() -> Coro<std::unique_ptr<int>> { co_return std::make_unique<int>(8); });
  EXPECT_EQ(*unique.get(), 8);
  int target = 9;
  auto reference = rt.spawn([&target]() -> Coro<int&> { co_return target; });
  EXPECT_EQ(&reference.get(), &target);
}

Coro<int> by_function(Runtime& rt, int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await rt.spawn(by_function, std::ref(rt), depth - 1);
}

TEST(CoroAwait, FunctionsAreBodiesAndMayRecurse) {
  Runtime rt({.workers = 2});
  EXPECT_EQ(rt.spawn(by_function, std::ref(rt), 20000).get(), 20000);
}

TEST(CoroAwait, DependsAndIsDependedOnLikeAnyTask) {
  Runtime rt({.workers = 2});
  auto first = rt.spawn([] { return 1; });
  auto second = rt.spawn(
      [&rt](int x) -> Coro<int> {
        const int y = co_await rt.spawn([] { return 10; });
        co_return x + y;
      },
      first);
  auto third = rt.spawn([](int x) { return x + 100; }, second);
  EXPECT_EQ(third.get(), 111);
}

TEST(CoroAwait, ManyPredecessorsLeaveNoBlocksBehind) {
  Runtime rt({.workers = 2});
  {
    std::vector<Task<>> parts;
    for (int i = 0; i < 40; ++i)
      parts.push_back(rt.spawn([] {}));
    auto all_of_them = rt.spawn({.after = parts}, [&rt]() -> Coro<> { co_await rt.spawn([] {}); });
    all_of_them.get();
  }
  rt.wait();
  EXPECT_EQ(rt.stats().live_blocks, 0);
}

TEST(CoroAwait, ABodyMayWaitForACoroutineTask) {
  Runtime rt({.workers = 1});
  auto outer = rt.spawn([&rt] {
    auto inner = rt.spawn([&rt]() -> Coro<int> {
      const int x = co_await rt.spawn([] { return 1; });
      const int y = co_await rt.spawn([] { return 2; });
      co_return x + y;
    });
    return inner.get();  // runs its first part in place, and then gives the slot up
  });
  EXPECT_EQ(outer.get(), 3);
}

TEST(CoroAwait, ACoroutineMayBlockToo) {
  Runtime rt({.workers = 1});
  auto task = rt.spawn([&rt]() -> Coro<int> {
    const int x = rt.spawn([] { return 1; }).get();
    const int y = co_await rt.spawn([] { return 2; });
    co_return x + y;
  });
  EXPECT_EQ(task.get(), 3);
}

TEST(CoroAwait, AllGivesTheValuesInOrder) {
  Runtime rt({.workers = 2});
  auto task = rt.spawn([&rt]() -> Coro<std::string> {
    Task<int> number = rt.spawn([] { return 4; });
    Task<> nothing = rt.spawn([] {});
    auto [n, text] = co_await all(number, nothing, rt.spawn([] { return std::string("four"); }));
    static_assert(std::is_same_v<decltype(n), const int&>);
    static_assert(std::is_same_v<decltype(text), std::string>);
    co_return text + std::to_string(n);
  });
  EXPECT_EQ(task.get(), "four4");
}

TEST(CoroAwait, AllOfARangeWaitsForEach) {
  Runtime rt({.workers = 2});
  auto task = rt.spawn([&rt]() -> Coro<int> {
    std::vector<Task<int>> parts;
    for (int i = 0; i < 100; ++i)
      parts.push_back(rt.spawn([i] { return i; }));
    co_await all(parts);
    int sum = 0;
    for (const Task<int>& part : parts) {
      EXPECT_TRUE(part.done());
      sum += part.get();
    }
    co_await all(std::vector<Task<int>>());
    co_return sum;
  });
  EXPECT_EQ(task.get(), 4950);
}

TEST(CoroAwait, AllWaitsForTheOthersWhenOneFails) {
  Runtime rt({.workers = 1});
  std::atomic<bool> ran{false};
  auto task = rt.spawn([&]() -> Coro<bool> {
    Task<> slow = rt.spawn([&] { ran = true; });
    Task<> bad = rt.spawn([] { throw std::runtime_error("one of all"); });
    try {
      co_await all(bad, slow);
    } catch (const std::runtime_error&) {
      co_return ran.load();
    }
    co_return false;
  });
  EXPECT_TRUE(task.get());
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroAwait, TasksOfAnotherRuntimeCanBeAwaited) {
  Runtime other({.workers = 1});
  Runtime rt({.workers = 1});
  auto task = rt.spawn([&]() -> Coro<int> {
    int sum = 0;
    for (int i = 0; i < 100; ++i)
      sum += co_await other.spawn([i] { return i; });
    co_return sum;
  });
  EXPECT_EQ(task.get(), 4950);
}

TEST(CoroAwait, ManyAreSuspendedAtOnceOnOneSlot) {
  Runtime rt({.workers = 1});
  constexpr int kMany = 20000;
  Space ids = rt.space("gate");
  Task<> gate = ids[0].task();
  std::atomic<int> entered{0};
  std::vector<Task<int>> tasks;
  tasks.reserve(kMany);
  for (int i = 0; i < kMany; ++i) {
    tasks.push_back(rt.spawn([&entered, gate, i]() -> Coro<int> {
      ++entered;
      co_await gate;
      co_return i;
    }));
  }
  while (entered.load() != kMany)
    std::this_thread::yield();
  EXPECT_EQ(rt.stats().threads, 1);
  rt.spawn({.id = ids[0]}, [] {});
  long sum = 0;
  for (const Task<int>& task : tasks)
    sum += task.get();
  EXPECT_EQ(sum, 1L * kMany * (kMany - 1) / 2);
}

TEST(CoroAwait, SuspendedOnesNeedLittleMemory) {
  Runtime rt({.workers = 1});
  rt.wait();
  const std::uint64_t before = rt.stats().live_blocks;
  Space ids = rt.space("gate");
  constexpr std::uint64_t kMany = 1000;
  Task<> gate = ids[0].task();
  std::latch entered(kMany);
  {
    std::vector<Task<>> tasks;
    for (std::uint64_t i = 0; i < kMany; ++i) {
      tasks.push_back(rt.spawn([&entered, gate]() -> Coro<> {
        entered.count_down();
        co_await gate;
      }));
    }
    entered.wait();
    // A record and a frame, each a block of 128 bytes; nothing else is allocated.
    EXPECT_EQ(rt.stats().live_blocks - before, 2 * kMany + 1);
    rt.spawn({.id = ids[0]}, [] {});
  }
  rt.wait();
}

TEST(CoroAwait, AContextLivesToTheEnd) {
  Runtime rt({.workers = 2});
  auto task = rt.spawn(
      {.name = "asked"},
      [&rt](Context& context, int steps) -> Coro<std::string> {
        for (int i = 0; i < steps; ++i)
          co_await rt.spawn([] {});
        co_return context.name() + (context.cancelled() ? " cancelled" : " goes on");
      },
      3);
  EXPECT_EQ(task.get(), "asked goes on");
}

TEST(CoroAwait, MisuseThrowsAtTheAwait) {
  Runtime rt({.workers = 1});
  auto empty = rt.spawn([]() -> Coro<std::string> {
    const Task<int> nothing;
    co_return text_of(caught([&] { static_cast<void>(nothing.get()); }));
  });
  EXPECT_NE(empty.get().find("empty task handle"), std::string::npos);

  auto empty_await = rt.spawn([]() -> Coro<std::string> {
    Task<int> nothing;
    try {
      co_await nothing;
    } catch (const UsageError& error) {
      co_return error.what();
    }
    co_return "";
  });
  EXPECT_NE(empty_await.get().find("empty task handle"), std::string::npos);

  Space ids = rt.space("self");
  auto self = rt.spawn({.id = ids[0]}, [own = ids[0].task<std::string>()]() -> Coro<std::string> {
    try {
      co_return co_await own;
    } catch (const UsageError& error) {
      co_return error.what();
    }
  });
  EXPECT_NE(self.get().find("waits for itself"), std::string::npos);
}

TEST(CoroAwait, AnEmptyCoroIsRefused) {
  Runtime rt({.workers = 1});
  auto task = rt.spawn([]() -> Coro<> {
    Coro<> one = []() -> Coro<> { co_return; }();
    Coro<> other = std::move(one);
    return one;  // NOLINT(bugprone-use-after-move): that is the mistake
  });
  EXPECT_THROW(task.get(), UsageError);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroAwait, ACoroutineThatNobodySpawnsIsDestroyed) {
  test::Census census;
  {
    const auto make = [](test::Counted counted) -> Coro<int> { co_return counted.value(); };
    Coro<int> unused = make(test::Counted(census, 1));
    EXPECT_EQ(census.alive(), 1);
  }
  EXPECT_EQ(census.alive(), 0);
}

TEST(CoroAwait, OneThatNeverStartsIsDestroyedWithItsArguments) {
  Runtime rt({.workers = 1});
  test::Census census;
  {
    Task<> bad = rt.spawn([] { throw 1; });
    auto never = rt.spawn({.after = {bad}}, [counted = test::Counted(census, 1)]() -> Coro<> { co_return; });
    EXPECT_THROW(never.get(), DependencyFailed);
  }
  EXPECT_EQ(census.alive(), 0);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroAwait, DroppedHandlesDoNotStopSuspendedBodies) {
  std::atomic<int> ended{0};
  {
    Runtime rt({.workers = 2});
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(rt.spawn([&]() -> Coro<> {
        co_await rt.spawn([] {});
        ++ended;
      }));
    }
  }
  EXPECT_EQ(ended.load(), 100);
}

}  // namespace
}  // namespace polyreme
