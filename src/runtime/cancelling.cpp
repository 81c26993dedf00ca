// Cancellation.
//
// A task is cancelled for one of three reasons: a predecessor failed or was cancelled (complete/finish.hpp poisons it,
// and run() finds it poisoned); its runtime cancels all that has not started; or somebody asked for it. A request takes
// the right to start the task, as a helping waiter does, and completes it at once on the asking thread, whatever it
// waits for. So exactly one of body, request and helping waiter gets it, and its entry in a queue, or the one that the
// last of its predecessors makes, only drops the engine's reference.
//
// Meanwhile predecessors that fail may write rare->failure of the task, and the thread that spawns it may push its
// edges. So a request writes nothing into the record but its state word and what belongs to whoever starts it, and
// nobody reads rare->failure of a task that was cancelled on request: its exception is made whenever it is asked for.
//
// A body that runs is not interrupted. It may look for the request (Context::cancelled) or be told by a stop token; if
// it then throws TaskCancelled, the task counts as cancelled, not as failed. A suspended body goes on with that
// exception at once, one that is yet to suspend does so when it would (suspending.cpp).
#include <polyreme/context.hpp>

#include "runtime/captured_graph.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <algorithm>
#include <optional>

namespace polyreme::runtime {

using tasks::Record;

namespace {

/// For a task whose cancellation left no exception.
std::exception_ptr cancelled_error(const Record& record) {
  const std::uint64_t flags = tasks::flags_of(record);
  const char* how = " was cancelled before it started";
  if ((record.flags & tasks::kStopped) != 0) {
    how = " was cancelled while it ran";
  } else if ((flags & (tasks::state::kOnRequest | tasks::state::kPoisoned)) == tasks::state::kPoisoned) {
    how = " was cancelled, as was a task that it depends on";
  }
  return std::make_exception_ptr(TaskCancelled("polyreme: " + detail::name_of(record) + how));
}

}  // namespace

std::exception_ptr cause_for_dependents(const Record& record) noexcept {
  const tasks::Rare* const rare = record.rare;
  const bool on_request = (tasks::flags_of(record) & tasks::state::kOnRequest) != 0;
  return on_request || rare == nullptr ? nullptr : rare->failure_for_dependents();
}

bool Engine::cancel_task(Record& record) {
  if (!tasks::done(record)) {
    check_process();
    static_cast<void>(lane_for(*this));  // before anything is taken: it may throw
    switch (tasks::request_cancel(record)) {
      case tasks::CancelRequest::kNotSpawned:
        throw UsageError("polyreme: " + detail::name_of(record) +
                         " is not spawned, so that there is nothing to cancel; cancel it once it is");
      case tasks::CancelRequest::kTaken:
        end_taken(record);
        return true;
      case tasks::CancelRequest::kNoted:
        tell_started(record);
        break;
    }
    // Another request may have come first; a body that has stopped meanwhile had started.
    if (!tasks::done(record) || (record.flags & tasks::kStopped) != 0) return false;
  }
  return (tasks::flags_of(record) & tasks::state::kCancelled) != 0;
}

/// A body that has started, and may be over, was asked to stop. The caller has a reference.
void Engine::tell_started(Record& record) noexcept {
  if ((tasks::flags_of(record) & tasks::state::kGraphRun) != 0) cancel_run(run_of(record));
  if (std::stop_source* const stop = tasks::stop_source_of(record); stop != nullptr) stop->request_stop();
  static_cast<void>(resume_cancelled(record));
}

/// Completes a task that a request took before it started.
void Engine::end_taken(Record& record) noexcept {
  drop_body(record);
  Record* next = nullptr;
  {
    // A search for circles walks the lists of waiting tasks, and relies on what is behind them to stay: not even these
    // may be closed meanwhile.
    const std::lock_guard no_search(diagnosis_mutex_);
    next = complete_unrun(record, nullptr, tasks::state::kOnRequest);
  }
  if (next != nullptr) {
    deck_.push(lane_for(*this), *next);
  } else if (!holds_slot_of(*this)) {
    look_for_stall();  // no slot becomes free after this one, which may have been the last
  }
}

/// A task that has just joined a cancelled scope, and was committed. The caller has a reference.
void Engine::cancel_committed(Record& record) noexcept {
  if (tasks::request_cancel(record) == tasks::CancelRequest::kTaken) {
    end_taken(record);
  } else {
    tell_started(record);  // it has an id, and somebody was waiting for it to run it
  }
}

/// The body threw TaskCancelled, after somebody had asked for it.
Record* Engine::stop(Record& record, launch::Lane& lane) noexcept {
  record.flags |= tasks::kStopped;
  record.ops = nullptr;  // run() destroyed the body
  tasks::set_outcome(record, tasks::state::kCancelled | tasks::state::kOnRequest);
  const std::exception_ptr no_cause;
  return complete(record, lane, &no_cause);
}

void Engine::cancel_unstarted() noexcept {
  cancelling_.fetch_add(1, std::memory_order_release);
  timers_.expire();  // what waits to be repeated is not
}

void Engine::cancel_and_wait() {
  /// Also if the wait is refused.
  struct Cancelling {
    explicit Cancelling(Engine& one) : engine(one) { engine.cancel_unstarted(); }
    Cancelling(const Cancelling&) = delete;
    Cancelling& operator=(const Cancelling&) = delete;
    ~Cancelling() {
      engine.timers_.resume();
      engine.cancelling_.fetch_sub(1, std::memory_order_release);  // counted, as another thread may be closing
    }
    Engine& engine;
  };
  const Cancelling cancelling(*this);
  static_cast<void>(wait_quiescent(-1, nullptr));
}

}  // namespace polyreme::runtime

namespace polyreme {

namespace detail {

std::exception_ptr failure_of(const Record& record) noexcept {
  const std::uint64_t flags = tasks::flags_of(record);
  if ((flags & (tasks::state::kFailed | tasks::state::kCancelled)) == 0) return nullptr;
  const tasks::Rare* const rare = record.rare;
  if ((flags & tasks::state::kOnRequest) != 0 || rare == nullptr || rare->outcome() == nullptr)
    return runtime::cancelled_error(record);
  return rare->outcome();
}

bool cancel(Record& record) {
  return runtime::Engine::of(record).cancel_task(record);
}

}  // namespace detail

Context Context::current() {
  tasks::Record* const record = runtime::this_thread.current;
  if (record == nullptr) throw UsageError("polyreme: Context::current() outside the body of a task");
  return Context(*record);
}

bool Context::cancelled() const noexcept {
  return tasks::cancel_requested(*record_);
}

std::stop_token Context::stop_token() const {
  // The nodes of a run share its record, and several threads may be here at once.
  std::optional<sync::Mutex::Guard> guard;
  if ((tasks::flags_of(*record_) & tasks::state::kGraphRun) != 0) guard.emplace(runtime::run_of(*record_).mutex);
  tasks::Rare& rare = tasks::rare_of(*record_);
  std::stop_source* stop = rare.stop.load(sync::memory_order_relaxed);
  if (stop == nullptr) {
    stop = new std::stop_source;
    if (tasks::publish_stop_source(*record_, stop)) stop->request_stop();
  }
  return stop->get_token();
}

void Context::throw_if_cancelled() const {
  if (cancelled()) throw TaskCancelled("polyreme: " + detail::name_of(*record_) + " was asked to stop");
}

}  // namespace polyreme
