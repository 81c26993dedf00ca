#include "interpreter.hpp"

#include "free_threading.hpp"
#include "runtime/threads.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cxxabi.h>
#include <mutex>
#include <utility>
#include <vector>

namespace polyreme::python {

namespace {

/// The calling thread's state while it is outside; null if it never was inside.
thread_local PyThreadState* saved_state = nullptr;
thread_local bool made_here = false;

/// For threads inside and outside alike, so the mutex is one on every build; nobody calls Python under it.
struct PutAside {
  std::mutex mutex;
  std::vector<PyObject*> objects;  ///< guarded by the mutex; owns a reference to each
  std::atomic<bool> any{false};    ///< written under the mutex; a hint to those who read it without
};

/// Never destroyed: handles may be dropped while the process ends.
PutAside& put_aside() noexcept {
  static auto* const instance = [] {
    // A worker outside may be putting something aside at a fork, and is not in the child to unlock.
    static_cast<void>(pthread_atfork([] { put_aside().mutex.lock(); }, [] { put_aside().mutex.unlock(); },
                                     [] { put_aside().mutex.unlock(); }));
    return new PutAside;
  }();
  return *instance;
}

}  // namespace

PythonInterpreter& interpreter() noexcept {
  static auto* const instance = new PythonInterpreter;
  return *instance;
}

bool inside() noexcept {
  // PyGILState_Check says yes to everybody once a sub-interpreter was made.
#if PY_VERSION_HEX >= 0x030D0000
  const PyThreadState* const current = PyThreadState_GetUnchecked();
#else
  const PyThreadState* const current = _PyThreadState_UncheckedGet();
#endif
  return current != nullptr && current == PyGILState_GetThisThreadState();
}

bool PythonInterpreter::exclusive() const noexcept {
  return !kFreeThreaded;
}

void PythonInterpreter::enter() noexcept {
  if (saved_state == nullptr) {
    saved_state = PyThreadState_New(PyInterpreterState_Main());
    POLYREME_CHECK(saved_state != nullptr);
    made_here = true;
  }
  try {
    PyEval_RestoreThread(saved_state);
  } catch (abi::__forced_unwind&) {
    // The interpreter is ending and ends threads that come back to it, which would tear the engine's frames. Stay here
    // until the process is gone: catching without going on is allowed as long as nothing is returned to.
    while (true)
      pause();
  }
  saved_state = nullptr;
}

void PythonInterpreter::settle() noexcept {
  drop_put_aside();
}

void PythonInterpreter::leave() noexcept {
  saved_state = PyEval_SaveThread();
}

void PythonInterpreter::breathe() noexcept {
  // A waiting thread has asked for the lock by now, and gets it here; otherwise this is a pair of cheap operations.
  leave();
  enter();
  drop_put_aside();
}

void PythonInterpreter::thread_ends() noexcept {
  if (!made_here || saved_state == nullptr) return;
  PyEval_RestoreThread(saved_state);
  PyThreadState_Clear(saved_state);
  PyThreadState_DeleteCurrent();
  saved_state = nullptr;
  made_here = false;
}

void drop_reference(PyObject* object) noexcept {
  if (object == nullptr) return;
  if (inside()) {
    Py_DECREF(object);
    return;
  }
  PutAside& aside = put_aside();
  const std::lock_guard lock(aside.mutex);
  aside.objects.push_back(object);
  aside.any.store(true, std::memory_order_relaxed);
}

void drop_put_aside() noexcept {
  PutAside& aside = put_aside();
  if (!aside.any.load(std::memory_order_relaxed)) return;
  std::vector<PyObject*> objects;
  {
    const std::lock_guard lock(aside.mutex);
    objects.swap(aside.objects);
    aside.any.store(false, std::memory_order_relaxed);
  }
  // A destructor may raise and run any code; the error indicator of the caller stays as it was.
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  for (PyObject* object : objects)
    Py_DECREF(object);
  PyErr_Restore(type, value, traceback);
}

Outside::Outside() : before_(std::exchange(runtime::this_thread.holds_interpreter, false)) {
  const runtime::ThreadContext& self = runtime::this_thread;
  if (self.session_serial != 0 && self.session->inside()) {
    session_before_ = true;
    self.session->set_inside(false);  // a wait in here that gives the slot up must not leave once more
  }
  interpreter().leave();
}

Outside::~Outside() {
  interpreter().enter();
  runtime::this_thread.holds_interpreter = before_;
  if (session_before_) runtime::this_thread.session->set_inside(true);
}

EngineCall::EngineCall() : before_(runtime::this_thread.holds_interpreter) {
  runtime::this_thread.holds_interpreter = true;
}

EngineCall::~EngineCall() {
  runtime::this_thread.holds_interpreter = before_;
  drop_put_aside();
}

}  // namespace polyreme::python
