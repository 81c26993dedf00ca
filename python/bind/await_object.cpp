#include "await_object.hpp"

#include "errors.hpp"
#include "references.hpp"
#include "runtime/engine.hpp"
#include "task/record.hpp"
#include "task_object.hpp"
#include "types.hpp"

#include <atomic>
#include <exception>

namespace polyreme::python {

namespace {

struct AwaitObject {
  PyObject_HEAD PyObject* task;
};

PyObject* task_in(PyObject* self) noexcept {
  return reinterpret_cast<AwaitObject*>(self)->task;
}

void dealloc(PyObject* self) {
  Py_DECREF(task_in(self));
  PyObject_Free(self);
}

PySendResult send(PyObject* self, PyObject* /*value*/, PyObject** result) {
  PyObject* const task = task_in(self);
  if (tasks::done(*record_of(task))) {
    *result = result_or_raise(task);
    return *result != nullptr ? PYGEN_RETURN : PYGEN_ERROR;
  }
  try {
    detail::check_await(*record_of(task));
  } catch (...) {
    *result = raise_current();
    return PYGEN_ERROR;
  }
  *result = Py_NewRef(task);
  return PYGEN_NEXT;
}

PyObject* next(PyObject* self) {
  PyObject* value = nullptr;
  if (send(self, Py_None, &value) != PYGEN_RETURN) return value;
  // An instance, as a tuple or an exception would be taken for its arguments.
  PyObject* const stop = PyObject_CallOneArg(PyExc_StopIteration, value);
  Py_DECREF(value);
  if (stop == nullptr) return nullptr;
  PyErr_SetObject(PyExc_StopIteration, stop);
  Py_DECREF(stop);
  return nullptr;
}

PyAsyncMethods async_methods = [] {
  PyAsyncMethods slots{};
  slots.am_send = &send;
  return slots;
}();

PyTypeObject await_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme._core.TaskAwait";
  type.tp_basicsize = sizeof(AwaitObject);
  type.tp_dealloc = &dealloc;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
  type.tp_doc = "What `await task` goes through.";
  type.tp_iter = &PyObject_SelfIter;
  type.tp_iternext = &next;
  type.tp_as_async = &async_methods;
  return type;
}();

/// An attribute of a module that may not be loaded: null without an error then. Kept for ever once it was found.
PyObject* attribute_if_loaded(const char* module_name, const char* attribute) {
  PyObject* const name = PyUnicode_FromString(module_name);
  if (name == nullptr) return nullptr;
  PyObject* const module = PyImport_GetModule(name);
  Py_DECREF(name);
  if (module == nullptr) return nullptr;
  PyObject* const found = PyObject_GetAttrString(module, attribute);
  Py_DECREF(module);
  if (found == nullptr) PyErr_Clear();  // the module is being imported just now
  return found;
}

UsageError nobody_steps() {
  return UsageError(
      "polyreme: an event loop that awaits a task of a SteppedRuntime would wait for ever, as nobody steps meanwhile; "
      "use "
      "a Runtime, or wait for the task with result() outside the loop");
}

}  // namespace

PyObject* running_loop() {
  static std::atomic<PyObject*> found{nullptr};
  PyObject* function = found.load(std::memory_order_acquire);
  if (function == nullptr) {
    function = attribute_if_loaded("asyncio.events", "_get_running_loop");
    found.store(function, std::memory_order_release);
  }
  if (function == nullptr) return nullptr;
  PyObject* const loop = PyObject_CallNoArgs(function);
  if (loop == nullptr) {
    PyErr_Clear();
    return nullptr;
  }
  if (loop != Py_None) return loop;
  Py_DECREF(loop);
  return nullptr;
}

PyObject* await_task(PyObject* task) {
  // A task that is done needs nobody to wait for it.
  if (!tasks::done(*record_of(task))) {
    if (PyObject* const loop = running_loop(); loop != nullptr) {
      if (runtime::Engine::of(*record_of(task)).stepped()) {
        Py_DECREF(loop);
        return raise(std::make_exception_ptr(nobody_steps()));
      }
      PyObject* const module = PyImport_ImportModule("polyreme._asyncio");
      PyObject* const waits =
          module != nullptr ? PyObject_CallMethod(module, "wait_for_task", "OO", task, loop) : nullptr;
      Py_XDECREF(module);
      Py_DECREF(loop);
      return waits;
    }
  }
  AwaitObject* const object = PyObject_New(AwaitObject, &await_type);
  if (object == nullptr) return nullptr;
  object->task = Py_NewRef(task);
  return reinterpret_cast<PyObject*>(object);
}

namespace {

PyObject* loop_runs_here(PyObject* /*module*/, PyObject* /*unused*/) {
  PyObject* const loop = running_loop();
  Py_XDECREF(loop);
  return PyBool_FromLong(loop != nullptr ? 1 : 0);
}

PyMethodDef functions[] = {{"_loop_runs_here", &loop_runs_here, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool add_await_type(PyObject* module) {
  return PyType_Ready(&await_type) == 0 && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace polyreme::python
