// The Python interpreter as the engine's interpreter domain. The only code that takes or releases the GIL.
//
// Each thread that enters gets a PyThreadState once and keeps it until it ends: making one costs forty times as much as
// taking the GIL. On a free-threaded build "inside" means that the thread is attached, and any number of them may be. A
// thread that sleeps, spins or searches is outside on every build: so the collector of a free-threaded one, which stops
// all that are inside, never waits for it.
//
// References that a thread outside would drop (the arguments of a task that a sleeping waiter ends) are put aside and
// dropped by the next thread that comes to a point where any code may run: a worker that has entered and lets others
// in, a call that spawns, a call that has waited. Entering alone is no such point: the engine is in the middle of
// something, and does not yet know that the thread is inside.
#pragma once

#include "launch/domain.hpp"

#include <Python.h>

namespace polyreme::python {

class PythonInterpreter final : public launch::Interpreter {
 public:
  [[nodiscard]] bool exclusive() const noexcept override;
  void enter() noexcept override;
  void settle() noexcept override;
  void leave() noexcept override;
  void breathe() noexcept override;
  void thread_ends() noexcept override;
};

[[nodiscard]] PythonInterpreter& interpreter() noexcept;

/// True if the calling thread may touch Python objects.
[[nodiscard]] bool inside() noexcept;

/// Drops a reference now, or later if the calling thread is outside. Null is allowed.
void drop_reference(PyObject* object) noexcept;
/// Inside: drops what was put aside. Destructors may run any code.
void drop_put_aside() noexcept;

/// Runs the enclosed scope outside the interpreter, and tells the engine.
class Outside {
 public:
  Outside();
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  ~Outside();

 private:
  bool before_;
  bool session_before_ = false;  ///< what the session knew whose slot this thread holds
};

/// Tells the engine that this thread is inside, for the time of a call that may wait or help. Drops what was put aside
/// meanwhile.
class EngineCall {
 public:
  EngineCall();
  EngineCall(const EngineCall&) = delete;
  EngineCall& operator=(const EngineCall&) = delete;
  ~EngineCall();

 private:
  bool before_;
};

}  // namespace polyreme::python
