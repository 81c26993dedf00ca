// Exceptions of bodies: they reach every waiter, dependents get the cause, wait() reports each root once.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "support/errors.hpp"
#include "support/warnings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using test::caught;
using test::is;
using test::text_of;

struct Boom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The report of wait(); fails the test if there is none.
struct Report {
  explicit Report(Runtime& rt) {
    try {
      rt.wait();
      ADD_FAILURE() << "wait() reported nothing";
    } catch (const TaskErrors& errors) {
      text = errors.what();
      failures = errors.failures();
      cancelled = errors.cancelled_dependents();
    }
  }
  std::string text;
  std::vector<Failure> failures;
  std::uint64_t cancelled = 0;
};

TEST(ApiFailures, ReachEveryWaiter) {
  Runtime rt({.workers = 2});
  std::latch hold(1);
  const Task<int> task = rt.spawn([&]() -> int {
    hold.wait();
    throw Boom("to everybody");
  });
  std::atomic<int> got{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      if (is<Boom>(caught([&] { static_cast<void>(task.get()); }))) got.fetch_add(1);
    });
  }
  const auto body = rt.spawn([&] { return is<Boom>(caught([&] { static_cast<void>(task.get()); })); });
  hold.count_down();
  threads.clear();
  EXPECT_EQ(got.load(), 6);
  EXPECT_TRUE(body.get());
  EXPECT_EQ(text_of(task.exception()), "to everybody");
  EXPECT_TRUE(task.done());
  const Report report(rt);
  EXPECT_EQ(report.failures.size(), 1U);
}

TEST(ApiFailures, DependentsAreCancelledWithTheCause) {
  Runtime rt({.workers = 2});
  std::atomic<bool> ran{false};
  const auto root = rt.spawn({.name = "root"}, []() -> int { throw Boom("first"); });
  const auto middle = rt.spawn([&](int) { ran = true; }, root);
  const auto last = rt.spawn({.after = middle}, [&] { ran = true; });
  const std::exception_ptr error = last.exception();
  ASSERT_TRUE(is<DependencyFailed>(error));
  EXPECT_NE(text_of(error).find("root"), std::string::npos);
  try {
    std::rethrow_exception(error);
  } catch (const DependencyFailed& failed) {
    EXPECT_TRUE(is<Boom>(failed.cause())) << "the cause is the original, however far away";
    EXPECT_EQ(text_of(failed.cause()), "first");
  }
  EXPECT_TRUE(is<DependencyFailed>(caught([&] { middle.get(); })));
  EXPECT_FALSE(ran.load());
  const Report report(rt);
  EXPECT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.cancelled, 2U);
}

TEST(ApiFailures, DependentsSpawnedAfterwardsAreCancelledToo) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto root = rt.spawn({.id = space[0]}, [] { throw Boom("early"); });
  EXPECT_THROW(root.get(), Boom);
  EXPECT_THROW(rt.wait(), TaskErrors);
  std::atomic<bool> ran{false};
  const auto by_task = rt.spawn({.after = root}, [&] { ran = true; });
  const auto by_id = rt.spawn({.after = {space[0]}}, [&] { ran = true; });
  const auto by_slice = rt.spawn({.after = {space(upto(1))}}, [&] { ran = true; });
  const auto by_space = rt.spawn({.after = space}, [&] { ran = true; });
  for (const auto& task : {by_task, by_id, by_slice, by_space}) {
    EXPECT_TRUE(is<DependencyFailed>(task.exception()));
  }
  EXPECT_NO_THROW(rt.wait()) << "the root was reported before";
  EXPECT_FALSE(ran.load());
}

TEST(ApiFailures, DiamondWithTwoFailures) {
  Runtime rt({.workers = 2});
  for (int round = 0; round < 200; ++round) {
    const auto top = rt.spawn([] {});
    const auto left = rt.spawn({.after = top, .name = "left"}, [] { throw Boom("left"); });
    const auto right = rt.spawn({.after = top, .name = "right"}, [] { throw Boom("right"); });
    const auto bottom = rt.spawn({.after = {left, right}}, [] {});
    const std::exception_ptr error = bottom.exception();
    ASSERT_TRUE(is<DependencyFailed>(error));
    const Report report(rt);
    ASSERT_EQ(report.failures.size(), 2U);
    EXPECT_EQ(report.cancelled, 1U);
    try {
      std::rethrow_exception(error);
    } catch (const DependencyFailed& failed) {
      EXPECT_TRUE(is<Boom>(failed.cause()));
    }
  }
}

TEST(ApiFailures, ReportNamesTasksAndPlaces) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("grid");
  const auto plain_line = __LINE__ + 1;
  const auto plain = rt.spawn([] { throw Boom("plain"); });
  const auto argument_line = __LINE__ + 1;
  const auto argument = rt.spawn([](int) { throw Boom("argument"); }, 1);
  const auto named_line = __LINE__ + 1;
  const auto named = rt.spawn({.name = "solver"}, [] { throw Boom("named"); });
  const auto id_line = __LINE__ + 1;
  const auto by_id = rt.spawn({.id = space(2, -1)}, [] { throw Boom("by id"); });
  static_cast<void>(rt.spawn({.after = {plain, named}}, [] {}));
  const Report report(rt);
  ASSERT_EQ(report.failures.size(), 4U);
  EXPECT_EQ(report.cancelled, 1U);
  const auto expect = [&](const std::string& task, int line, const std::string& what) {
    for (const Failure& failure : report.failures) {
      if (text_of(failure.error) != what) continue;
      EXPECT_EQ(failure.task, task);
      EXPECT_EQ(static_cast<int>(failure.site.line()), line);
      EXPECT_NE(std::string(failure.site.file_name()).find("api_failures_test.cpp"), std::string::npos);
      const std::string place = "api_failures_test.cpp:" + std::to_string(line);
      EXPECT_NE(report.text.find(place), std::string::npos) << report.text;
      EXPECT_NE(report.text.find(what), std::string::npos) << report.text;
      return;
    }
    ADD_FAILURE() << what << " is not in the report";
  };
  expect(plain.name(), plain_line, "plain");
  expect(argument.name(), argument_line, "argument");
  expect("solver", named_line, "named");
  expect("grid[2, -1]", id_line, "by id");
  EXPECT_NE(report.text.find("4 tasks failed, 1 not run"), std::string::npos) << report.text;
}

TEST(ApiFailures, ReportIsGivenOnce) {
  Runtime rt({.workers = 1});
  static_cast<void>(rt.spawn([] { throw Boom("once"); }));
  EXPECT_THROW(rt.wait(), TaskErrors);
  EXPECT_NO_THROW(rt.wait());
  static_cast<void>(rt.spawn([] { throw Boom("again"); }));
  const Report report(rt);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(text_of(report.failures[0].error), "again");
  EXPECT_NE(report.text.find("1 task failed, 0 not run"), std::string::npos) << report.text;
}

TEST(ApiFailures, LongReportsAreCut) {
  Runtime rt({.workers = 2});
  for (int i = 0; i < 100; ++i)
    static_cast<void>(rt.spawn([i] { throw Boom("number " + std::to_string(i)); }));
  const Report report(rt);
  EXPECT_EQ(report.failures.size(), 100U);
  EXPECT_LT(std::count(report.text.begin(), report.text.end(), '\n'), 20);
  EXPECT_NE(report.text.find("…"), std::string::npos);
}

TEST(ApiFailures, NotEveryExceptionIsAStdException) {
  Runtime rt({.workers = 1});
  const auto task = rt.spawn([] { throw 5; });
  EXPECT_THROW(task.get(), int);
  const Report report(rt);
  EXPECT_NE(report.text.find("an exception that is no std::exception"), std::string::npos) << report.text;
}

TEST(ApiFailures, ABodyMayCatchAndGoOn) {
  Runtime rt({.workers = 1});
  const auto task = rt.spawn([&] {
    const auto child = rt.spawn([]() -> int { throw Boom("handled"); });
    try {
      return child.get();
    } catch (const Boom&) {
      return -1;
    }
  });
  EXPECT_EQ(task.get(), -1);
  const Report report(rt);
  EXPECT_EQ(report.failures.size(), 1U) << "the child failed, whoever caught it";
}

TEST(ApiFailures, AThousandDependentsOfOneFailure) {
  Runtime rt({.workers = 2});
  std::latch hold(1);
  const auto root = rt.spawn([&] {
    hold.wait();
    throw Boom("root");
  });
  std::atomic<int> ran{0};
  std::vector<Task<>> tasks;
  for (int i = 0; i < 1000; ++i)
    tasks.push_back(rt.spawn({.after = root}, [&] { ran.fetch_add(1); }));
  const auto after_all = rt.spawn({.after = tasks}, [&] { ran.fetch_add(1); });
  const auto beside = rt.spawn([] { return 1; });
  hold.count_down();
  EXPECT_TRUE(is<DependencyFailed>(after_all.exception()));
  EXPECT_EQ(beside.get(), 1);
  const Report report(rt);
  EXPECT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.cancelled, 1001U);
  EXPECT_EQ(ran.load(), 0);
}

TEST(ApiFailures, ALongChainOfCancelledTasks) {
  Runtime rt({.workers = 1});
  TaskBase last = rt.spawn([] { throw Boom("head"); });
  for (int i = 0; i < 100'000; ++i)
    last = rt.spawn({.after = last}, [] {});
  EXPECT_TRUE(is<DependencyFailed>(last.exception()));
  const Report report(rt);
  EXPECT_EQ(report.cancelled, 100'000U);
}

TEST(ApiFailures, UnreportedOnesGoToTheWarningHandler) {
  test::Warnings warnings;
  {
    Runtime rt({.workers = 2, .warn = warnings.handler()});
    const auto task = rt.spawn({.name = "forgotten"}, [] { throw Boom("nobody asked"); });
    EXPECT_THROW(task.get(), Boom);
  }
  const auto texts = warnings.texts();
  ASSERT_EQ(texts.size(), 1U);
  EXPECT_NE(texts[0].find("forgotten"), std::string::npos);
  EXPECT_NE(texts[0].find("api_failures_test.cpp:"), std::string::npos);
  EXPECT_NE(texts[0].find("nobody asked"), std::string::npos);
}

TEST(ApiFailures, AWarningHandlerThatThrowsIsSurvived) {
  testing::internal::CaptureStderr();
  {
    Runtime rt({.workers = 1, .warn = [](const std::string&) { throw Boom("the handler"); }});
    static_cast<void>(rt.spawn([] { throw Boom("still said"); }));
  }
  EXPECT_NE(testing::internal::GetCapturedStderr().find("still said"), std::string::npos);
}

TEST(ApiFailures, TheReportCanOutliveTheRuntime) {
  std::exception_ptr error;
  {
    Runtime rt({.workers = 1});
    static_cast<void>(rt.spawn({.name = "gone"}, [] { throw Boom("remembered"); }));
    error = caught([&] { rt.wait(); });
  }
  ASSERT_TRUE(is<TaskErrors>(error));
  EXPECT_NE(text_of(error).find("gone"), std::string::npos);
}

/// What is cancelled on request is not reported as the consequence of a later failure, and later tasks run again.
TEST(ApiFailures, CancelledOnRequest) {
  Runtime rt({.workers = 2});
  std::latch started(1);
  std::latch gate(1);
  const auto running = rt.spawn([&] {
    started.count_down();
    gate.wait();
  });
  started.wait();
  const auto waits = rt.spawn({.after = running}, [] {});
  const auto follows = rt.spawn({.after = waits}, [] {});
  std::jthread canceller([&] { rt.engine().cancel_and_wait(); });
  while (!test::is<TaskCancelled>(rt.spawn([] {}).exception())) {
  }
  gate.count_down();
  canceller.join();
  EXPECT_TRUE(test::is<TaskCancelled>(waits.exception()));
  EXPECT_TRUE(test::is<TaskCancelled>(follows.exception()));
  const auto fails = rt.spawn([] { throw std::runtime_error("on purpose"); });
  EXPECT_NE(fails.exception(), nullptr);
  try {
    rt.wait();
    FAIL();
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), 1U);
    EXPECT_EQ(errors.cancelled_dependents(), 0U);
  }
  EXPECT_EQ(rt.spawn([] { return 1; }).get(), 1);
}

}  // namespace
}  // namespace polyreme
