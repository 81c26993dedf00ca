// Ids that nobody spawns: an error at quiescence, a warning before that while a producer may still spawn them.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "support/errors.hpp"
#include "support/warnings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <limits>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace polyreme {
namespace {

using test::caught;
using test::is;
using test::text_of;

TEST(ApiMissing, WaitForAllReportsItWithWhoNeedsIt) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const auto line = __LINE__ + 1;
  const auto task = rt.spawn({.after = {space[7]}, .name = "needy"}, [] {});
  const std::exception_ptr error = caught([&] { rt.wait(); });
  ASSERT_TRUE(is<TaskErrors>(error));
  const std::string text = text_of(error);
  EXPECT_NE(text.find("T[7] was never spawned"), std::string::npos) << text;
  EXPECT_NE(text.find("needy spawned at"), std::string::npos) << text;
  EXPECT_NE(text.find("api_missing_test.cpp:" + std::to_string(line)), std::string::npos) << text;
  EXPECT_TRUE(is<DependencyFailed>(task.exception()));
  EXPECT_TRUE(is<MissingTask>(space[7].task().exception()));
}

TEST(ApiMissing, WaitForOneTask) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto task = rt.spawn([](int x) { return x; }, space[1].task<int>());
  try {
    static_cast<void>(task.get());
    FAIL();
  } catch (const DependencyFailed& error) {
    EXPECT_TRUE(is<MissingTask>(error.cause()));
  }
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMissing, WaitForTheIdItself) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  EXPECT_THROW(space[1].task().get(), MissingTask);
  EXPECT_THROW(static_cast<void>(rt.spawn({.id = space[1]}, [] {})), DuplicateId) << "it was given up";
  EXPECT_THROW(rt.wait(), TaskErrors);
}

class ApiMissingWorkers : public testing::TestWithParam<std::uint32_t> {};

TEST_P(ApiMissingWorkers, WaitInABody) {
  Runtime rt({.workers = GetParam()});
  const Space space = rt.space("T");
  const auto body = rt.spawn([id = space[0].task()] { id.get(); });
  EXPECT_THROW(body.get(), MissingTask);
  const std::exception_ptr error = caught([&] { rt.wait(); });
  ASSERT_TRUE(is<TaskErrors>(error));
}

TEST_P(ApiMissingWorkers, SeveralAtOnce) {
  Runtime rt({.workers = GetParam()});
  const Space space = rt.space("T");
  for (int i = 0; i < 50; ++i)
    static_cast<void>(rt.spawn({.after = {space[i], space[i + 1]}}, [] {}));
  try {
    rt.wait();
    FAIL();
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), 51U);
    EXPECT_EQ(errors.cancelled_dependents(), 50U);
  }
  EXPECT_NO_THROW(rt.wait());
}

INSTANTIATE_TEST_SUITE_P(Workers, ApiMissingWorkers, testing::Values(1U, 2U, 4U));

TEST(ApiMissing, NamedButNotNeededIsNoError) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto handle = space[0].task();
  static_cast<void>(rt.spawn([] {}));
  EXPECT_NO_THROW(rt.wait());
  EXPECT_FALSE(handle.done());
  static_cast<void>(rt.spawn({.id = space[0]}, [] {}));
  handle.get();
}

TEST(ApiMissing, ADestructorReportsItAsAWarning) {
  test::Warnings warnings;
  {
    Runtime rt({.workers = 1, .warn = warnings.handler()});
    const Space space = rt.space("T");
    static_cast<void>(rt.spawn({.after = {space[0]}}, [] {}));
  }
  ASSERT_EQ(warnings.texts().size(), 1U);
  EXPECT_NE(warnings.texts()[0].find("T[0] was never spawned"), std::string::npos);
}

/// When the last handle, id and slice of a space are gone, nobody can spawn what is missing.
TEST(ApiMissing, TheSpaceIsForgotten) {
  Runtime rt({.workers = 2});
  Task<> task;
  {
    const Space space = rt.space("gone");
    task = rt.spawn({.after = {space[0]}}, [] {});
  }
  const std::exception_ptr error = task.exception();
  ASSERT_TRUE(is<DependencyFailed>(error));
  EXPECT_NE(text_of(error).find("gone[0]"), std::string::npos);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMissing, TheSpaceIsForgottenWhileAHandleIsLeft) {
  Runtime rt({.workers = 1});
  Task<> handle;
  {
    const Space space = rt.space("gone");
    handle = space[0].task();
  }
  EXPECT_THROW(handle.get(), MissingTask);
  EXPECT_TRUE(is<DependencyFailed>(rt.spawn({.after = handle}, [] {}).exception()));
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMissing, AnIdKeepsItsSpace) {
  Runtime rt({.workers = 1});
  std::optional<TaskId> id;
  Task<> task;
  {
    const Space space = rt.space("kept");
    id = space[0];
    task = rt.spawn({.after = {space[0]}}, [] {});
  }
  static_cast<void>(rt.spawn({.id = *id}, [] {}));
  EXPECT_NO_THROW(task.get());
  EXPECT_NO_THROW(rt.wait());
}

TEST(ApiMissing, ASliceKeepsItsSpace) {
  Runtime rt({.workers = 1});
  std::optional<SpaceSlice> slice;
  std::optional<TaskId> id;
  {
    const Space space = rt.space("kept");
    slice = space(upto(3));
  }
  const auto task = rt.spawn({.after = {*slice}}, [] {});
  EXPECT_THROW(task.get(), DependencyFailed);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMissing, AProducerPostponesTheError) {
  test::Warnings warnings;
  Runtime rt({.workers = 2, .stall_warning_s = 0.001, .warn = warnings.handler()});
  const Space space = rt.space("T");
  const auto task = rt.spawn({.after = {space[3]}, .name = "patient"}, [] {});
  std::latch registered(1);
  std::jthread producer([&] {
    const auto producing = rt.producer();
    registered.count_down();
    warnings.await(2);  // the warning is repeated
  });
  registered.wait();
  EXPECT_THROW(task.get(), DependencyFailed);
  const std::string warning = warnings.texts().at(0);
  EXPECT_NE(warning.find("T[3], needed by patient spawned at"), std::string::npos) << warning;
  EXPECT_NE(warning.find("a registered producer may still"), std::string::npos) << warning;
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMissing, AProducerThatSpawnsInTimePreventsIt) {
  test::Warnings warnings;
  Runtime rt({.workers = 1, .stall_warning_s = 0.001, .warn = warnings.handler()});
  const Space space = rt.space("T");
  const auto task = rt.spawn([](int x) { return x; }, space[0].task<int>());
  std::latch registered(1);
  std::jthread producer([&] {
    const auto producing = rt.producer();
    registered.count_down();
    warnings.await(1);
    static_cast<void>(rt.spawn({.id = space[0]}, [] { return 4; }));
  });
  registered.wait();
  EXPECT_EQ(task.get(), 4);
  EXPECT_NO_THROW(rt.wait());
}

TEST(ApiMissing, AProducerThatWaitsItselfDoesNotCount) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto producing = rt.producer();
  const auto nested = rt.producer();
  EXPECT_THROW(space[0].task().get(), MissingTask);
  EXPECT_THROW(rt.wait(), TaskErrors);
  static_cast<void>(rt.spawn({.after = {space[1]}}, [] {}));
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiMissing, WarningsCanBePutOffForEver) {
  test::Warnings warnings;
  for (const double seconds : {1e6, 1e12, 1e300, std::numeric_limits<double>::infinity()}) {
    Runtime rt({.workers = 1, .stall_warning_s = seconds, .warn = warnings.handler()});
    std::latch hold(1);
    const auto task = rt.spawn([&] { hold.wait(); });
    EXPECT_FALSE(task.wait_for(std::chrono::milliseconds(2)));
    hold.count_down();
    task.get();
  }
  EXPECT_EQ(warnings.texts().size(), 0U);
}

/// A body that gave up waiting and returned is not there any more when the stall is diagnosed.
TEST(ApiMissing, ABodyThatGaveUpIsNotNamed) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const auto needs = rt.spawn({.after = {space[0]}, .name = "needy"}, [] {});
  std::latch registered(1);
  std::latch leave(1);
  std::jthread producer([&] {
    const auto producing = rt.producer();
    registered.count_down();
    leave.wait();
  });
  registered.wait();
  rt.spawn({.name = std::string(200, 'b')}, [id = space[0].task()] {
      EXPECT_FALSE(id.wait_for(std::chrono::nanoseconds(1)));
    }).get();
  leave.count_down();
  const std::exception_ptr error = caught([&] { rt.wait(); });
  ASSERT_TRUE(is<TaskErrors>(error));
  EXPECT_NE(text_of(error).find("needed by needy"), std::string::npos) << text_of(error);
}

/// All slots are idle while a body sleeps in a wait with a time limit; but it will go on, and may spawn then.
TEST_P(ApiMissingWorkers, ABodyThatWaitsForATimeMaySpawnItYet) {
  Runtime rt({.workers = GetParam()});
  const Space space = rt.space("T");
  const auto late = rt.spawn([&] {
    const bool over = space[0].task().wait_for(std::chrono::milliseconds(20));
    static_cast<void>(rt.spawn({.id = space[0]}, [] {}));
    return over;
  });
  const auto needy = rt.spawn({.after = space[0]}, [] { return 4; });
  EXPECT_EQ(needy.get(), 4);
  EXPECT_FALSE(late.get());
  EXPECT_NO_THROW(rt.wait());
}

/// The waiter that was asked to look for the cause may leave without doing so; then another one must be asked.
TEST(ApiMissing, ADiagnosisIsHandedOn) {
  Runtime rt({.workers = 1});
  runtime::Engine& engine = rt.engine();
  const Space space = rt.space("T");
  const auto task = rt.spawn({.after = {space[0]}}, [] {});
  struct Signals {
    std::binary_semaphore first_waits{0};
    std::binary_semaphore second_waits{0};
    bool second_told = false;
  } signals;
  std::jthread first([&] {
    runtime::WaitHooks hooks;
    hooks.interval_ns = 1;
    hooks.self = &signals;
    hooks.abandon = [](void* self) {
      static_cast<Signals*>(self)->first_waits.release();
      static_cast<Signals*>(self)->second_waits.acquire();  // by now this waiter was asked
      return true;
    };
    EXPECT_FALSE(engine.wait_done(*task.record(), -1, &hooks));
  });
  signals.first_waits.acquire();
  // This thread opened the runtime, so it is a producer until it waits, and the last one.
  runtime::WaitHooks hooks;
  hooks.interval_ns = 1;
  hooks.self = &signals;
  hooks.abandon = [](void* self) {
    if (!std::exchange(static_cast<Signals*>(self)->second_told, true)) {
      static_cast<Signals*>(self)->second_waits.release();
    }
    return false;
  };
  EXPECT_TRUE(engine.wait_quiescent(-1, &hooks));
  first.join();
  EXPECT_THROW(rt.wait(), TaskErrors);
  EXPECT_TRUE(task.done());
}

/// Runs a wait for `task` on a thread of its own, which no diagnosis waits for.
class Bystander {
 public:
  Bystander(Runtime& rt, Task<int> task)
      : task_(std::move(task)), thread_([this, &engine = rt.engine()] { error_ = caught([&] { wait(engine); }); }) {
    waits_.acquire();
  }
  /// What the wait threw, after its end.
  [[nodiscard]] std::exception_ptr error() {
    thread_.join();
    return error_;
  }

 private:
  void wait(runtime::Engine& engine) {
    runtime::WaitHooks hooks;
    hooks.interval_ns = 1;
    hooks.self = this;
    hooks.abandon = [](void* self) {
      auto& me = *static_cast<Bystander*>(self);
      if (!std::exchange(me.told_, true)) me.waits_.release();
      return false;
    };
    static_cast<void>(engine.wait_done(*task_.record(), -1, &hooks));
    static_cast<void>(task_.get());
  }

  Task<int> task_;
  bool told_ = false;
  std::binary_semaphore waits_{0};
  std::exception_ptr error_;
  std::jthread thread_;
};

/// A wait with a time limit is no wait for good: the thread goes on, and may spawn then.
TEST(ApiMissing, AProducerThatWaitsForATimeStillCounts) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  Bystander bystander(rt, space[1].task<int>());
  EXPECT_FALSE(space[0].task().wait_for(std::chrono::milliseconds(5)));
  static_cast<void>(rt.spawn({.id = space[1]}, [] { return 1; }));
  EXPECT_EQ(bystander.error(), nullptr);
}

TEST(ApiMissing, ACloseTellsWhoWaits) {
  auto rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 2});
  const Space space = rt->space("T");
  Bystander bystander(*rt, space[0].task<int>());
  rt.reset();
  EXPECT_TRUE(is<MissingTask>(bystander.error()));
}

/// A body that is made for as long as a diagnosis takes.
struct SlowToMake {
  SlowToMake(std::binary_semaphore& making, std::binary_semaphore& go_on, bool fail)
      : making_(&making), go_on_(&go_on), fail_(fail) {}
  SlowToMake(const SlowToMake& other) : making_(other.making_), go_on_(other.go_on_), fail_(other.fail_) {
    making_->release();
    go_on_->acquire();
    if (fail_) throw std::runtime_error("not made");
  }
  SlowToMake& operator=(const SlowToMake&) = delete;
  ~SlowToMake() = default;
  void operator()() const {}

 private:
  std::binary_semaphore* making_;
  std::binary_semaphore* go_on_;
  bool fail_;
};

/// The diagnosis passes over an id while a thread that it does not wait for is making the task.
class ApiMissingWhileMaking : public testing::TestWithParam<bool> {};

TEST_P(ApiMissingWhileMaking, TheQuestionIsAskedAgain) {
  const bool fails = GetParam();
  std::binary_semaphore making{0};
  std::binary_semaphore go_on{0};
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const Task<void> task = space[0].task();
  std::jthread maker([&] {
    const SlowToMake body(making, go_on, fails);
    const std::exception_ptr error =
        caught([&] { static_cast<void>(rt.spawn({.id = space[0], .after = space[1]}, body)); });
    EXPECT_EQ(error != nullptr, fails);
  });
  making.acquire();
  runtime::WaitHooks hooks;
  hooks.interval_ns = 1;
  bool told = false;
  struct Told {
    std::binary_semaphore& go_on;
    bool& told;
  } state{go_on, told};
  hooks.self = &state;
  hooks.abandon = [](void* self) {
    auto& [semaphore, once] = *static_cast<Told*>(self);
    if (!std::exchange(once, true)) semaphore.release();
    return false;
  };
  const std::exception_ptr error = caught([&] {
    static_cast<void>(rt.engine().wait_done(*task.record(), -1, &hooks));
    task.get();
  });
  EXPECT_TRUE(fails ? is<MissingTask>(error) : is<DependencyFailed>(error));
  maker.join();
  EXPECT_THROW(rt.wait(), TaskErrors);
}

INSTANTIATE_TEST_SUITE_P(Undone, ApiMissingWhileMaking, testing::Bool());

}  // namespace
}  // namespace polyreme
