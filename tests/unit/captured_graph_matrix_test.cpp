// Every way in which a run of a captured graph can end, times every moment at which it is cancelled, times every way to
// hear of its end, times the handle that is kept or dropped; and after each the graph runs again as if it were new.
#include <polyreme/coro.hpp>
#include <polyreme/graph.hpp>
#include <polyreme/scope.hpp>

#include "support/counted.hpp"
#include "support/errors.hpp"

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

namespace polyreme {
namespace {

using namespace std::chrono_literals;
using test::caught;
using test::Counted;
using test::is;

enum class Body : std::uint8_t { kReturns, kThrows, kStopsWhenAsked };
enum class Cancel : std::uint8_t { kNever, kWhileReady, kWhileRunning, kWhenDone };
enum class Watch : std::uint8_t { kGet, kTimed, kInBody, kAwait, kDependent, kOuterGraph, kScope, kNobody };
enum class Handle : std::uint8_t { kKept, kDropped };

constexpr std::array kBodies{"Returns", "Throws", "StopsWhenAsked"};
constexpr std::array kCancels{"Never", "WhileReady", "WhileRunning", "WhenDone"};
constexpr std::array kWatches{"Get", "Timed", "InBody", "Await", "Dependent", "OuterGraph", "Scope", "Nobody"};
constexpr std::array kHandles{"Kept", "Dropped"};

enum class End : std::uint8_t { kDone, kFailed, kCancelled };

using Case = std::tuple<Body, Cancel, Watch, Handle>;

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const auto [body, cancel, watch, handle] = info.param;
  return std::string(kBodies[static_cast<std::size_t>(body)]) + "Cancelled" +
         kCancels[static_cast<std::size_t>(cancel)] + "Heard" + kWatches[static_cast<std::size_t>(watch)] +
         kHandles[static_cast<std::size_t>(handle)];
}

End end_of(const std::exception_ptr& error) {
  if (error == nullptr) return End::kDone;
  if (is<TaskCancelled>(error)) return End::kCancelled;
  EXPECT_TRUE(is<TaskErrors>(error) || is<DependencyFailed>(error)) << test::text_of(error);
  return End::kFailed;
}

class CapturedGraphMatrix : public testing::TestWithParam<Case> {
 protected:
  static constexpr std::uint32_t kSlots = 2;

  [[nodiscard]] static Body body() { return std::get<0>(GetParam()); }
  [[nodiscard]] static Cancel cancel() { return std::get<1>(GetParam()); }
  [[nodiscard]] static Watch watch() { return std::get<2>(GetParam()); }
  [[nodiscard]] static Handle handle() { return std::get<3>(GetParam()); }

  [[nodiscard]] static End expected() {
    if (cancel() == Cancel::kWhileReady) return End::kCancelled;
    // A failure is told rather than a cancellation. Else the node that is left does not run.
    if (body() == Body::kThrows) return End::kFailed;
    return cancel() == Cancel::kWhileRunning ? End::kCancelled : End::kDone;
  }

  [[nodiscard]] int middle(Context& context, const Counted& held) {
    if (!again_) {
      started_.count_down();
      go_.wait();
      if (body() == Body::kThrows) throw std::runtime_error("on purpose");
      if (body() == Body::kStopsWhenAsked) context.throw_if_cancelled();
    }
    return held.value();
  }

  /// Starts the run of which the end is heard; that of an outer graph is what is cancelled, too.
  GraphRun start() {
    if (watch() != Watch::kOuterGraph) return graph_.run_async();
    outer_.emplace(rt_);
    outer_->spawn(graph_);
    return outer_->run_async();
  }

  void listen(const GraphRun& run) {
    switch (watch()) {
      case Watch::kGet:
      case Watch::kOuterGraph:
        thread_ = std::jthread([this, run] { heard_ = end_of(caught([&] { run.get(); })); });
        break;
      case Watch::kTimed:
        thread_ = std::jthread([this, run] {
          while (!run.wait_for(1us)) {
          }
          heard_ = end_of(run.exception());
        });
        break;
      case Watch::kInBody:
        watcher_ = rt_.spawn([this, run] { heard_ = end_of(caught([&] { run.get(); })); });
        break;
      case Watch::kAwait:
        watcher_ = rt_.spawn([this, run]() -> Coro<void> {
          std::exception_ptr error;
          try {
            co_await run;
          } catch (...) {
            error = std::current_exception();
          }
          heard_ = end_of(error);
        });
        break;
      case Watch::kDependent:
        watcher_ = rt_.spawn({.after = {run}}, [this] { heard_ = End::kDone; });
        break;
      default:
        break;
    }
  }

  test::Census census_;
  std::latch started_{1}, go_{1};
  std::latch blocked_{kSlots}, unblock_{1};
  std::atomic<bool> again_{false};
  std::atomic<int> last_ran_{0};
  Runtime rt_{{.workers = kSlots}};
  Graph graph_{rt_};
  Node<Counted> first_ = graph_.spawn([this] { return Counted(census_, 7); });
  Node<int> middle_ =
      graph_.spawn([this](Context& context, const Counted& held) { return middle(context, held); }, first_);
  Node<void> last_ = graph_.spawn([this](int) { ++last_ran_; }, middle_);
  std::optional<Graph> outer_;
  std::optional<Scope> scope_;
  std::optional<End> heard_;
  Task<void> watcher_;
  std::jthread thread_;
};

TEST_P(CapturedGraphMatrix, EndsAsItMustAndRunsAgain) {
  if (cancel() == Cancel::kWhileReady) {
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      rt_.spawn([this] {
        blocked_.count_down();
        unblock_.wait();
      });
    }
    blocked_.wait();
  }
  if (watch() == Watch::kScope) scope_.emplace(rt_);
  GraphRun run = start();
  listen(run);
  if (cancel() == Cancel::kWhileReady) {
    run.cancel();
    unblock_.count_down();
  } else if (cancel() == Cancel::kWhileRunning) {
    started_.wait();
    EXPECT_FALSE(run.cancel());
  }
  go_.count_down();
  const GraphRun kept = handle() == Handle::kKept ? run : GraphRun();
  if (cancel() == Cancel::kWhenDone) {
    run.wait();
    EXPECT_FALSE(run.cancel());
  }
  run = GraphRun();

  if (thread_.joinable()) thread_.join();
  if (watch() == Watch::kScope) {
    EXPECT_EQ(is<TaskErrors>(caught([&] { scope_->wait(); })), expected() == End::kFailed);
    scope_.reset();
  }
  const std::exception_ptr report = caught([&] { rt_.wait(); });
  EXPECT_EQ(is<TaskErrors>(report), expected() == End::kFailed && watch() != Watch::kScope) << test::text_of(report);
  if (watch() == Watch::kDependent && !heard_.has_value()) heard_ = end_of(watcher_.exception());
  if (watch() != Watch::kScope && watch() != Watch::kNobody) {
    EXPECT_EQ(heard_, expected());
  }
  if (kept.valid()) {
    EXPECT_EQ(end_of(kept.exception()), expected());
  }
  EXPECT_EQ(last_ran_, expected() == End::kDone ? 1 : 0);

  again_ = true;
  last_ran_ = 0;
  EXPECT_EQ(graph_.run().get(middle_), 7);
  EXPECT_EQ(last_ran_, 1);
  if (outer_.has_value()) outer_->run();
  rt_.wait();
  EXPECT_EQ(rt_.stats().spawned, rt_.stats().completed);
}

INSTANTIATE_TEST_SUITE_P(
    Every, CapturedGraphMatrix,
    testing::Combine(testing::Values(Body::kReturns, Body::kThrows, Body::kStopsWhenAsked),
                     testing::Values(Cancel::kNever, Cancel::kWhileReady, Cancel::kWhileRunning, Cancel::kWhenDone),
                     testing::Values(Watch::kGet, Watch::kTimed, Watch::kInBody, Watch::kAwait, Watch::kDependent,
                                     Watch::kOuterGraph, Watch::kScope, Watch::kNobody),
                     testing::Values(Handle::kKept, Handle::kDropped)),
    name_of);

}  // namespace
}  // namespace polyreme
