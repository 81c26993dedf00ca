// Suspended bodies that are cancelled, or wait for what can never be.
#include <polyreme/runtime.hpp>
#include <polyreme/scope.hpp>

#include "../support/errors.hpp"
#include "../support/eventually.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using test::caught;
using test::is;
using test::text_of;

/// Blocks until the task that signals `entered` has suspended: on one slot, another task runs only then.
void await_suspension(Runtime& rt, std::latch& entered) {
  entered.wait();
  rt.spawn([] {}).wait();
}

TEST(CoroCancel, ASuspendedBodyGoesOnWithTaskCancelled) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("gate");
  Task<> gate = ids[0].task();
  std::latch entered(1);
  std::atomic<bool> cleaned{false};
  auto task = rt.spawn([&, gate](Context& context) -> Coro<> {
    entered.count_down();
    try {
      co_await gate;
    } catch (const TaskCancelled&) {
      cleaned = context.cancelled();
      throw;
    }
  });
  await_suspension(rt, entered);
  task.cancel();
  EXPECT_THROW(task.get(), TaskCancelled);
  EXPECT_TRUE(cleaned.load());
  EXPECT_TRUE(task.cancel());
  rt.spawn({.id = ids[0]}, [] {}).get();
  rt.wait();
}

TEST(CoroCancel, ABodyMayAwaitAgainAfterIt) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("gate");
  Task<> gate = ids[0].task();
  Task<> second = ids[1].task();
  std::latch entered(1);
  auto task = rt.spawn([&, gate, second]() -> Coro<int> {
    entered.count_down();
    int seen = 0;
    for (int i = 0; i < 3; ++i) {
      bool cancelled = false;
      try {
        co_await gate;
      } catch (const TaskCancelled&) {
        cancelled = true;
      }
      if (!cancelled) continue;
      ++seen;
      co_await rt.spawn([] {});  // cleaning up may take tasks
      co_await second;
    }
    co_return seen;
  });
  await_suspension(rt, entered);
  task.cancel();
  rt.spawn([] {}).wait();
  rt.spawn({.id = ids[0]}, [] {}).get();  // ends the first wait's listener, which is stale
  EXPECT_FALSE(task.done());
  rt.spawn({.id = ids[1]}, [] {}).get();
  EXPECT_EQ(task.get(), 1);
  rt.wait();
}

TEST(CoroCancel, OneThatRunsIsCancelledAtItsNextWait) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("gate");
  Task<> gate = ids[0].task();
  std::latch entered(1);
  std::latch go_on(1);
  std::atomic<bool> threw{false};
  auto task = rt.spawn([&, gate]() -> Coro<> {
    entered.count_down();
    go_on.wait();
    try {
      co_await gate;
    } catch (const TaskCancelled&) {
      threw = true;
      throw;
    }
  });
  entered.wait();
  EXPECT_FALSE(task.cancel());
  go_on.count_down();
  EXPECT_THROW(task.get(), TaskCancelled);
  EXPECT_TRUE(threw.load());
}

TEST(CoroCancel, AwaitsOfDoneTasksGoOn) {
  Runtime rt({.workers = 1});
  auto done = rt.spawn([] { return 5; });
  done.wait();
  std::latch entered(1);
  std::latch go_on(1);
  auto task = rt.spawn([&]() -> Coro<int> {
    entered.count_down();
    go_on.wait();
    co_return co_await done;
  });
  entered.wait();
  task.cancel();
  go_on.count_down();
  EXPECT_EQ(task.get(), 5);
}

TEST(CoroCancel, AllIsInterruptedAsAWhole) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("gate");
  std::latch entered(1);
  auto task = rt.spawn([&entered, a = ids[0].task(), b = ids[1].task()]() -> Coro<> {
    entered.count_down();
    co_await all(a, b);
  });
  await_suspension(rt, entered);
  task.cancel();
  EXPECT_THROW(task.get(), TaskCancelled);
  rt.spawn({.id = ids[0]}, [] {});
  rt.spawn({.id = ids[1]}, [] {});
  rt.wait();
}

TEST(CoroCancel, TheAwaitOfACancelledTaskThrowsTaskCancelled) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("gate");
  Task<> target = rt.spawn({.after = {ids[0]}}, [] {});
  std::latch entered(1);
  auto task = rt.spawn([&entered, target]() -> Coro<bool> {
    entered.count_down();
    try {
      co_await target;
    } catch (const TaskCancelled&) {
      co_return true;
    }
    co_return false;
  });
  await_suspension(rt, entered);
  EXPECT_TRUE(target.cancel());
  EXPECT_TRUE(task.get());
  rt.spawn({.id = ids[0]}, [] {});
  rt.wait();
}

TEST(CoroCancel, LeavesNothingBehind) {
  Runtime rt({.workers = 2});
  {
    Space ids = rt.space("gate");
    Task<> gate = ids[0].task();
    std::vector<Task<>> tasks;
    for (int i = 0; i < 500; ++i)
      tasks.push_back(rt.spawn([gate]() -> Coro<> { co_await gate; }));
    for (Task<>& task : tasks)
      task.cancel();
    tasks.clear();
    rt.spawn({.id = ids[0]}, [] {});
    gate.get();
    rt.wait();
  }
  test::await([&] { return rt.stats().live_blocks == 0; });
}

/// Its parts run on different stacks, on which other exceptions may be in flight.
TEST(CoroCancel, AnExceptionCancelsTheScopeThatItLeavesWhateverElseIsInFlight) {
  struct Waits {
    Task<> task;
    ~Waits() { task.wait(); }
  };
  Runtime rt({.workers = 1});
  Space ids = rt.space("gate");
  Task<> gate = ids[0].task();
  Task<> member;
  std::latch entered(1);
  Task<> outer = rt.spawn([&] {
    const Waits waits{rt.spawn([&]() -> Coro<> {  // begins in the destructor of `waits`
      Scope scope(rt);
      member = rt.spawn({.after = {ids[1]}}, [] {});
      entered.count_down();
      co_await gate;
      throw std::runtime_error("leaves the scope");
    })};
    throw std::runtime_error("in flight");
  });
  await_suspension(rt, entered);
  rt.spawn({.id = ids[0]}, [] {});
  EXPECT_THROW(outer.get(), std::runtime_error);
  EXPECT_THROW(member.get(), TaskCancelled);
  rt.spawn({.id = ids[1]}, [] {}).get();
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroMissing, TheAwaitOfAnIdThatNobodySpawnsThrows) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("never");
  auto task = rt.spawn({.name = "hopeful"}, [missing = ids[7].task<int>()]() -> Coro<std::string> {
    try {
      co_await missing;
    } catch (const MissingTask& error) {
      co_return error.what();
    }
    co_return "";
  });
  const std::string text = task.get();
  EXPECT_NE(text.find("never[7]"), std::string::npos) << text;
  EXPECT_NE(text.find("hopeful"), std::string::npos) << text;
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CoroCircles, AwaitsInACircleThrowCycleErrorInOneOfThem) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("ring");
  constexpr int kLength = 5;
  std::atomic<int> circles{0};
  for (int i = 0; i < kLength; ++i) {
    rt.spawn({.id = ids[i]}, [&circles, next = ids[(i + 1) % kLength].task()]() -> Coro<> {
      try {
        co_await next;
      } catch (const CycleError& error) {
        EXPECT_NE(std::string(error.what()).find("ring[0]"), std::string::npos) << error.what();
        ++circles;
      }
    });
  }
  rt.wait();
  EXPECT_EQ(circles.load(), 1);
}

TEST(CoroCircles, OneWithoutIdsIsFoundFromAWaitForAll) {
  Runtime rt({.workers = 1});
  std::optional<Task<>> a;
  std::optional<Task<>> b;
  std::latch ready(1);
  std::atomic<int> circles{0};
  const auto body = [&](std::optional<Task<>>& other) {
    return [&]() -> Coro<> {
      ready.wait();
      try {
        co_await *other;
      } catch (const CycleError&) {
        ++circles;
      }
    };
  };
  a = rt.spawn(body(b));
  b = rt.spawn(body(a));
  ready.count_down();
  rt.wait();
  EXPECT_EQ(circles.load(), 1);
}

TEST(CoroCircles, OneThroughADependencyIsBrokenAtTheAwait) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("T");
  auto task = rt.spawn([own_end = ids[0].task()]() -> Coro<bool> {
    try {
      co_await own_end;
    } catch (const CycleError&) {
      co_return true;
    }
    co_return false;
  });
  rt.spawn({.id = ids[0], .after = {task}}, [] {});
  EXPECT_TRUE(task.get());
  rt.wait();
}

TEST(CoroCircles, OneThroughABlockedBodyIsBroken) {
  Runtime rt({.workers = 2});
  Space ids = rt.space("T");
  std::atomic<int> circles{0};
  rt.spawn({.id = ids[0]}, [&circles, other = ids[1].task()] {
    if (is<CycleError>(caught([&] { other.get(); }))) ++circles;
  });
  rt.spawn({.id = ids[1]}, [&circles, other = ids[0].task()]() -> Coro<> {
    try {
      co_await other;
    } catch (const CycleError&) {
      ++circles;
    }
  });
  rt.wait();
  EXPECT_EQ(circles.load(), 1);
}

TEST(CoroCircles, AWaitThatWasInterruptedIsNoEdge) {
  Runtime rt({.workers = 1});
  Space ids = rt.space("T");
  std::latch entered(1);
  // `first` waits for T[0], is cancelled, and then waits for T[1]. T[0] waits for `first`: no circle any more.
  auto first = rt.spawn([&entered, a = ids[0].task(), b = ids[1].task()]() -> Coro<> {
    entered.count_down();
    try {
      co_await a;
    } catch (const TaskCancelled&) {
    }
    try {
      co_await b;
    } catch (const MissingTask&) {
    }
  });
  await_suspension(rt, entered);
  first.cancel();
  auto then = rt.spawn({.id = ids[0], .after = {first}}, [] {});
  then.get();
  EXPECT_THROW(rt.wait(), TaskErrors);  // T[1], which nobody spawned
}

}  // namespace
}  // namespace polyreme
