// Scope: waits for what was spawned in it and for what that spawned, reports its failures, is cancelled as one.
#include <polyreme/scope.hpp>

#include "runtime/engine.hpp"
#include "support/counted.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using namespace std::chrono_literals;
using test::caught;
using test::is;
using test::text_of;

struct Boom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The report of wait(); empty if there is none.
std::vector<std::string> reported(Scope& scope) {
  std::vector<std::string> texts;
  try {
    scope.wait();
  } catch (const TaskErrors& errors) {
    for (const Failure& failure : errors.failures())
      texts.push_back(text_of(failure.error));
  }
  return texts;
}

TEST(ApiScope, WaitsForItsTasksAndWhatTheySpawnOnly) {
  Runtime rt({.workers = 2});
  std::latch hold(1);
  const auto outside = rt.spawn([&] { hold.wait(); });
  std::atomic<int> ran{0};
  {
    Scope scope(rt);
    for (int i = 0; i < 10; ++i) {
      rt.spawn([&] {
        ran.fetch_add(1);
        rt.spawn([&] {
          ran.fetch_add(1);
          rt.spawn([&] { ran.fetch_add(1); });
        });
      });
    }
    scope.wait();
    EXPECT_EQ(ran.load(), 30);
    EXPECT_FALSE(outside.done());
    rt.spawn([&] { ran.fetch_add(1); });
  }
  EXPECT_EQ(ran.load(), 31) << "leaving waits, too";
  hold.count_down();
  rt.wait();
}

TEST(ApiScope, TasksSpawnedAfterItAreNotInIt) {
  Runtime rt({.workers = 1});
  {
    const Scope scope(rt);
  }
  std::latch hold(1);
  const auto outside = rt.spawn([&] { hold.wait(); });
  {
    Scope scope(rt);
    scope.wait();
  }
  EXPECT_FALSE(outside.done());
  hold.count_down();
}

/// What the scope waits for needs the slot of the body that waits.
TEST(ApiScope, ABodyMayWaitForAScopeOfAnotherRuntime) {
  Runtime one({.workers = 1});
  Runtime other({.workers = 1});
  int got = 0;
  one.spawn([&] {
       Scope scope(other);
       other.spawn([&] { got = one.spawn([] { return 5; }).get(); });
     })
      .get();
  EXPECT_EQ(got, 5);
}

TEST(ApiScope, ReportsItsFailuresAndNobodyElse) {
  Runtime rt({.workers = 2});
  Scope scope(rt);
  const auto fails = rt.spawn({.name = "fails"}, [] { throw Boom("here"); });
  const auto dependent = rt.spawn({.after = fails}, [] {});
  try {
    scope.wait();
    ADD_FAILURE() << "nothing was reported";
  } catch (const TaskErrors& errors) {
    ASSERT_EQ(errors.failures().size(), 1U);
    EXPECT_EQ(errors.failures()[0].task, "fails");
    EXPECT_EQ(errors.cancelled_dependents(), 1U);
  }
  scope.wait();  // reported once
  rt.wait();
  EXPECT_TRUE(is<DependencyFailed>(dependent.exception()));
  EXPECT_FALSE(scope.cancelled());
}

TEST(ApiScope, PassesUnreportedFailuresOn) {
  Runtime rt({.workers = 2});
  {
    Scope outer(rt);
    {
      const Scope inner(rt);
      rt.spawn([] { throw Boom("inner"); });
    }
    EXPECT_EQ(reported(outer), std::vector<std::string>{"inner"});
    rt.spawn([] { throw Boom("outer"); });
  }
  const std::exception_ptr error = caught([&] { rt.wait(); });
  ASSERT_TRUE(is<TaskErrors>(error));
  EXPECT_NE(text_of(error).find("outer"), std::string::npos);
  EXPECT_EQ(text_of(error).find("inner"), std::string::npos);
}

TEST(ApiScope, InABodyHoldsNoSlotWhileItWaits) {
  for (const std::uint32_t workers : {1U, 2U}) {
    Runtime rt({.workers = workers});
    const Task<int> sum = rt.spawn([&] {
      std::atomic<int> total{0};
      Scope scope(rt);
      for (int i = 1; i <= 100; ++i)
        rt.spawn([&total, i] { total.fetch_add(i); });
      scope.wait();
      return total.load();
    });
    EXPECT_EQ(sum.get(), 5050);
  }
}

int count_tree(Runtime& rt, int depth) {
  if (depth == 0) return 1;
  int left = 0;
  int right = 0;
  Scope scope(rt);
  rt.spawn([&] { left = count_tree(rt, depth - 1); });
  rt.spawn([&] { right = count_tree(rt, depth - 1); });
  scope.wait();
  return left + right;
}

TEST(ApiScope, NestsInATreeOfBodies) {
  for (const std::uint32_t workers : {1U, 2U, 4U}) {
    Runtime rt({.workers = workers});
    EXPECT_EQ(rt.spawn([&] { return count_tree(rt, 10); }).get(), 1024);
    EXPECT_LT(rt.stats().threads, workers + 40) << "most of the tree is walked without a thread for each node";
  }
}

TEST(ApiScope, OfOneBodyIsNotThatOfABodyThatRunsOnTopOfIt) {
  Runtime rt({.workers = 1});
  std::latch hold(1);
  const auto inner_done = std::make_shared<std::atomic<bool>>(false);
  rt.spawn([&, inner_done] {
      Task<void> other;
      other = rt.spawn([&, inner_done] { rt.spawn([inner_done] { inner_done->store(true); }); });
      Scope scope(rt);
      const auto mine = rt.spawn([] {});
      other.wait();  // runs in place: what it spawns is not in this scope
      scope.wait();
      EXPECT_TRUE(mine.done());
    }).wait();
  rt.wait();
  EXPECT_TRUE(inner_done->load());
}

TEST(ApiScope, CancelEndsWhatHasNotStartedAtOnce) {
  Runtime rt({.workers = 1});
  std::latch started(1), hold(1);
  const auto busy = rt.spawn([&] {
    started.count_down();
    hold.wait();
  });
  started.wait();
  test::Census census;
  std::vector<Task<void>> tasks;
  std::atomic<int> ran{0};
  const auto outside = rt.spawn([&] { ran.fetch_add(1); });
  {
    Scope scope(rt);
    for (int i = 0; i < 600; ++i) {
      tasks.push_back(rt.spawn([&ran, held = test::Counted(census, i)] { ran.fetch_add(100); }));
      tasks.push_back(rt.spawn({.after = busy}, [&ran] { ran.fetch_add(100); }));
    }
    {
      const Scope inner(rt);
      tasks.push_back(rt.spawn([&ran] { ran.fetch_add(100); }));
      scope.cancel();
      EXPECT_TRUE(inner.cancelled());
      tasks.push_back(rt.spawn([&ran] { ran.fetch_add(100); }));
    }
    EXPECT_TRUE(scope.cancelled());
    tasks.push_back(rt.spawn([&ran] { ran.fetch_add(100); }));
    tasks.push_back(rt.spawn({.after = busy}, [&ran] { ran.fetch_add(100); }));
    for (const auto& task : tasks) {
      EXPECT_TRUE(task.done());
      EXPECT_TRUE(is<TaskCancelled>(task.exception()));
    }
    EXPECT_EQ(census.alive(), 0);
    scope.wait();
    scope.cancel();
  }
  EXPECT_FALSE(busy.done());
  hold.count_down();
  rt.wait();
  EXPECT_EQ(ran.load(), 1) << "the task outside ran, none inside did";
  EXPECT_FALSE(outside.cancel());
}

TEST(ApiScope, CancelAsksBodiesToStop) {
  Runtime rt({.workers = 2});
  std::latch started(2);
  Scope scope(rt);
  const auto stops = rt.spawn([&](Context& context) {
    started.count_down();
    while (true)
      context.throw_if_cancelled();
  });
  const auto told = rt.spawn([&](Context& context) {
    const std::stop_token token = context.stop_token();
    std::atomic<bool> seen{false};
    const std::stop_callback callback(token, [&] { seen.store(true); });
    started.count_down();
    while (!seen.load())
      std::this_thread::yield();
  });
  started.wait();
  scope.cancel();
  scope.wait();
  EXPECT_TRUE(is<TaskCancelled>(stops.exception()));
  EXPECT_EQ(told.exception(), nullptr);
}

TEST(ApiScope, TheFirstFailureCancelsTheRestIfAskedFor) {
  Runtime rt({.workers = 1});
  std::latch started(1), hold(1);
  const auto busy = rt.spawn([&] {
    started.count_down();
    hold.wait();
  });
  started.wait();
  Scope scope(rt, {.cancel_on_error = true});
  std::atomic<int> ran{0};
  const auto fails = rt.spawn([] { throw Boom("first"); });
  std::vector<Task<void>> rest;
  rest.reserve(20);
  for (int i = 0; i < 20; ++i)
    rest.push_back(rt.spawn({.after = fails}, [&] { ran.fetch_add(1); }));
  for (int i = 0; i < 20; ++i)
    rest.push_back(rt.spawn({.after = busy}, [&] { rt.spawn([&] { ran.fetch_add(1); }); }));
  hold.count_down();
  EXPECT_FALSE(reported(scope).empty());
  EXPECT_TRUE(scope.cancelled());
  EXPECT_LE(ran.load(), 20) << "those that had started before the failure";
}

TEST(ApiScope, AnExceptionThatLeavesItCancelsIt) {
  Runtime rt({.workers = 1});
  std::latch started(1), hold(1);
  rt.spawn([&] {
    started.count_down();
    hold.wait();
  });
  started.wait();
  Task<void> never;
  EXPECT_TRUE(is<Boom>(caught([&] {
    const Scope scope(rt);
    never = rt.spawn([] { FAIL(); });
    throw Boom("out of the block");
  })));
  EXPECT_TRUE(is<TaskCancelled>(never.exception()));
  hold.count_down();
}

TEST(ApiScope, TimedWaitsEnd) {
  Runtime rt({.workers = 3});  // two bodies block their slots, the third wants its own back
  std::latch hold(1);
  Scope scope(rt);
  rt.spawn([&] { hold.wait(); });
  EXPECT_FALSE(scope.wait_for(1ms));
  EXPECT_FALSE(scope.wait_for(-1ms));
  EXPECT_FALSE(rt.spawn([&] {
                   Scope inner(rt);
                   rt.spawn([&] { hold.wait(); });
                   const bool over = inner.wait_for(1ms);
                   hold.count_down();
                   return over;
                 }).get());
  EXPECT_TRUE(scope.wait_for(1h));
}

TEST(ApiScope, OtherThreadsMayEnterIt) {
  Runtime rt({.workers = 2});
  Scope scope(rt);
  std::atomic<int> ran{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        const auto entry = scope.enter();
        for (int i = 0; i < 100; ++i)
          rt.spawn([&] { ran.fetch_add(1); });
      });
    }
  }
  scope.wait();
  EXPECT_EQ(ran.load(), 300);
}

TEST(ApiScope, OfTwoRuntimesKeepApart) {
  Runtime one({.workers = 1});
  Runtime other({.workers = 1});
  std::latch hold(1);
  Scope of_one(one);
  Scope of_other(other);
  const auto task = one.spawn([&] { hold.wait(); });
  other.spawn([] {});
  of_other.wait();
  EXPECT_FALSE(of_one.wait_for(0ns));
  hold.count_down();
  of_one.wait();
  EXPECT_TRUE(task.done());
}

TEST(ApiScope, AWaitInOneOfItsTasksIsRefused) {
  Runtime rt({.workers = 1});
  Scope scope(rt);
  rt.spawn([&] { scope.wait(); });
  const std::vector<std::string> texts = reported(scope);
  ASSERT_EQ(texts.size(), 1U);
  EXPECT_NE(texts[0].find("waits for the scope that it belongs to"), std::string::npos) << texts[0];
}

TEST(ApiScope, ACircleThroughItIsReported) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const auto body = rt.spawn({.id = space(0), .name = "waits"}, [&] {
    Scope scope(rt);
    rt.spawn({.name = "inner"}, [&] { space(0).task<void>().get(); });
    try {
      scope.wait();
    } catch (const CycleError&) {  // if another slot ran the inner task
      return;
    } catch (const TaskErrors& errors) {
      EXPECT_TRUE(is<CycleError>(errors.failures().front().error));
      return;
    }
    ADD_FAILURE() << "the circle was not found";
  });
  body.wait();
  EXPECT_EQ(body.exception(), nullptr);
  static_cast<void>(caught([&] { rt.wait(); }));
}

TEST(ApiScope, AMissingIdEndsItsWait) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const auto body = rt.spawn([&] {
    Scope scope(rt);
    rt.spawn({.after = space(7)}, [] {});
    scope.wait();
  });
  body.wait();
  EXPECT_EQ(body.exception(), nullptr) << "the id that is missing is outside";
  EXPECT_TRUE(is<TaskErrors>(caught([&] { rt.wait(); })));
}

TEST(ApiScope, KeepsNoResults) {
  Runtime rt({.workers = 2});
  test::Census census;
  Scope scope(rt);
  for (int i = 0; i < 2000; ++i)
    rt.spawn([&census, i] { return test::Counted(census, i); });
  scope.wait();
  test::await([&] { return census.alive() == 0; });
}

TEST(ApiScope, ManyOneAfterTheOtherUseTheSamePlaces) {
  Runtime rt({.workers = 2});
  std::atomic<int> ran{0};
  for (int i = 0; i < 2000; ++i) {
    Scope outer(rt);
    const Scope inner(rt);
    rt.spawn([&] { ran.fetch_add(1); });
  }
  EXPECT_EQ(ran.load(), 2000);
}

TEST(ApiScope, OfAClosedRuntimeIsRefused) {
  auto rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 1});
  rt->engine().close();
  EXPECT_TRUE(is<RuntimeClosed>(caught([&] { const Scope scope(*rt); })));
}

TEST(ApiScope, ThatIsCancelledRunsNothingThatIsSpawnedInIt) {
  Runtime rt({.workers = 2});
  std::atomic<int> ran{0};
  const auto before = rt.spawn([] {});
  before.wait();
  std::latch hold(1);
  const auto busy = rt.spawn([&] { hold.wait(); });
  Scope scope(rt);
  scope.cancel();
  for (int i = 0; i < 2000; ++i) {
    const auto ready = rt.spawn([&] { ran.fetch_add(1); });
    const auto met = rt.spawn({.after = before}, [&] { ran.fetch_add(1); });
    const auto waiting = rt.spawn({.after = {before, busy}}, [&] { ran.fetch_add(1); });
    EXPECT_TRUE(ready.done() && met.done() && waiting.done());
  }
  EXPECT_EQ(ran.load(), 0);
  hold.count_down();
}

/// Who waits for a scope is not what keeps it: a later scope may have its state when the wait returns.
TEST(ApiScope, IsToldFromALaterOneWithItsState) {
  const Runtime rt({.workers = 1});
  runtime::Engine& engine = rt.engine();
  runtime::ScopeState& scope = engine.open_scope(false);
  const std::uint32_t use = scope.use();
  scope.add_watcher();  // a thread that is slow to leave its wait
  EXPECT_TRUE(scope.over_since(use));
  engine.close_scope(scope);

  ASSERT_EQ(&engine.open_scope(false), &scope);
  scope.hold();
  EXPECT_TRUE(scope.over_since(use));
  EXPECT_FALSE(scope.over_since(scope.use()));
  scope.add_watcher();
  scope.remove_watcher();  // of the former wait
  EXPECT_TRUE(scope.leave()) << "a waiter would not be woken";
  scope.remove_watcher();
  scope.hold();
  EXPECT_FALSE(scope.leave());
  engine.close_scope(scope);
}

/// Whoever brought about the end of a former scope looks for its waiters late, and finds a scope that was abandoned.
TEST(ApiScope, ThatIsAbandonedIsEndedByNobodyBeforeItIsOver) {
  const Runtime rt({.workers = 1});
  runtime::Engine& engine = rt.engine();
  runtime::ScopeState& scope = engine.open_scope(false);
  scope.hold();
  EXPECT_FALSE(scope.abandon());
  EXPECT_FALSE(scope.take_abandoned());
  EXPECT_TRUE(scope.leave());
  EXPECT_TRUE(scope.take_abandoned());
  EXPECT_FALSE(scope.take_abandoned()) << "twice";
  engine.close_scope(scope);

  ASSERT_EQ(&engine.open_scope(false), &scope);
  scope.hold();
  EXPECT_FALSE(scope.leave()) << "nobody waits for the later scope";
  engine.close_scope(scope);
}

TEST(ApiScope, LeftBeforeOneInsideItIsGivenUp) {
  std::vector<std::string> warnings;
  Runtime rt({.workers = 1, .warn = [&](const std::string& text) { warnings.push_back(text); }});
  auto outer = std::make_unique<Scope>(rt);
  auto inner = std::make_unique<Scope>(rt);
  outer.reset();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("leave the inner one first"), std::string::npos) << warnings[0];
  int ran = 0;
  rt.spawn([&] { ++ran; });
  inner.reset();
  EXPECT_EQ(ran, 1);
  rt.spawn([&] { ++ran; }).get();
}

}  // namespace
}  // namespace polyreme
