// Every way in which a task can end, times every moment at which it is cancelled, times every way to hear of its end,
// times the handle that is kept or dropped. Enumerated: each case is its own test.
#include <polyreme/coro.hpp>
#include <polyreme/runtime.hpp>
#include <polyreme/scope.hpp>

#include "support/counted.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace polyreme {
namespace {

using namespace std::chrono_literals;
using test::caught;
using test::is;

struct Boom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Body : std::uint8_t { kReturns, kThrows, kStopsWhenAsked, kAwaitsAndReturns, kAwaitsAndThrows };
enum class Cancel : std::uint8_t { kNever, kWhileWaiting, kWhileReady, kWhileRunning, kWhenDone };
enum class Watch : std::uint8_t { kGet, kTimed, kInBody, kAwait, kDependent, kArgument, kScope, kNobody };
enum class Handle : std::uint8_t { kKept, kDropped };

constexpr std::array kBodies{"Returns", "Throws", "StopsWhenAsked", "AwaitsAndReturns", "AwaitsAndThrows"};
constexpr std::array kCancels{"Never", "WhileWaiting", "WhileReady", "WhileRunning", "WhenDone"};
constexpr std::array kWatches{"Get", "Timed", "InBody", "Await", "Dependent", "Argument", "Scope", "Nobody"};
constexpr std::array kHandles{"Kept", "Dropped"};

enum class End : std::uint8_t { kValue, kFailed, kCancelled };

using Case = std::tuple<Body, Cancel, Watch, Handle>;

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const auto [body, cancel, watch, handle] = info.param;
  return std::string(kBodies[static_cast<std::size_t>(body)]) + "Cancelled" +
         kCancels[static_cast<std::size_t>(cancel)] + "Heard" + kWatches[static_cast<std::size_t>(watch)] +
         kHandles[static_cast<std::size_t>(handle)];
}

End end_of(const std::exception_ptr& error) {
  if (error == nullptr) return End::kValue;
  if (is<TaskCancelled>(error)) return End::kCancelled;
  EXPECT_TRUE(is<Boom>(error) || is<DependencyFailed>(error)) << test::text_of(error);
  return End::kFailed;
}

class ApiMatrix : public testing::TestWithParam<Case> {
 protected:
  static constexpr std::uint32_t kSlots = 3;

  [[nodiscard]] static Body body() { return std::get<0>(GetParam()); }
  [[nodiscard]] static Cancel cancel() { return std::get<1>(GetParam()); }
  [[nodiscard]] static Watch watch() { return std::get<2>(GetParam()); }
  [[nodiscard]] static Handle handle() { return std::get<3>(GetParam()); }

  [[nodiscard]] static End expected() {
    if (cancel() == Cancel::kWhileWaiting || cancel() == Cancel::kWhileReady) return End::kCancelled;
    const bool asked = cancel() == Cancel::kWhileRunning;
    switch (body()) {
      case Body::kReturns:
        return End::kValue;
      case Body::kStopsWhenAsked:
        return asked ? End::kCancelled : End::kValue;
      case Body::kAwaitsAndReturns:
        // The request comes while it is suspended.
        return asked ? End::kCancelled : End::kValue;
      case Body::kAwaitsAndThrows:
        return asked ? End::kCancelled : End::kFailed;
      default:
        return End::kFailed;
    }
  }

  Task<int> spawn_target() {
    test::Counted held(census_, 7);
    switch (body()) {
      case Body::kReturns:
        return rt_.spawn({.after = {first_}}, [this, held] {
          begin();
          return held.value();
        });
      case Body::kThrows:
        return rt_.spawn({.after = {first_}}, [this, held]() -> int {
          begin();
          throw Boom("the body");
        });
      case Body::kStopsWhenAsked:
        return rt_.spawn({.after = {first_}}, [this, held](Context& context) {
          begin();
          context.throw_if_cancelled();
          return held.value();
        });
      default:
        return rt_.spawn({.after = {first_}}, [this, held]() -> Coro<int> {
          started_.count_down();
          co_await inner_;
          if (body() == Body::kAwaitsAndThrows) throw Boom("the coroutine");
          co_return held.value();
        });
    }
  }

  Task<void> spawn_inner() {
    return rt_.spawn({.name = "inner"}, [this] {
      first_.wait();
      inner_go_.wait();
    });
  }

  void begin() {
    started_.count_down();
    go_.wait();
  }

  /// Sets the watcher up; its end goes to heard_.
  void listen(const Task<int>& target) {
    switch (watch()) {
      case Watch::kGet:
        thread_ = std::jthread([this, target] { heard_ = end_of(caught([&] { static_cast<void>(target.get()); })); });
        break;
      case Watch::kTimed:
        thread_ = std::jthread([this, target] {
          while (!target.wait_for(1us)) {
          }
          heard_ = end_of(target.exception());
        });
        break;
      case Watch::kInBody:
        watcher_ = rt_.spawn([this, target] { heard_ = end_of(caught([&] { static_cast<void>(target.get()); })); });
        break;
      case Watch::kAwait:
        watcher_ = rt_.spawn([this, target]() -> Coro<void> {
          std::exception_ptr error;
          try {
            static_cast<void>(co_await target);
          } catch (...) {
            error = std::current_exception();
          }
          heard_ = end_of(error);
        });
        break;
      case Watch::kDependent:
        watcher_ = rt_.spawn({.after = {target}}, [this] { heard_ = End::kValue; });
        break;
      case Watch::kArgument:
        watcher_ = rt_.spawn([this](int value) { heard_ = value == 7 ? End::kValue : End::kFailed; }, target);
        break;
      default:
        break;
    }
  }

  Runtime rt_{{.workers = kSlots}};
  test::Census census_;
  std::latch gate_{1}, started_{1}, go_{1}, inner_go_{1};
  std::latch blocked_{kSlots}, unblock_{1};
  Task<void> first_ = rt_.spawn([this] { gate_.wait(); });
  Task<void> inner_ = spawn_inner();
  std::optional<Scope> scope_;
  std::optional<End> heard_;
  Task<void> watcher_;
  std::jthread thread_;
};

TEST_P(ApiMatrix, EndsAsItMust) {
  if (cancel() == Cancel::kWhileReady) {
    gate_.count_down();
    inner_go_.count_down();
    inner_.wait();
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      rt_.spawn([this] {
        blocked_.count_down();
        unblock_.wait();
      });
    }
    blocked_.wait();
  }
  if (watch() == Watch::kScope) scope_.emplace(rt_);
  Task<int> target = spawn_target();
  listen(target);
  switch (cancel()) {
    case Cancel::kWhileReady:
      EXPECT_TRUE(target.cancel());
      unblock_.count_down();
      break;
    case Cancel::kWhileWaiting:
      EXPECT_TRUE(target.cancel());
      gate_.count_down();
      inner_go_.count_down();
      break;
    default:
      gate_.count_down();
      if (cancel() == Cancel::kWhileRunning) {
        started_.wait();
        EXPECT_FALSE(target.cancel());
        const bool awaits = body() == Body::kAwaitsAndReturns || body() == Body::kAwaitsAndThrows;
        if (awaits) target.wait();  // though what it awaits is not done
      }
      inner_go_.count_down();
  }
  go_.count_down();
  const Task<int> kept = handle() == Handle::kKept ? target : Task<int>();
  if (cancel() == Cancel::kWhenDone) {
    target.wait();
    EXPECT_EQ(target.cancel(), expected() == End::kCancelled);
  }
  target = Task<int>();

  if (thread_.joinable()) thread_.join();
  if (watch() == Watch::kScope) {
    const std::exception_ptr error = caught([&] { scope_->wait(); });
    heard_ = is<TaskErrors>(error) ? End::kFailed : expected();
    EXPECT_EQ(is<TaskErrors>(error), expected() == End::kFailed);
    scope_.reset();
  }
  const std::exception_ptr report = caught([&] { rt_.wait(); });
  EXPECT_EQ(is<TaskErrors>(report), expected() == End::kFailed && watch() != Watch::kScope) << test::text_of(report);
  if (watch() == Watch::kDependent || watch() == Watch::kArgument) {
    if (!heard_.has_value()) heard_ = end_of(watcher_.exception());
  }
  if (watch() != Watch::kNobody) {
    EXPECT_EQ(heard_, expected());
  }
  if (kept.valid()) {
    EXPECT_EQ(end_of(kept.exception()), expected());
  }
  EXPECT_EQ(rt_.stats().spawned, rt_.stats().completed);
  EXPECT_EQ(census_.alive(), 0) << "what the body held is gone";
}

INSTANTIATE_TEST_SUITE_P(Every, ApiMatrix,
                         testing::Combine(testing::Values(Body::kReturns, Body::kThrows, Body::kStopsWhenAsked,
                                                          Body::kAwaitsAndReturns, Body::kAwaitsAndThrows),
                                          testing::Values(Cancel::kNever, Cancel::kWhileWaiting, Cancel::kWhileReady,
                                                          Cancel::kWhileRunning, Cancel::kWhenDone),
                                          testing::Values(Watch::kGet, Watch::kTimed, Watch::kInBody, Watch::kAwait,
                                                          Watch::kDependent, Watch::kArgument, Watch::kScope,
                                                          Watch::kNobody),
                                          testing::Values(Handle::kKept, Handle::kDropped)),
                         name_of);

}  // namespace
}  // namespace polyreme
