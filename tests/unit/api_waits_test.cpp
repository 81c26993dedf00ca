// Waiting: outside, in bodies, with and without time limits; and that slots bound what runs at a time.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Counts the bodies that run at a time.
class Gauge {
 public:
  class Run {
   public:
    explicit Run(Gauge& gauge) : gauge_(gauge) { gauge_.enter(); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() { gauge_.now_.fetch_sub(1); }

   private:
    Gauge& gauge_;
  };

  /// For a body around something during which it does not run.
  template <class Fn>
  decltype(auto) paused(Fn&& fn) {
    struct Resume {
      Gauge& gauge;
      ~Resume() { gauge.enter(); }
    };
    now_.fetch_sub(1);
    const Resume resume{*this};
    return std::forward<Fn>(fn)();
  }
  [[nodiscard]] int most() const noexcept { return most_.load(); }

 private:
  void enter() noexcept {
    const int now = now_.fetch_add(1) + 1;
    int most = most_.load();
    while (most < now && !most_.compare_exchange_weak(most, now)) {
    }
  }
  std::atomic<int> now_{0};
  std::atomic<int> most_{0};
};

TEST(ApiWaits, NestedSpawn) {
  Runtime rt({.workers = 2});
  std::atomic<int> leaves{0};
  std::function<void(int)> grow = [&](int depth) {
    if (depth == 0) {
      leaves.fetch_add(1);
      return;
    }
    for (int i = 0; i < 3; ++i)
      static_cast<void>(rt.spawn([&grow, depth] { grow(depth - 1); }));
  };
  static_cast<void>(rt.spawn([&] { grow(6); }));
  rt.wait();
  EXPECT_EQ(leaves.load(), 729);
  EXPECT_EQ(rt.stats().spawned, rt.stats().completed);
}

int fib(Runtime& rt, int n) {
  if (n < 2) return n;
  const auto a = rt.spawn([&rt, n] { return fib(rt, n - 1); });
  const auto b = rt.spawn([&rt, n] { return fib(rt, n - 2); });
  return a.get() + b.get();
}

class ApiWaitsWorkers : public testing::TestWithParam<std::uint32_t> {};

TEST_P(ApiWaitsWorkers, WaitsInBodies) {
  Runtime rt({.workers = GetParam()});
  EXPECT_EQ(rt.spawn([&] { return fib(rt, 14); }).get(), 377);
  rt.wait();
}

TEST_P(ApiWaitsWorkers, WaitForATaskThatCannotBeRunInPlace) {
  Runtime rt({.workers = GetParam()});
  const auto producing = rt.producer();
  const Space space = rt.space("T");
  // Each waits for the next, which is spawned later, by a task behind all of them.
  constexpr int kDepth = 20;
  std::vector<Task<int>> chain;
  for (int i = 0; i < kDepth; ++i) {
    chain.push_back(rt.spawn([next = space[i + 1].task<int>()] { return next.get() + 1; }));
  }
  const auto spawner = rt.spawn([&] {
    for (int i = 1; i <= kDepth; ++i) {
      if (i == kDepth) {
        static_cast<void>(rt.spawn({.id = space[i]}, [] { return 0; }));
      } else {
        static_cast<void>(rt.spawn({.id = space[i]}, [next = space[i + 1].task<int>()] { return next.get() + 1; }));
      }
    }
  });
  EXPECT_EQ(chain[0].get(), kDepth);
  spawner.get();
  rt.wait();
}

TEST_P(ApiWaitsWorkers, NeverMoreBodiesThanSlots) {
  Runtime rt({.workers = GetParam()});
  Gauge gauge;
  const auto leaf = [&] {
    const Gauge::Run run(gauge);
    std::this_thread::yield();
  };
  std::vector<Task<>> tops;
  for (int i = 0; i < 30; ++i) {
    tops.push_back(rt.spawn([&, i] {
      const Gauge::Run run(gauge);
      std::vector<Task<>> children;
      for (int k = 0; k < 10; ++k)
        children.push_back(rt.spawn(leaf));
      for (const auto& child : children)
        gauge.paused([&] { child.get(); });
      if (i % 3 == 0) static_cast<void>(gauge.paused([&] { return children[0].wait_for(milliseconds(1)); }));
    }));
  }
  // Helpers that wait for one task, and one that waits for all.
  std::vector<std::jthread> helpers;
  for (int h = 0; h < 3; ++h) {
    helpers.emplace_back([&, h] {
      for (std::size_t i = static_cast<std::size_t>(h); i < tops.size(); i += 3)
        tops[i].get();
    });
  }
  rt.wait();
  helpers.clear();
  EXPECT_LE(gauge.most(), static_cast<int>(GetParam()));
  EXPECT_GT(gauge.most(), 0);
}

INSTANTIATE_TEST_SUITE_P(Workers, ApiWaitsWorkers, testing::Values(1U, 2U, 3U, 4U));

TEST(ApiWaits, AllSlotsAreUsedAtOnce) {
  // Bodies that meet: they can only if four run at a time.
  Runtime rt({.workers = 4});
  std::latch all(4);
  for (int i = 0; i < 4; ++i)
    static_cast<void>(rt.spawn([&] { all.arrive_and_wait(); }));
  rt.wait();
  SUCCEED();
}

TEST(ApiWaits, AHelpingThreadTakesASlotLikeAnyOther) {
  Runtime rt({.workers = 1});
  std::latch started(1);
  std::latch hold(1);
  const auto running = rt.spawn([&] {
    started.count_down();
    hold.wait();
  });
  started.wait();
  std::atomic<bool> ran{false};
  const auto second = rt.spawn([&] { ran = true; });
  // The one slot is taken: a wait with a time limit sees the second task not even begin.
  EXPECT_FALSE(second.wait_for(milliseconds(5)));
  EXPECT_FALSE(ran.load());
  hold.count_down();
  second.get();
  EXPECT_TRUE(ran.load());
}

/// A waiter that runs the awaited task in place must not look like a thread that searches for work: tasks that the body
/// spawns still wake workers.
TEST(ApiWaits, WhatAHelpedBodySpawnsRunsBesideIt) {
  Runtime rt({.workers = 2});
  int helped = 0;
  for (int attempt = 0; attempt < 20'000 && helped < 5; ++attempt) {
    std::counting_semaphore<1> child_ran(0);
    bool in_time = true;
    bool here = false;
    const auto caller = std::this_thread::get_id();
    const auto task = rt.spawn([&] {
      here = std::this_thread::get_id() == caller;
      if (!here) return;
      // The worker that was woken for this task has found it gone and sleeps again.
      while (rt.engine().deck().pool.free_slots() == 0)
        std::this_thread::yield();
      static_cast<void>(rt.spawn([&] { child_ran.release(); }));
      in_time = child_ran.try_acquire_for(std::chrono::seconds(20));
    });
    task.get();
    helped += here ? 1 : 0;
    ASSERT_TRUE(in_time) << "the second slot slept while a task was ready";
    rt.wait();
  }
  if (helped == 0) GTEST_SKIP() << "the workers were always faster than the waiter";
}

TEST(ApiWaits, TimedWaits) {
  Runtime rt({.workers = 2});
  std::latch hold(1);
  const auto blocked = rt.spawn([&] { hold.wait(); });
  EXPECT_FALSE(blocked.wait_for(milliseconds(2)));
  EXPECT_FALSE(blocked.wait_for(nanoseconds(0)));
  EXPECT_FALSE(blocked.wait_for(milliseconds(-5)));
  EXPECT_FALSE(rt.wait_for(milliseconds(2)));
  EXPECT_FALSE(rt.wait_for(nanoseconds(-1)));
  hold.count_down();
  EXPECT_TRUE(blocked.wait_for(hours(1)));
  EXPECT_TRUE(rt.wait_for(hours(1)));
  EXPECT_TRUE(blocked.wait_for(nanoseconds(0)));
}

TEST(ApiWaits, TheLongestTimeLimitIsNoLimit) {
  Runtime rt({.workers = 2});
  for (int i = 0; i < 50; ++i) {
    std::latch hold(1);
    const auto task = rt.spawn([&] { hold.wait(); });
    std::jthread releaser([&] { hold.count_down(); });
    EXPECT_TRUE(task.wait_for(nanoseconds::max()));
    EXPECT_TRUE(rt.wait_for(nanoseconds::max()));
  }
}

TEST(ApiWaits, TimedWaitReportsFailures) {
  Runtime rt({.workers = 1});
  static_cast<void>(rt.spawn([] { throw std::runtime_error("late"); }));
  EXPECT_THROW(static_cast<void>(rt.wait_for(hours(1))), TaskErrors);
  EXPECT_TRUE(rt.wait_for(hours(1)));
}

TEST(ApiWaits, TimedWaitInABodyFreesItsSlot) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto outer = rt.spawn([&] {
    const auto inner = rt.spawn([] { return 5; });
    return inner.wait_for(hours(1)) ? inner.get() : -1;
  });
  EXPECT_EQ(outer.get(), 5);
  std::latch hold(1);
  const auto gate = rt.spawn([&] { hold.wait(); });
  const auto impatient = rt.spawn([&] { return gate.wait_for(nanoseconds(1)); });
  EXPECT_FALSE(impatient.wait_for(nanoseconds(0)));
  hold.count_down();
  static_cast<void>(impatient.get());
  rt.wait();
}

TEST(ApiWaits, ManyThreadsWaitForOneTask) {
  Runtime rt({.workers = 2});
  std::latch hold(1);
  const auto task = rt.spawn([&] {
    hold.wait();
    return 6;
  });
  std::atomic<int> sum{0};
  std::vector<std::jthread> threads;
  std::latch ready(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ready.count_down();
      sum.fetch_add(task.get());
    });
  }
  ready.wait();
  hold.count_down();
  threads.clear();
  EXPECT_EQ(sum.load(), 48);
}

TEST(ApiWaits, ManyBodiesWaitForOneTask) {
  Runtime rt({.workers = 2});
  const auto producing = rt.producer();
  const Space space = rt.space("T");
  std::vector<Task<int>> bodies;
  for (int i = 0; i < 40; ++i) {
    bodies.push_back(rt.spawn([target = space[0].task<int>()] { return target.get(); }));
  }
  static_cast<void>(rt.spawn({.id = space[0]}, [] { return 3; }));
  int sum = 0;
  for (const auto& body : bodies)
    sum += body.get();
  EXPECT_EQ(sum, 120);
  EXPECT_GE(rt.stats().threads, 2U);
  EXPECT_EQ(rt.stats().workers, 2U);
}

TEST(ApiWaits, WaitForAllInABodyIsAnError) {
  Runtime rt({.workers = 1});
  const auto task = rt.spawn([&] { rt.wait(); });
  EXPECT_THROW(task.get(), UsageError);
  const auto timed = rt.spawn([&] { return rt.wait_for(hours(1)); });
  EXPECT_THROW(static_cast<void>(timed.get()), UsageError);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiWaits, ABodyMayWaitForAnotherRuntime) {
  Runtime rt({.workers = 1});
  Runtime inner({.workers = 1});
  const auto task = rt.spawn([&] {
    const auto there = inner.spawn([] { return 4; });
    const int value = there.get();
    static_cast<void>(inner.spawn([] {}));
    inner.wait();
    return value;
  });
  EXPECT_EQ(task.get(), 4);
}

TEST(ApiWaits, WaitSeesWhatTasksSpawn) {
  Runtime rt({.workers = 2});
  std::atomic<int> left{2000};
  std::function<void()> next = [&] {
    if (left.fetch_sub(1) > 1) static_cast<void>(rt.spawn(next));
  };
  static_cast<void>(rt.spawn(next));
  rt.wait();
  EXPECT_EQ(left.load(), 0);
}

TEST(ApiWaits, DeepNestingInPlace) {
  Runtime rt({.workers = 1});
  std::function<int(int)> down = [&](int n) -> int {
    if (n == 0) return 0;
    return rt.spawn([&down, n] { return down(n - 1); }).get() + 1;
  };
  EXPECT_EQ(rt.spawn([&] { return down(500); }).get(), 500);
}

/// Waits for a task when it is destroyed, if it has one.
class Joiner {
 public:
  Joiner() = default;
  explicit Joiner(Task<> task) : task_(std::move(task)) {}
  Joiner(Joiner&& other) noexcept : task_(std::exchange(other.task_, std::nullopt)) {}
  Joiner& operator=(Joiner&&) = delete;
  ~Joiner() {
    if (task_.has_value()) task_->wait();
  }

 private:
  std::optional<Task<>> task_;
};

/// The one slot drops the result, since nobody has a handle; it must serve others while the destructor waits.
TEST(ApiWaits, AResultWaitsWhenItIsDestroyed) {
  Runtime rt({.workers = 1});
  static_cast<void>(rt.spawn([&] { return Joiner(rt.spawn([] {})); }));
  test::await([&] { return rt.stats().completed == 2; });
  rt.wait();
}

/// The destructor waits for the very task that the slot was to run next, without a queue.
TEST(ApiWaits, AResultWaitsForTheContinuation) {
  Runtime rt({.workers = 1});
  std::binary_semaphore linked(0);
  Task<> next;
  std::atomic<bool> ran{false};
  {
    const auto first = rt.spawn([&] {
      linked.acquire();
      const auto last = rt.spawn({.after = next}, [] {});  // not that one itself, which could run in place
      return Joiner(last);
    });
    next = rt.spawn({.after = first}, [&] { ran = true; });
  }
  linked.release();
  test::await([&] { return rt.stats().completed == 3; });
  EXPECT_TRUE(ran.load());
  rt.wait();
}

/// A body that is destroyed because its task is cancelled may wait, too, and come back on another slot.
TEST(ApiWaits, ACancelledBodyWaitsWhenItIsDestroyed) {
  Runtime rt({.workers = 2});
  for (int round = 0; round < 50; ++round) {
    std::binary_semaphore go(0);
    const auto fails = rt.spawn([&] {
      go.acquire();
      throw std::runtime_error("on purpose");
    });
    const auto cancelled = rt.spawn({.after = fails}, [joiner = Joiner(rt.spawn([] {}))] {});
    go.release();
    EXPECT_NE(cancelled.exception(), nullptr);
    EXPECT_THROW(rt.wait(), TaskErrors);
  }
  EXPECT_EQ(rt.stats().completed, 150U);
}

/// Each body waits for the next one and is run in place by it. No stack is deep enough for all: they go on on others.
TEST(ApiWaits, DeeperThanAnyStack) {
  constexpr int kBodies = 30'000;
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const auto spawner = rt.spawn([&] {
    for (int i = 0; i < kBodies; ++i) {
      static_cast<void>(rt.spawn({.id = space[i]}, [next = space[i + 1].task<int>()] { return next.get() + 1; }));
    }
    static_cast<void>(rt.spawn({.id = space[kBodies]}, [] { return 0; }));
  });
  spawner.get();
  EXPECT_EQ(space[0].task<int>().get(), kBodies);
}

/// The last task is counted before its result is destroyed: the runtime closes while that destructor still waits.
TEST(ApiWaits, ACloseMeetsADestructorThatWaits) {
  for (int round = 0; round < 300; ++round) {
    Runtime rt({.workers = 2});
    for (int i = 0; i < 3; ++i)
      static_cast<void>(rt.spawn([&] { return Joiner(rt.spawn([] {})); }));
  }
}

}  // namespace
}  // namespace polyreme
