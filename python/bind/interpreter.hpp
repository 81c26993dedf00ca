// The Python interpreter as the engine's interpreter domain. The only code that takes or releases the GIL.
//
// Each thread that enters gets a PyThreadState once and keeps it until it ends: making one costs forty times as much as
// taking the GIL. On a free-threaded build "inside" means that the thread is attached; nothing else changes here.
//
// References that a thread outside would drop (a result whose last handle goes away on a worker) are put aside and
// dropped by the next thread that enters or spawns.
#pragma once

#include "launch/domain.hpp"

#include <Python.h>

namespace polyreme::python {

class PythonInterpreter final : public launch::Interpreter {
 public:
  void enter() noexcept override;
  void leave() noexcept override;
  void breathe() noexcept override;
  void thread_ends() noexcept override;
};

[[nodiscard]] PythonInterpreter& interpreter() noexcept;

/// True if the calling thread may touch Python objects.
[[nodiscard]] bool inside() noexcept;

/// Drops a reference now, or later if the calling thread is outside. Null is allowed.
void drop_reference(PyObject* object) noexcept;
/// Inside: drops what was put aside.
void drop_put_aside() noexcept;

/// Runs the enclosed scope outside the interpreter.
class Outside {
 public:
  Outside() { interpreter().leave(); }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  ~Outside() { interpreter().enter(); }
};

/// Tells the engine that this thread is inside, for the time of a call that may wait or help.
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
