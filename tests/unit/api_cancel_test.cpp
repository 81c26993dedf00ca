// Task::cancel and Context: what has not started ends at once, what runs is asked to stop, dependents follow.
#include <polyreme/runtime.hpp>

#include "support/counted.hpp"
#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <atomic>
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

/// A runtime of one slot, which a body keeps busy until the test opens it.
struct Busy {
  Runtime rt{{.workers = 1}};
  std::latch started{1};
  std::latch hold{1};
  Task<void> body = rt.spawn({.name = "busy"}, [this] {
    started.count_down();
    hold.wait();
  });
  Busy() { started.wait(); }
};

template <class T>
void expect_cancelled(const Task<T>& task, const std::string& how) {
  EXPECT_TRUE(task.done());
  const std::exception_ptr error = task.exception();
  EXPECT_TRUE(is<TaskCancelled>(error)) << text_of(error);
  EXPECT_NE(text_of(error).find(how), std::string::npos) << text_of(error);
}

TEST(ApiCancel, EndsAReadyTaskAtOnce) {
  Busy busy;
  test::Census census;
  bool ran = false;
  const Task<int> task = busy.rt.spawn({.name = "ready"}, [&ran, held = test::Counted(census, 1)] {
    ran = true;
    return held.value();
  });
  EXPECT_TRUE(task.cancel());
  expect_cancelled(task, "ready was cancelled before it started");
  EXPECT_EQ(census.alive(), 0) << "the body's captures are gone";
  EXPECT_TRUE(is<TaskCancelled>(caught([&] { static_cast<void>(task.get()); })));
  EXPECT_TRUE(task.cancel()) << "again";
  busy.hold.count_down();
  busy.rt.wait();  // a request is no failure
  EXPECT_FALSE(ran);
}

TEST(ApiCancel, EndsAWaitingTaskAndItsDependentsWhileThePredecessorRuns) {
  Busy busy;
  std::atomic<int> ran{0};
  const auto count = [&ran] { ran.fetch_add(1); };
  const auto waiting = busy.rt.spawn({.after = busy.body, .name = "waiting"}, count);
  const auto dependent = busy.rt.spawn({.after = waiting, .name = "dependent"}, count);
  const auto other = busy.rt.spawn({.after = busy.body}, count);
  EXPECT_TRUE(waiting.cancel());
  expect_cancelled(waiting, "before it started");
  busy.hold.count_down();
  busy.rt.wait();
  expect_cancelled(dependent, "as was a task that it depends on");
  EXPECT_FALSE(dependent.cancel() && !dependent.done());
  EXPECT_EQ(ran.load(), 1) << "the other dependent of the predecessor ran";
}

TEST(ApiCancel, OfATaskWithManyPredecessorsLeavesThemAlone) {
  Busy busy;
  std::vector<Task<void>> before;
  std::atomic<int> ran{0};
  before.reserve(40);
  for (int i = 0; i < 40; ++i)
    before.push_back(busy.rt.spawn({.after = busy.body}, [&] { ran.fetch_add(1); }));
  const auto after = busy.rt.spawn({.after = before}, [&] { ran.fetch_add(1000); });
  EXPECT_TRUE(after.cancel());
  busy.hold.count_down();
  busy.rt.wait();
  EXPECT_EQ(ran.load(), 40);
}

TEST(ApiCancel, BeforeAPredecessorFailsKeepsTheRequestAsTheReason) {
  Busy busy;
  const auto fails = busy.rt.spawn({.after = busy.body}, [] { throw std::runtime_error("late"); });
  const auto both = busy.rt.spawn({.after = fails}, [] {});
  const auto only_failed = busy.rt.spawn({.after = fails}, [] {});
  EXPECT_TRUE(both.cancel());
  busy.hold.count_down();
  try {
    busy.rt.wait();
    ADD_FAILURE() << "the failure was not reported";
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), 1U);
    EXPECT_EQ(errors.cancelled_dependents(), 1U) << "the one that was cancelled on request is not due to the failure";
  }
  expect_cancelled(both, "before it started");
  EXPECT_TRUE(is<DependencyFailed>(only_failed.exception()));
  EXPECT_FALSE(fails.cancel()) << "it is over, and failed";
  EXPECT_TRUE(is<std::runtime_error>(fails.exception()));
}

TEST(ApiCancel, AsksABodyThatRunsToStop) {
  Runtime rt({.workers = 2});
  std::latch started(1);
  const Task<int> task = rt.spawn(
      [&](Context& context, int step) {
        started.count_down();
        int steps = 0;
        while (!context.cancelled())
          steps += step;
        return steps >= 0 ? 7 : 8;
      },
      0);
  started.wait();
  EXPECT_FALSE(task.cancel());
  EXPECT_EQ(task.get(), 7) << "a body that returns is done, not cancelled";
  EXPECT_FALSE(task.cancel());
  rt.wait();
}

TEST(ApiCancel, CountsABodyThatGivesUpAsCancelled) {
  Runtime rt({.workers = 2});
  std::latch started(1);
  const auto task = rt.spawn({.name = "endless"}, [&](Context& context) {
    started.count_down();
    while (true)
      context.throw_if_cancelled();
  });
  const auto dependent = rt.spawn({.after = task}, [] {});
  started.wait();
  EXPECT_FALSE(task.cancel());
  rt.wait();
  expect_cancelled(task, "endless was cancelled while it ran");
  expect_cancelled(dependent, "as was a task that it depends on");
}

TEST(ApiCancel, OfAnotherTaskIsAFailureOfTheBodyThatRethrowsIt) {
  Busy busy;
  const Task<int> cancelled = busy.rt.spawn([] { return 1; });
  EXPECT_TRUE(cancelled.cancel());
  const Task<int> asks = busy.rt.spawn([cancelled] { return cancelled.get(); });
  busy.hold.count_down();
  EXPECT_TRUE(is<TaskErrors>(caught([&] { busy.rt.wait(); })));
  EXPECT_FALSE(asks.cancel());
}

TEST(ApiCancel, TellsAStopTokenWheneverItWasMade) {
  Runtime rt({.workers = 2});
  for (const bool early : {true, false}) {
    std::latch made(1), asked(1);
    const Task<bool> task = rt.spawn([&](Context& context) {
      std::stop_token token;
      if (early) token = context.stop_token();
      made.count_down();
      asked.wait();
      if (!early) token = context.stop_token();
      bool told = false;
      const std::stop_callback callback(token, [&] { told = true; });
      return told && token.stop_requested() && context.stop_token().stop_requested();
    });
    made.wait();
    EXPECT_FALSE(task.cancel());
    asked.count_down();
    EXPECT_TRUE(task.get()) << "early: " << early;
  }
}

TEST(ApiCancel, IsReachedByAFunctionThatTheBodyCalls) {
  EXPECT_TRUE(is<UsageError>(caught([] { static_cast<void>(Context::current()); })));
  Runtime rt({.workers = 1});
  Task<bool> own;
  std::latch given(1);
  own = rt.spawn([&] {
    given.wait();
    EXPECT_FALSE(own.cancel()) << "it runs";
    return Context::current().cancelled();
  });
  given.count_down();
  EXPECT_TRUE(own.get());
}

TEST(ApiCancel, RefusesWhatIsNotSpawned) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto id = space(3).task<void>();
  const std::exception_ptr error = caught([&] { static_cast<void>(id.cancel()); });
  EXPECT_TRUE(is<UsageError>(error));
  EXPECT_NE(text_of(error).find("T[3] is not spawned"), std::string::npos) << text_of(error);
  EXPECT_TRUE(is<UsageError>(caught([] { static_cast<void>(Task<void>().cancel()); })));
  const auto task = rt.spawn({.id = space(3)}, [] {});
  rt.wait();
  EXPECT_FALSE(id.cancel());
}

TEST(ApiCancel, OfAnIdThatOthersWaitForEndsThem) {
  Busy busy;
  const Space space = busy.rt.space("T");
  const auto early = busy.rt.spawn({.after = space(0)}, [] {});
  const auto named = busy.rt.spawn({.id = space(0), .after = busy.body}, [] {});
  EXPECT_TRUE(space(0).task<void>().cancel());
  expect_cancelled(named, "T[0] was cancelled");
  busy.hold.count_down();
  busy.rt.wait();
  expect_cancelled(early, "as was a task that it depends on");
}

TEST(ApiCancel, FromABodyFreesAWaiterAndASlot) {
  Runtime rt({.workers = 1});
  std::latch spawned(1);
  Task<void> waiting;
  const auto body = rt.spawn([&] {
    spawned.wait();
    EXPECT_TRUE(waiting.cancel());
    EXPECT_TRUE(is<TaskCancelled>(caught([&] { waiting.get(); })));
  });
  waiting = rt.spawn({.after = body}, [] {});
  spawned.count_down();
  EXPECT_TRUE(is<TaskCancelled>(caught([&] { waiting.get(); })));
  rt.wait();
}

TEST(ApiCancel, OfAWholeChainTakesOneRequest) {
  Busy busy;
  std::atomic<int> ran{0};
  Task<void> first = busy.rt.spawn({.after = busy.body}, [&] { ran.fetch_add(1); });
  Task<void> last = first;
  constexpr int kLength = 100'000;
  for (int i = 0; i < kLength; ++i)
    last = busy.rt.spawn({.after = last}, [&] { ran.fetch_add(1); });
  EXPECT_TRUE(first.cancel());
  busy.hold.count_down();
  last.wait();
  expect_cancelled(last, "as was a task that it depends on");
  busy.rt.wait();
  EXPECT_EQ(ran.load(), 0);
}

/// Cancels a task when it is destroyed.
struct CancelsAtLast {
  explicit CancelsAtLast(std::shared_ptr<Task<void>> one) : task(std::move(one)) {}
  CancelsAtLast(CancelsAtLast&&) = default;
  CancelsAtLast(const CancelsAtLast&) = delete;
  CancelsAtLast& operator=(const CancelsAtLast&) = delete;
  CancelsAtLast& operator=(CancelsAtLast&&) = delete;
  ~CancelsAtLast() {
    if (task != nullptr && task->valid()) static_cast<void>(task->cancel());
  }
  std::shared_ptr<Task<void>> task;
};

TEST(ApiCancel, ThatComesWhenATaskEndsForAFailureIsNotTheReason) {
  Busy busy;
  const auto fails = busy.rt.spawn({.after = busy.body}, [] { throw std::runtime_error("first"); });
  const auto self = std::make_shared<Task<void>>();
  const auto dependent = busy.rt.spawn({.after = fails}, [last = CancelsAtLast(self)] {});
  *self = dependent;
  busy.hold.count_down();
  EXPECT_TRUE(is<DependencyFailed>(dependent.exception())) << text_of(dependent.exception());
  const auto late = busy.rt.spawn({.after = dependent}, [] {});
  EXPECT_TRUE(is<DependencyFailed>(late.exception())) << text_of(late.exception());
  *self = {};
  EXPECT_THROW(busy.rt.wait(), TaskErrors);
}

/// No slot becomes free after a task that ends on a foreign thread.
TEST(ApiCancel, TheLastTaskEndsTheWaitForAll) {
  Runtime rt({.workers = 1, .stall_warning_s = 1e6});
  const Space space = rt.space("T");
  for (int round = 0; round < 50; ++round) {
    const auto waits = rt.spawn({.after = space[round]}, [] {});
    std::jthread waiter([&] { rt.wait(); });
    for (int i = 0; i < 20 * round; ++i)
      std::this_thread::yield();
    EXPECT_TRUE(waits.cancel());
  }
}

}  // namespace
}  // namespace polyreme
