// polyreme._core.Runtime: the base of polyreme.Runtime, with the calls that must be fast.
#pragma once

#include <Python.h>

#include <mutex>

namespace polyreme::runtime {
class Engine;
}

namespace polyreme::python {

/// False with an error set for what is no Runtime.
[[nodiscard]] bool check_runtime(PyObject* object);

/// A call's time in the engine of a Runtime, which the caller holds. Another thread may close the runtime meanwhile
/// (the call may wait, or run Python code that lets others in); the engine then goes away with the last call that
/// leaves it. Made and destroyed inside.
class EngineUse {
 public:
  explicit EngineUse(PyObject* runtime);
  EngineUse(const EngineUse&) = delete;
  EngineUse& operator=(const EngineUse&) = delete;
  ~EngineUse();

  /// Null: an error is set.
  [[nodiscard]] runtime::Engine* get() const noexcept { return engine_; }

  /// Keeps other threads from closing the runtime, for spawns outside: none may come after the last worker has ended.
  /// Not locked: an error is set, the runtime was closed meanwhile.
  [[nodiscard]] std::unique_lock<std::mutex> keep_open() const;

 private:
  PyObject* const runtime_;
  runtime::Engine* engine_;
};

[[nodiscard]] bool add_runtime_type(PyObject* module);

}  // namespace polyreme::python
