// The threads that hold slots: workers, spares for bodies that wait, and foreign threads for as long as they help.
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "runtime/topology.hpp"

#include <array>
#include <exception>
#include <string>
#include <system_error>

namespace polyreme::runtime {

void Engine::give_up_slot(Session& session) {
  deck_.pool.give_up(
      session.slot(), session.searching(), [this] { return deck_.any_work(); }, [this] { on_all_idle_locked(); });
  session.clear_searching();
}

// ---- threads for blocked bodies

void Engine::ensure_spare() {
  if (this_thread.seat == nullptr) return;  // a helping foreign thread: its slot's workers are still there
  const std::lock_guard lock(threads_mutex_);
  if (threads_.size() < slots_ + blocked_workers_ + 1) {
    if (threads_.size() >= slots_ + kMaxSpares) {
      throw UsageError(
          "polyreme: " + std::to_string(blocked_workers_) +
          " bodies wait for other tasks at once, each on a thread of its own; depend on tasks with `after` "
          "instead of waiting in bodies");
    }
    try {
      start_worker_locked();
    } catch (const std::system_error& error) {
      throw UsageError(std::string("polyreme: no thread for a body that waits in a body (") + error.what() +
                       "); depend on tasks with `after` instead");
    }
  }
  ++blocked_workers_;
}

void Engine::forget_blocked(bool is_worker) noexcept {
  if (!is_worker) return;
  const std::lock_guard lock(threads_mutex_);
  --blocked_workers_;
}

// ---- a foreign thread's session

HelperSession::HelperSession(Engine& engine, std::uint32_t slot)
    : engine_(engine), session_(engine, engine.deck()), saved_(this_thread) {
  session_.board(slot, true);
  session_.set_inside(saved_.holds_interpreter);
  this_thread.session_serial = engine.serial();
  this_thread.session = &session_;
  this_thread.exceptions_below = std::uncaught_exceptions();
  this_thread.current = nullptr;
  this_thread.scope_of_current = nullptr;
  this_thread.entered = nullptr;
  this_thread.continuation = nullptr;
  this_thread.replay = nullptr;
  this_thread.seat = nullptr;
}

HelperSession::~HelperSession() {
  if (!lost_slot) {
    session_.leave_interpreter();
    engine_.give_up_slot(session_);
  }
  const ThreadContext foreign = this_thread;
  this_thread = saved_;
  this_thread.foreign_serial = foreign.foreign_serial;
  this_thread.foreign_lane = foreign.foreign_lane;
  if (saved_.holds_interpreter) {
    session_.enter_interpreter();
  } else {
    session_.leave_interpreter();
  }
}

InterpreterPause::InterpreterPause(Engine& engine)
    : interpreter_(this_thread.holds_interpreter ? engine.deck().interpreter : nullptr) {
  if (interpreter_ == nullptr) return;
  this_thread.holds_interpreter = false;
  interpreter_->leave();
}

InterpreterPause::~InterpreterPause() {
  if (interpreter_ == nullptr) return;
  interpreter_->enter();
  this_thread.holds_interpreter = true;
}

// ---- the worker's life

void Engine::worker_main() {
  if (stepper_ != nullptr) {
    stepped_worker_main();
    return;
  }
  ThreadContext& self = this_thread;
  launch::SlotPool::Seat seat;
  Session session(*this, deck_);
  std::uint32_t slot = deck_.pool.join(seat);
  std::uint32_t pinned = launch::kNoSlot;
  self.session = &session;
  self.seat = &seat;
  session.set_joins();
  while (slot != launch::kNoSlot) {
    launch::SlotPool::Request* const granted = seat.take_granted();
    if (options_.pin && slot != pinned) this_machine().bind(std::array{pinned = slot});
    session.board(slot, granted == nullptr);
    self.session_serial = serial_;
    if (granted != nullptr) {
      run_collected(session, *granted);
      pinned = session.slot();
    }
    const Session::Stop stop = session.work([] { return false; });
    self.session_serial = 0;
    if (stop == Session::Stop::kLostSlot) {
      slot = deck_.pool.join(seat);
      continue;
    }
    session.leave_interpreter();
    const bool searching = session.searching();
    session.clear_searching();
    slot = deck_.pool.park(
        seat, session.slot(), searching, [this] { return deck_.any_work(); }, [this] { on_all_idle_locked(); });
  }
  if (deck_.interpreter != nullptr) deck_.interpreter->thread_ends();
}

}  // namespace polyreme::runtime
