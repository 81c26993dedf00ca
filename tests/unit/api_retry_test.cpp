// Retries: a repeatable body that throws runs again, after a pause that holds no slot, until the last attempt fails.
#include <polyreme/runtime.hpp>
#include <polyreme/scope.hpp>

#include "runtime/engine.hpp"
#include "support/counted.hpp"
#include "support/errors.hpp"

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

TEST(ApiRetry, RunsABodyAgainUntilItReturns) {
  Runtime rt({.workers = 1});
  for (const auto backoff : {0ns, 10'000ns}) {
    int attempts = 0;
    const Task<int> task = rt.spawn({.retries = 3, .backoff = backoff}, repeatable([&] {
                                      if (++attempts < 3) throw Boom("not yet");
                                      return attempts;
                                    }));
    EXPECT_EQ(task.get(), 3);
    rt.wait();  // nothing failed
    EXPECT_EQ(rt.stats().spawned, rt.stats().completed);
  }
}

TEST(ApiRetry, RunsABodyAgainWhileTheRuntimeCloses) {
  std::atomic<int> attempts{0};
  std::latch closing(1);
  auto rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 1});
  runtime::Engine& engine = rt->engine();
  const auto task = rt->spawn({.retries = 1}, repeatable([&] {
                                if (++attempts > 1) return;
                                closing.wait();
                                throw Boom("while it closes");
                              }));
  std::jthread watcher([&] {
    while (!is<RuntimeClosed>(caught([&] { engine.check_open(); }))) {
    }
    closing.count_down();
  });
  rt.reset();
  watcher.join();
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(task.exception(), nullptr);
}

TEST(ApiRetry, FailsWithTheLastException) {
  Runtime rt({.workers = 2});
  int attempts = 0;
  test::Census census;
  const auto task =
      rt.spawn({.name = "stubborn", .retries = 2}, repeatable([&attempts, held = test::Counted(census, 1)] {
                 throw Boom("attempt " + std::to_string(++attempts));
               }));
  const auto dependent = rt.spawn({.after = task}, [] {});
  EXPECT_EQ(text_of(task.exception()), "attempt 3");
  EXPECT_EQ(census.alive(), 0);
  EXPECT_TRUE(is<DependencyFailed>(dependent.exception()));
  try {
    rt.wait();
    ADD_FAILURE() << "nothing was reported";
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), 1U) << "one failure, not three";
  }
}

TEST(ApiRetry, GivesTheSameArgumentsToEachAttempt) {
  Runtime rt({.workers = 1});
  const Task<std::string> text = rt.spawn([] { return std::string("value"); });
  const auto nothing = rt.spawn([] {});
  std::vector<std::string> seen;
  const auto task =
      rt.spawn({.retries = 1}, repeatable([&](Context& context, const std::string& one, const std::string& other) {
                 seen.push_back(context.name() + one + other);
                 if (seen.size() == 1) throw Boom("again");
                 return std::vector<std::string>(100, one);
               }),
               text, nothing, std::string("kept"));
  EXPECT_EQ(task.get().size(), 100U);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_NE(seen[1].find("valuekept"), std::string::npos);
}

TEST(ApiRetry, ReturnsReferencesAndLargeValues) {
  Runtime rt({.workers = 1});
  static int place = 7;
  const Task<int&> task = rt.spawn({.retries = 1}, repeatable([]() -> int& { return place; }));
  EXPECT_EQ(&task.get(), &place);
}

TEST(ApiRetry, APauseHoldsNoSlotAndIsNoStall) {
  Runtime rt({.workers = 1});
  std::latch failed(1);
  std::atomic<int> attempts{0};
  const auto task = rt.spawn({.retries = 1, .backoff = 20ms}, repeatable([&] {
                               if (attempts.fetch_add(1) == 0) {
                                 failed.count_down();
                                 throw Boom("pause");
                               }
                             }));
  failed.wait();
  EXPECT_EQ(rt.spawn([] { return 1; }).get(), 1);
  const Space space = rt.space("T");
  const auto waits = rt.spawn({.after = space(0)}, [] {});
  EXPECT_FALSE(waits.wait_for(1ms));
  const auto spawns = rt.spawn({.id = space(0), .after = task}, [] {});
  waits.get();
  EXPECT_EQ(attempts.load(), 2);
}

TEST(ApiRetry, CancelEndsAPauseAtOnce) {
  Runtime rt({.workers = 1});
  std::latch failed(1);
  std::atomic<int> attempts{0};
  const auto task = rt.spawn({.name = "paused", .retries = 5, .backoff = 1h}, repeatable([&] {
                               attempts.fetch_add(1);
                               failed.count_down();
                               throw Boom("pause");
                             }));
  failed.wait();
  rt.spawn([] {}).wait();  // the only slot is free: the pause has begun
  EXPECT_FALSE(task.cancel());
  task.wait();
  EXPECT_TRUE(is<TaskCancelled>(task.exception())) << text_of(task.exception());
  EXPECT_EQ(attempts.load(), 1);
  static_cast<void>(caught([&] { rt.wait(); }));
}

TEST(ApiRetry, ACancelledScopeEndsAPause) {
  Runtime rt({.workers = 2});
  Scope scope(rt);
  std::latch failed(1);
  const auto task = rt.spawn({.retries = 1, .backoff = 1h}, repeatable([&] {
                               failed.count_down();
                               throw Boom("pause");
                             }));
  failed.wait();
  scope.cancel();
  static_cast<void>(caught([&] { scope.wait(); }));
  EXPECT_TRUE(task.done());
}

TEST(ApiRetry, AnEndOfTheRuntimeThatCancelsEndsAPause) {
  std::vector<std::string> warnings;
  std::latch failed(1);
  {
    Runtime rt({.workers = 1, .warn = [&](const std::string& text) { warnings.push_back(text); }});
    rt.spawn({.retries = 1, .backoff = 1h}, repeatable([&] {
               failed.count_down();
               throw Boom("the reason");
             }));
    failed.wait();
    rt.engine().cancel_unstarted();
  }
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("the reason"), std::string::npos);
}

TEST(ApiRetry, AWaiterMayRunTheFirstAttempt) {
  Runtime rt({.workers = 1});
  const int got = rt.spawn([&] {
                      int attempts = 0;
                      const Task<int> inner = rt.spawn({.retries = 2}, repeatable([&] {
                                                         if (++attempts < 3) throw Boom("again");
                                                         return attempts;
                                                       }));
                      return inner.get();
                    }).get();
  EXPECT_EQ(got, 3);
}

TEST(ApiRetry, MisuseIsRefused) {
  Runtime rt({.workers = 1});
  EXPECT_TRUE(is<UsageError>(caught([&] { rt.spawn({.retries = 1}, [] {}); })));
  EXPECT_TRUE(is<UsageError>(caught([&] { rt.spawn({.backoff = 1ms}, [] {}); })));
  EXPECT_TRUE(is<UsageError>(caught([&] { rt.spawn({.retries = -1}, repeatable([] {})); })));
  EXPECT_TRUE(is<UsageError>(caught([&] { rt.spawn({.backoff = -1ms}, repeatable([] {})); })));
  rt.spawn(repeatable([] {})).get();
  rt.wait();
}

TEST(ApiRetry, PausesAgainAfterARunThatWasCancelled) {
  Runtime rt({.workers = 1});
  std::latch first(1);
  const auto cancelled = rt.spawn({.retries = 1, .backoff = 1h}, repeatable([&first] {
                                    first.count_down();
                                    throw Boom("before");
                                  }));
  first.wait();
  rt.engine().cancel_and_wait();
  EXPECT_TRUE(cancelled.done());

  std::latch second(1);
  std::atomic<int> attempts{0};
  const auto pauses = rt.spawn({.retries = 1, .backoff = 1h}, repeatable([&] {
                                 if (attempts.fetch_add(1) == 0) second.count_down();
                                 throw Boom("after");
                               }));
  second.wait();
  for (int i = 0; i < 1000; ++i)
    rt.spawn([] {}).wait();
  static_cast<void>(pauses.cancel());
  static_cast<void>(pauses.exception());
  EXPECT_EQ(attempts.load(), 1);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

}  // namespace
}  // namespace polyreme
