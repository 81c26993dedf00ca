// Which lane belongs to the calling thread.
//
// A thread in a session of engine E uses the session's lane for E. For any other engine, and on foreign threads, it
// uses a foreign lane of that engine, adopted at its first spawn and given back when the thread ends: with its
// thread-local objects, or right after a destructor of one of those that spawned once more. The look-up compares engine
// serials, which are never reused, so a stale entry of a dead engine is never followed.
#pragma once

#include "launch/lane.hpp"
#include "runtime/engine.hpp"
#include "runtime/forking.hpp"

#include <cstdint>
#include <exception>
#include <utility>

namespace polyreme::runtime {

#if defined(__GNUC__)
// Shared libraries would otherwise pay a call for each access; these few bytes fit the static surplus.
extern thread_local ThreadContext this_thread __attribute__((tls_model("initial-exec")));
#else
extern thread_local ThreadContext this_thread;
#endif

/// The slow half of lane_for: adopts or finds a foreign lane. @throws as LaneTable::add.
[[nodiscard]] launch::Lane& adopt_lane(Engine& engine);

[[nodiscard]] inline launch::Lane& lane_for(Engine& engine) {
  ThreadContext& self = this_thread;
  if (self.session_serial == engine.serial()) return self.session->lane();
  if (self.foreign_serial == engine.serial()) return *self.foreign_lane;
  return adopt_lane(engine);
}

/// The lane if the thread has one already, else null; never allocates.
[[nodiscard]] inline launch::Lane* lane_if_any(const Engine& engine) noexcept {
  ThreadContext& self = this_thread;
  if (self.session_serial == engine.serial()) return &self.session->lane();
  if (self.foreign_serial == engine.serial()) return self.foreign_lane;
  return nullptr;
}

/// True if the calling thread holds a slot of this engine: it runs a body, or what is left to do before or after one
/// (destructors, callbacks).
[[nodiscard]] inline bool holds_slot_of(const Engine& engine) noexcept {
  return this_thread.session_serial == engine.serial();
}

/// Exceptions that are in flight in what runs on this thread, without those of what lies below on the stack. Of one
/// coroutine it can be compared between parts that ran on different stacks.
[[nodiscard]] inline int exceptions_in_flight() noexcept {
  return std::uncaught_exceptions() - this_thread.exceptions_below;
}

/// True if a body of this engine runs on the calling thread.
[[nodiscard]] inline bool in_body_of(const Engine& engine) noexcept {
  return this_thread.session_serial == engine.serial() && this_thread.current != nullptr;
}

/// How often the calling thread is registered as a producer of this engine.
[[nodiscard]] std::int64_t& producer_depth(const Engine& engine);

/// Live and buried engines by serial, so that a thread that ends can give lanes back. Guards against engines that die
/// meanwhile.
void announce_engine(Engine& engine);
void forget_engine(const Engine& engine) noexcept;

/// For forking.cpp: what knows engines, live ones and (in shutdown.cpp) buried ones. Forgetting is for the child, with
/// the lock held: when its threads end, they give nothing back to engines that stayed in the parent.
void lock_registry() noexcept;
void unlock_registry() noexcept;
void forget_engines() noexcept;
void lock_graveyard() noexcept;
void unlock_graveyard() noexcept;
void forget_buried_engines() noexcept;

/// What this thread spawns joins the scope from now on.
inline void enter_scope(detail::EnteredScope& entered) noexcept {
  entered.outer = std::exchange(this_thread.entered, &entered);
}
/// False: this thread has not entered it. Scopes are left from the innermost one outwards, as a rule.
inline bool leave_entered(const detail::EnteredScope& entered) noexcept {
  detail::EnteredScope** place = &this_thread.entered;
  while (*place != nullptr && *place != &entered)
    place = &(*place)->outer;
  if (*place == nullptr) return false;
  *place = entered.outer;
  return true;
}

}  // namespace polyreme::runtime
