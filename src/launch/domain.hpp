// Domains: what a body must enter to run. The native domain needs nothing. The interpreter domain is entered and left
// through the interface below, which the Python binding implements; the engine itself knows no interpreter.
//
// The gate lets at most one thread at a time queue for the interpreter: a second one would only sleep in a worse place.
// Protocol: a thread that finds interpreter work calls try_queue(); on success it enters (which may block), then calls
// entered(), and must look whether more interpreter work is visible: whoever came meanwhile and found the gate taken
// left that work to it. queued_ is seq_cst on all sides, for the same reason as SlotPool's idle word: a sleeper's last
// look reads it together with the deques.
//
// An interpreter that any number of threads may be inside of at once (Interpreter::exclusive) has no queue: its gate is
// opened before the first worker starts and stays open, and interpreter work is then shared out as native work is.
#pragma once

#include "base/layout.hpp"
#include "sync/atomic.hpp"

#include <cstdint>

namespace polyreme::launch {

/// Implemented outside the engine. Every member may be called by any worker; enter and leave come in pairs on one
/// thread.
class Interpreter {
 public:
  Interpreter() = default;
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  virtual ~Interpreter() = default;

  /// True if a thread keeps others out while it is inside, so that they had better queue in one place. Never changes.
  [[nodiscard]] virtual bool exclusive() const noexcept { return true; }
  /// Blocks until this thread may run interpreter bodies.
  virtual void enter() noexcept = 0;
  /// Called inside, on a worker that has entered for a body, once others may queue: it may run any code, which may
  /// spawn and wait.
  virtual void settle() noexcept {}
  virtual void leave() noexcept = 0;
  /// Called inside, between two bodies, when a hold has lasted long: lets others in if they want to.
  virtual void breathe() noexcept = 0;
  /// Called outside, on a worker that will not enter again.
  virtual void thread_ends() noexcept = 0;
};

class InterpreterGate {
 public:
  /// Nobody queues any more. Before other threads know the gate.
  void open_for_all() noexcept { open_ = true; }

  /// False: another thread queues already.
  [[nodiscard]] bool try_queue() noexcept {
    if (open_) return true;
    std::uint32_t expected = 0;
    return queued_.compare_exchange_strong(expected, 1, sync::memory_order_seq_cst, sync::memory_order_relaxed);
  }
  void entered() noexcept {
    if (!open_) queued_.store(0, sync::memory_order_seq_cst);
  }
  [[nodiscard]] bool someone_queues() const noexcept { return queued_.load(sync::memory_order_seq_cst) != 0; }

 private:
  alignas(base::kCacheLine) sync::Atomic<std::uint32_t> queued_{0};  ///< threads that queue: none or one
  bool open_ = false;                                                ///< constant once there are other threads
};

}  // namespace polyreme::launch
