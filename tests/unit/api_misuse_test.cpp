// Calls that cannot be meant: each throws at the call, says what is wrong, and leaves everything as it was.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace polyreme {
namespace {

using test::caught;
using test::is;
using test::text_of;

TEST(ApiMisuse, EmptyHandles) {
  Runtime rt({.workers = 1});
  const Task<int> empty;
  EXPECT_FALSE(empty.valid());
  EXPECT_THROW(static_cast<void>(empty.get()), UsageError);
  EXPECT_THROW(empty.wait(), UsageError);
  EXPECT_THROW(static_cast<void>(empty.done()), UsageError);
  EXPECT_THROW(static_cast<void>(empty.name()), UsageError);
  EXPECT_THROW(static_cast<void>(empty.exception()), UsageError);
  EXPECT_THROW(static_cast<void>(empty.wait_for(std::chrono::seconds(0))), UsageError);
  EXPECT_THROW(static_cast<void>(rt.spawn([](int) {}, empty)), UsageError);
  EXPECT_THROW(static_cast<void>(rt.spawn({.after = empty}, [] {})), UsageError);
  const std::vector<Task<int>> some{rt.spawn([] { return 1; }), empty};
  EXPECT_THROW(static_cast<void>(rt.spawn({.after = some}, [] {})), UsageError);
  EXPECT_NO_THROW(rt.wait());
  EXPECT_EQ(rt.stats().spawned, 1U);
}

TEST(ApiMisuse, MovedFromHandle) {
  Runtime rt({.workers = 1});
  auto task = rt.spawn([] { return 1; });
  const auto moved = std::move(task);
  EXPECT_FALSE(task.valid());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(moved.get(), 1);
}

TEST(ApiMisuse, OneIdTwice) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  int ran = 0;
  rt.spawn({.id = space(1, 2)}, [&] { ran = 1; }).get();
  const auto error = caught([&] { static_cast<void>(rt.spawn({.id = space(1, 2)}, [&] { ran = 2; })); });
  ASSERT_TRUE(is<DuplicateId>(error));
  EXPECT_NE(text_of(error).find("T[1, 2]"), std::string::npos) << text_of(error);
  static_cast<void>(rt.spawn({.id = space(3), .after = {space(4)}}, [] { return 1; }));
  EXPECT_THROW(static_cast<void>(rt.spawn({.id = space(3)}, [] {})), DuplicateId) << "not yet run";
  static_cast<void>(rt.spawn({.id = space(4)}, [] {}));
  rt.wait();
  EXPECT_THROW(static_cast<void>(rt.spawn({.id = space(3)}, [] {})), DuplicateId) << "run, with a result";
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(rt.stats().spawned, 3U);
}

TEST(ApiMisuse, TasksOfAnotherRuntime) {
  Runtime rt({.workers = 1});
  Runtime other({.workers = 1});
  const auto stranger = other.spawn([] { return 1; });
  const auto error = caught([&] { static_cast<void>(rt.spawn({.after = stranger}, [] {})); });
  ASSERT_TRUE(is<UsageError>(error));
  EXPECT_NE(text_of(error).find("another runtime"), std::string::npos);
  EXPECT_THROW(static_cast<void>(rt.spawn([](int) {}, stranger)), UsageError);
  const Space theirs = other.space("theirs");
  EXPECT_THROW(static_cast<void>(rt.spawn({.after = {theirs[0]}}, [] {})), UsageError);
  EXPECT_EQ(rt.stats().spawned, 0U);
  EXPECT_NO_THROW(rt.wait());
  EXPECT_NO_THROW(other.wait());
}

TEST(ApiMisuse, AnIdOfAnotherRuntime) {
  Runtime rt({.workers = 1});
  Runtime other({.workers = 1});
  const Space theirs = other.space("theirs");
  const auto error = caught([&] { static_cast<void>(rt.spawn({.id = theirs[0]}, [] {})); });
  ASSERT_TRUE(is<UsageError>(error));
  EXPECT_NE(text_of(error).find("theirs[0]"), std::string::npos) << text_of(error);
  EXPECT_NO_THROW(static_cast<void>(other.spawn({.id = theirs[0]}, [] {})));
  other.wait();
  EXPECT_EQ(rt.stats().spawned, 0U);
  EXPECT_EQ(other.stats().spawned, 1U);
}

TEST(ApiMisuse, WrongTypeOfAnId) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  static_cast<void>(rt.spawn({.id = space[0]}, [] { return 1; }));
  static_cast<void>(rt.spawn({.id = space[1]}, [] {}));
  const auto error = caught([&] { static_cast<void>(space[0].task<std::string>().get()); });
  ASSERT_TRUE(is<TypeMismatch>(error));
  EXPECT_NE(text_of(error).find("T[0]"), std::string::npos) << text_of(error);
  rt.wait();
  EXPECT_THROW(static_cast<void>(space[1].task<int>().get()), TypeMismatch);
  // As an argument, it is the dependent's failure.
  EXPECT_THROW(rt.spawn([](double) {}, space[0].task<double>()).get(), TypeMismatch);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMisuse, AfterClose) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const TaskId finished = space[0];
  const TaskId fresh = space[1];
  const auto task = rt.spawn({.id = finished}, [] {});
  rt.engine().close();
  EXPECT_THROW(static_cast<void>(rt.spawn([] {})), RuntimeClosed);
  EXPECT_THROW(static_cast<void>(rt.spawn({.id = fresh}, [] {})), RuntimeClosed);
  EXPECT_THROW(static_cast<void>(rt.space("late")), RuntimeClosed);
  EXPECT_THROW(static_cast<void>(fresh.task()), RuntimeClosed);
  EXPECT_NO_THROW(task.get());
  EXPECT_NO_THROW(rt.wait());
  EXPECT_NO_THROW(rt.engine().close());
}

TEST(ApiMisuse, IdsThatOutliveTheRuntime) {
  std::optional<Space> space;
  std::optional<TaskId> finished;
  std::optional<SpaceSlice> slice;
  {
    Runtime rt({.workers = 1});
    space = rt.space("T");
    finished = (*space)[0];
    slice = (*space)(upto(5));
    rt.spawn({.id = finished}, [] {}).get();
  }
  Runtime next({.workers = 1});  // whatever can be thrown away of the first one has been by now
  EXPECT_EQ(finished->name(), "T[0]");
  EXPECT_NO_THROW(finished->task().get()) << "it is done for ever";
  EXPECT_THROW(static_cast<void>((*space)[1].task()), RuntimeClosed);
  EXPECT_THROW(static_cast<void>(next.spawn({.after = {*finished, *slice}}, [] {})), UsageError);
  EXPECT_THROW(static_cast<void>(next.spawn({.id = (*space)[2]}, [] {})), UsageError);
  EXPECT_NO_THROW(next.wait());
}

TEST(ApiMisuse, Options) {
  const auto open = [](RuntimeOptions options) {
    return text_of(caught([&] { const Runtime rt(std::move(options)); }));
  };
  EXPECT_NE(open({.workers = 1025}).find("workers=1025"), std::string::npos);
  EXPECT_NE(open({.workers = 4'000'000'000U}).find("workers=4000000000"), std::string::npos);
  EXPECT_NE(open({.workers = 1, .stall_warning_s = 0}).find("stall_warning_s=0"), std::string::npos);
  EXPECT_NE(open({.workers = 1, .stall_warning_s = -1}).find("stall_warning_s=-1"), std::string::npos);
  EXPECT_NE(open({.workers = 1, .stall_warning_s = std::numeric_limits<double>::quiet_NaN()}).find("nan"),
            std::string::npos);
}

TEST(ApiMisuse, ABodyCannotCloseItsRuntime) {
  Runtime rt({.workers = 1});
  EXPECT_THROW(rt.spawn([&] { rt.engine().close(); }).get(), UsageError);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

}  // namespace
}  // namespace polyreme
