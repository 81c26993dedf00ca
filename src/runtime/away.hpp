// Waits of bodies for what is another engine's.
#pragma once

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <cstdint>
#include <vector>

namespace polyreme::runtime {

/// The time in which a body waits for something of another engine. That may need a slot of the body's own engine, so it
/// gives its slot up, and the thread counts as foreign to all engines. To its own it counts as on its way: when it goes
/// on follows from nothing that is known there. Does nothing on threads without a slot, or with a stepper.
class Engine::Away {
 public:
  Away() : saved_(this_thread), session_(session_to_leave()) {
    if (session_ == nullptr) return;
    Engine& home = session_->port();
    waiter_.on_slot = true;
    waiter_.elsewhere = true;
    home.ensure_spare();
    home.register_waiter(waiter_);
    if (saved_.current != nullptr && session_->lane().trace != nullptr)
      home.trace_suspend(*saved_.current, session_->lane());
    ThreadContext& self = this_thread;
    self.session_serial = 0;
    self.seat = nullptr;
    self.current = nullptr;
    self.scope_of_current = nullptr;
    self.entered = nullptr;
    more_ = session_->take_more();
    home.give_up_slot(*session_);
    home.give_back(more_);
  }
  Away(const Away&) = delete;
  Away& operator=(const Away&) = delete;
  ~Away() {
    if (session_ == nullptr) return;
    Engine& home = session_->port();
    const bool was_inside = session_->inside();
    session_->leave_interpreter();
    launch::SlotPool::Seat own_seat;
    home.board_again(*session_, saved_.seat != nullptr ? *saved_.seat : own_seat,
                     static_cast<std::uint32_t>(1 + more_.size()));
    static_cast<void>(home.unregister_waiter(waiter_));
    ThreadContext& self = this_thread;
    self.session_serial = saved_.session_serial;
    self.seat = saved_.seat;
    self.current = saved_.current;
    self.scope_of_current = saved_.scope_of_current;
    self.entered = saved_.entered;
    home.forget_blocked(saved_.seat != nullptr);
    if (saved_.current != nullptr && session_->lane().trace != nullptr)
      home.trace_resume(*saved_.current, session_->lane());
    if (was_inside) session_->enter_interpreter();
  }

 private:
  /// With a stepper the wait is part of the body's step: what happens elsewhere must not decide when that goes on.
  [[nodiscard]] static Session* session_to_leave() noexcept {
    const ThreadContext& self = this_thread;
    return self.session_serial != 0 && self.session->port().stepper_ == nullptr ? self.session : nullptr;
  }

  const ThreadContext saved_;
  Session* const session_;
  Waiter waiter_;                    ///< in no successor list
  std::vector<std::uint32_t> more_;  ///< slots that the body held besides its own
};

}  // namespace polyreme::runtime
