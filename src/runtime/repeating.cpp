// Retries: a body that was declared repeatable runs again when it throws.
//
// Between two attempts the body is suspended (suspending.cpp), as a coroutine that awaits a task: a timer's, which the
// timers make ready once the time has come. So it holds no slot, and whatever ends a suspension ends the pause: time, a
// cancellation, or the end of the runtime, which lets no further attempt begin. The body itself stays in its record
// until an attempt succeeds or the last has failed.
//
// A timer's task counts as a producer: while it is pending, idle slots are no stall.
#include <polyreme/detail/abi.hpp>
#include <polyreme/errors.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace polyreme::runtime {

using tasks::Record;

namespace {

/// A day: no pause is longer, however often it was doubled.
constexpr std::int64_t kLongestPauseNs = std::int64_t{24} * 3600 * 1'000'000'000;

}  // namespace

/// The body has thrown, or has to end with `error`. Returns what runs next on this thread.
Record* Engine::thrown(Record& record, std::exception_ptr error, bool is_cancellation) noexcept {
  if (this_thread.forked) check_forked_body(true);
  const bool asked_to_stop = tasks::cancel_requested(record);
  if ((record.flags & tasks::kRepeatable) != 0) {
    if (!asked_to_stop) {
      if (Record* const timer = plan_retry(record, error); timer != nullptr) {
        return suspend(record, *timer, this_thread.session->lane());
      }
    }
    drop_body(record);  // it threw, and is still there
  }
  return is_cancellation && asked_to_stop ? stop(record, lane_for(*this)) : fail(record, std::move(error));
}

/// The task that is done when the next attempt may begin; null: there is none.
Record* Engine::plan_retry(Record& record, const std::exception_ptr& error) noexcept {
  tasks::Retry& retry = *record.rare->retry;
  if (retry.left == 0 || cancelling_.load(std::memory_order_relaxed) != 0) return nullptr;
  try {
    Record& timer = begin_own(kNothingToRun, {}, detail::Domain::kNative);
    timer.flags |= tasks::kNotice;
    const auto when = now() + std::chrono::nanoseconds(retry.backoff_ns);
    count_apart(timer);
    deck_.pool.locked([this](bool) { ++producers_; });
    try {
      timers_.add(when, timer);
    } catch (...) {
      timer_due(this, timer);
      release(timer);
      throw;
    }
    --retry.left;
    retry.backoff_ns = std::min(2 * retry.backoff_ns, kLongestPauseNs);
    retry.last = error;
    retry.timer = &timer;
    return &timer;
  } catch (...) {
    return nullptr;  // without memory, or a thread, for the pause the failure stands
  }
}

void Engine::timer_due(void* engine, Record& record) {
  auto& self = *static_cast<Engine*>(engine);
  self.start_committed(record);
  self.lose_producer();  // after the push, or there would be nothing left to wait for in between
}

/// The pause is over, by its time or before it. False: no further attempt may begin.
bool Engine::end_pause(Record& record) noexcept {
  tasks::Retry& retry = *record.rare->retry;
  Record* const timer = std::exchange(retry.timer, nullptr);
  if (timers_.remove(*timer)) timer_due(this, *timer);
  release(*timer);
  const bool interrupted = std::exchange(record.rare->interruption, nullptr) != nullptr;
  if (interrupted || cancelling_.load(std::memory_order_relaxed) != 0) {
    retry.left = 0;
    return false;
  }
  retry.last = nullptr;
  return true;
}

}  // namespace polyreme::runtime

namespace polyreme::detail {

void set_retries(Record& record, std::int64_t retries, std::int64_t backoff_ns) {
  if (retries < 0 || retries > std::numeric_limits<std::uint32_t>::max()) {
    throw UsageError("polyreme: retries=" + std::to_string(retries) +
                     "; it is how often a body that throws runs again, from 0");
  }
  if (backoff_ns < 0) {
    throw UsageError("polyreme: a backoff of " + std::to_string(backoff_ns) + " ns; it is a time from 0");
  }
  tasks::Rare& rare = tasks::rare_of(record);
  rare.retry = std::make_unique<tasks::Retry>();
  rare.retry->left = static_cast<std::uint32_t>(retries);
  rare.retry->backoff_ns = std::min(backoff_ns, runtime::kLongestPauseNs);
  record.flags |= tasks::kRepeatable;
}

}  // namespace polyreme::detail
