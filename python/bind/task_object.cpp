#include "task_object.hpp"

#include "await_object.hpp"
#include "body.hpp"
#include "errors.hpp"
#include "free_threading.hpp"
#include "graph/successors.hpp"
#include "interpreter.hpp"
#include "runtime/engine.hpp"
#include "task/awaiting.hpp"
#include "task/record.hpp"
#include "types.hpp"
#include "waiting.hpp"

#include <cmath>
#include <memory>
#include <vector>

namespace polyreme::python {

namespace {

TaskObject* cast(PyObject* self) noexcept {
  return reinterpret_cast<TaskObject*>(self);
}

#ifndef Py_GIL_DISABLED
/// Handles come and go with every spawn; the allocator's round trip is a tenth of one. Touched with the GIL only. A
/// free-threaded build has none: its collector looks through the allocator's pages, where a kept object is in the way,
/// and the allocator itself works thread by thread.
constexpr std::size_t kKept = 256;
std::vector<TaskObject*>& kept() {
  static auto* const instance = [] {
    auto* list = new std::vector<TaskObject*>;
    list->reserve(kKept);
    return list;
  }();
  return *instance;
}
#endif

TaskObject* allocate() {
#ifndef Py_GIL_DISABLED
  std::vector<TaskObject*>& list = kept();
  if (!list.empty()) {
    TaskObject* object = list.back();
    list.pop_back();
    PyObject_Init(reinterpret_cast<PyObject*>(object), &task_type);
    return object;
  }
#endif
  return PyObject_GC_New(TaskObject, &task_type);
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Record* record = cast(self)->record;
  cast(self)->record = nullptr;
  if (record != nullptr) detail::release(*record);
  Py_CLEAR(cast(self)->space);
#ifndef Py_GIL_DISABLED
  std::vector<TaskObject*>& list = kept();
  // A finalized object would not be finalized again in its next life.
  if (list.size() < kKept && PyObject_GC_IsFinalized(self) == 0) {
    list.push_back(cast(self));
    return;
  }
#endif
  PyObject_GC_Del(self);
}

// ---- cycles
//
// A record keeps its failure, the failure its traceback, a traceback its frames, and a frame may hold the task's
// handle: a body that names its own task, or, once result() has raised, any caller that holds the handle in a variable.
// The collector sees such a circle if this handle is all that keeps the record: then the record's part in the exception
// is the handle's. Others may share the C++ exception (dependents, failures that no wait has reported). So before the
// collector acts, the record gets an exception_ptr of its own, and the collector looks again.
//
// Likewise a result may hold the handle, once somebody who has both has put the one into the other. So a handle is
// watched as soon as its result is asked for and is an object that the collector knows. Arguments need no such care:
// they go when the task is done, and until then it will run.
//
// While a collection looks, a worker may drop the engine's reference, and the record become this handle's alone. That
// only makes its objects look more alive than they are, until the next collection.

/// True if the task is done and nobody else can reach its record.
bool is_alone(PyObject* self) noexcept {
  const Record* record = cast(self)->record;
  return record != nullptr && tasks::done(*record) && tasks::sole_owner(*record);
}

/// The failure of a record that is this handle's alone, or null.
const PythonError* own_failure(PyObject* self) noexcept {
  if (!is_alone(self)) return nullptr;
  const Record* record = cast(self)->record;
  if ((tasks::flags_of(*record) & tasks::state::kFailed) == 0 || record->rare->failure == nullptr) return nullptr;
  return python_error_in(record->rare->failure);
}

int traverse(PyObject* self, visitproc visit, void* argument) {
  if (!is_alone(self)) return 0;
  if (PyObject* const result = kept_result(*cast(self)->record); result != nullptr) return visit(result, argument);
  const PythonError* error = own_failure(self);
  return error == nullptr ? 0 : error->traverse(visit, argument);
}

void finalize(PyObject* self) {
  const PythonError* error = own_failure(self);
  if (error == nullptr) return;
  tasks::Rare& rare = *cast(self)->record->rare;
  rare.failure = std::make_exception_ptr(*error);
  rare.for_dependents = nullptr;
}

int clear(PyObject* self) {
  if (own_failure(self) != nullptr) cast(self)->record->rare->failure = nullptr;
  if (is_alone(self)) drop_kept_result(*cast(self)->record);
  return 0;
}

PyObject* repr(PyObject* self) {
  const Record& record = *cast(self)->record;
  const char* const what = state_text(record);
  const bool named = record.rare != nullptr && (record.rare->space != nullptr || !record.rare->label.empty());
  if (!named) return PyUnicode_FromFormat("<Task #%llu %s>", static_cast<unsigned long long>(record.id), what);
  return PyUnicode_FromFormat("<Task %s %s>", detail::name_of(record).c_str(), what);
}

/// Waits as the `timeout` argument says. True when done; else an error is set.
bool await_done(PyObject* self, PyObject* timeout) {
  const std::int64_t timeout_ns = parse_timeout(timeout);
  if (timeout_ns == -2) return false;
  switch (wait_for_task(*cast(self)->record, timeout_ns)) {
    case Waited::kDone:
      return true;
    case Waited::kTimeout:
      PyErr_Format(PyExc_TimeoutError, "%s is not done after %R s", detail::name_of(*cast(self)->record).c_str(),
                   timeout);
      return false;
    default:
      return false;
  }
}

PyObject* timeout_argument(PyObject* const* arguments, Py_ssize_t count, PyObject* names, const char* function) {
  PyObject* timeout = Py_None;
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (count + named > 1) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most one argument, timeout", function);
    return nullptr;
  }
  if (count == 1) timeout = arguments[0];
  if (named == 1) {
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout") != 0) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R; it takes timeout", function,
                   PyTuple_GET_ITEM(names, 0));
      return nullptr;
    }
    timeout = arguments[0];
  }
  return timeout;
}

PyObject* result(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  PyObject* timeout = timeout_argument(arguments, count, names, "result");
  if (timeout == nullptr || !await_done(self, timeout)) return nullptr;
  return result_or_raise(self);
}

PyObject* exception(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  PyObject* timeout = timeout_argument(arguments, count, names, "exception");
  if (timeout == nullptr || !await_done(self, timeout)) return nullptr;
  if (const std::exception_ptr failure = detail::failure_of(*cast(self)->record)) {
    watch_cycles(self);
    return to_object(failure);
  }
  Py_RETURN_NONE;
}

PyObject* done(PyObject* self, PyObject* /*unused*/) {
  return PyBool_FromLong(tasks::done(*cast(self)->record) ? 1 : 0);
}

PyObject* cancel(PyObject* self, PyObject* /*unused*/) {
  Record& record = *cast(self)->record;
  try {
    check_owned(runtime::Engine::of(record));
    const EngineCall call;
    return PyBool_FromLong(detail::cancel(record) ? 1 : 0);
  } catch (...) {
    return raise_current();
  }
}

PyObject* cancelled(PyObject* self, PyObject* /*unused*/) {
  const Record& record = *cast(self)->record;
  return PyBool_FromLong(tasks::done(record) && (tasks::flags_of(record) & tasks::state::kCancelled) != 0 ? 1 : 0);
}

PyObject* running(PyObject* self, PyObject* /*unused*/) {
  const Record& record = *cast(self)->record;
  return PyBool_FromLong(!tasks::done(record) && (tasks::flags_of(record) & tasks::state::kStarted) != 0 ? 1 : 0);
}

/// Calls `callback(task)`; what it raises goes to sys.unraisablehook.
void call_back(PyObject* callback, PyObject* task) {
  PyObject* answer = PyObject_CallOneArg(callback, task);
  if (answer == nullptr) PyErr_WriteUnraisable(callback);
  Py_XDECREF(answer);
}

/// The body of the task that runs a callback. A failure of the awaited task must not keep it from running, so it is no
/// successor of that task but started by a listener.
struct Callback {
  PyObject* callback;
  PyObject* task;
};

Record* run_callback(void* storage, Record& /*self*/) {
  const auto callback = *static_cast<Callback*>(storage);
  call_back(callback.callback, callback.task);
  Py_DECREF(callback.callback);
  Py_DECREF(callback.task);
  return nullptr;
}

void destroy_callback(void* storage) noexcept {
  const auto callback = *static_cast<Callback*>(storage);
  drop_reference(callback.callback);
  drop_reference(callback.task);
}

const detail::BodyOps kCallbackOps{&run_callback, &destroy_callback, nullptr, &typeid(void)};

PyObject* add_done_callback(PyObject* self, PyObject* callback) {
  if (PyCallable_Check(callback) == 0) {
    PyErr_Format(PyExc_TypeError, "add_done_callback() needs a callable that takes the task, not %R", callback);
    return nullptr;
  }
  Record& record = *cast(self)->record;
  if (tasks::done(record)) {
    call_back(callback, self);
    Py_RETURN_NONE;
  }
  try {
    runtime::Engine& engine = runtime::Engine::of(record);
    check_owned(engine);
    Record& runner = engine.begin_spawn(kCallbackOps, {}, detail::Domain::kInterpreter);
    ::new (runner.body) Callback{Py_NewRef(callback), Py_NewRef(self)};
    runner.flags |= tasks::kNotice;
    engine.commit_when_done(runner, record);
    engine.release(runner);
  } catch (...) {
    return raise_current();
  }
  Py_RETURN_NONE;
}

PyObject* get_name(PyObject* self, void* /*closure*/) {
  const std::string name = detail::name_of(*cast(self)->record);
  return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
}

Py_hash_t hash(PyObject* self) {
  return static_cast<Py_hash_t>(cast(self)->record->id);
}

/// Two handles are equal if they name the same task: T[3] == T[3]. They may do so by two records, the task's own and,
/// once its id is finished, a stand-in of the same number.
PyObject* compare(PyObject* left, PyObject* right, int operation) {
  if (!is_task(left) || !is_task(right) || (operation != Py_EQ && operation != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  const Record& one = *record_of(left);
  const Record& other = *record_of(right);
  const bool same = &one == &other || (one.id == other.id && &runtime::Engine::of(one) == &runtime::Engine::of(other));
  return PyBool_FromLong((same == (operation == Py_EQ)) ? 1 : 0);
}

PyMethodDef methods[] = {
    {"result", method(&result), METH_FASTCALL | METH_KEYWORDS,
     "result($self, timeout=None)\n--\n\nWait until the task is done and return what its body returned, or raise what "
     "it raised.\n\n"
     "Raises:\n    TimeoutError: `timeout` seconds passed first.\n    DependencyFailed: the task did not run, because "
     "one that "
     "it depends on failed.\n    CycleError, MissingTaskError: the wait could never end."},
    {"exception", method(&exception), METH_FASTCALL | METH_KEYWORDS,
     "exception($self, timeout=None)\n--\n\nWait until the task is done and return the exception that result() would "
     "raise, or None."},
    {"done", &done, METH_NOARGS,
     "done($self)\n--\n\nTrue once the body returned or raised, or the task was cancelled."},
    {"cancel", &cancel, METH_NOARGS,
     "cancel($self)\n--\n\nCancel the task if it has not started, and with it those that depend on it; ask its body "
     "to stop if it runs.\n\nReturns:\n    True if the task will not run, or was cancelled before. False if it runs, "
     "which context().cancelled then\n    shows, or is over.\n\nRaises:\n    UsageError: the id is not spawned."},
    {"cancelled", &cancelled, METH_NOARGS, "cancelled($self)\n--\n\nTrue once the task was cancelled."},
    {"running", &running, METH_NOARGS,
     "running($self)\n--\n\nTrue while the body runs: it has started, and is not done."},
    {"add_done_callback", &add_done_callback, METH_O,
     "add_done_callback($self, callback, /)\n--\n\nCall `callback(task)` once the task is done: at once if it is, else "
     "on a worker.\n\n"
     "What the callback raises goes to sys.unraisablehook. Runtime.wait() waits for callbacks, too."},
    {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS,
     "Task[T] is a task whose body returns a T, in annotations."},
    {nullptr, nullptr, 0, nullptr}};

PyAsyncMethods async_methods = [] {
  PyAsyncMethods slots{};
  slots.am_await = &await_task;
  return slots;
}();

PyGetSetDef properties[] = {{"name", &get_name, nullptr, "The task's name or id, or a number.", nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

}  // namespace

const char* state_text(const Record& record) noexcept {
  const std::uint64_t flags = tasks::flags_of(record);
  if (tasks::done(record)) {
    return (flags & tasks::state::kFailed) != 0      ? "failed"
           : (flags & tasks::state::kCancelled) != 0 ? "cancelled"
                                                     : "done";
  }
  if ((flags & tasks::state::kSpawned) == 0) return "not spawned";
  if (tasks::is_suspended(record)) return "suspended";
  return (flags & tasks::state::kStarted) != 0 ? "running" : "waiting";
}

PyObject* result_or_raise(PyObject* task) {
  const Record& record = *record_of(task);
  if (const std::exception_ptr failure = detail::failure_of(record)) {
    watch_cycles(task);
    return raise(failure);
  }
  PyObject* const value = result_object(record);
  if (value != nullptr && PyObject_IS_GC(value) != 0) watch_cycles(task);
  return value;
}

PyTypeObject task_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.Task";
  type.tp_basicsize = sizeof(TaskObject);
  type.tp_dealloc = &dealloc;
  type.tp_repr = &repr;
  type.tp_hash = &hash;
  type.tp_richcompare = &compare;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_traverse = &traverse;
  type.tp_clear = &clear;
  type.tp_finalize = &finalize;
  type.tp_doc = "Handle of a task, which is also its future. Made by Runtime.spawn, Runtime.task and spaces.";
  type.tp_methods = methods;
  type.tp_getset = properties;
  type.tp_as_async = &async_methods;
  return type;
}();

TaskObject* make_blank_task() noexcept {
  TaskObject* object = allocate();
  if (object == nullptr) return nullptr;
  object->record = nullptr;
  object->space = nullptr;
  return object;
}

PyObject* make_task(Record& record, PyObject* space) noexcept {
  TaskObject* object = make_blank_task();
  if (object == nullptr) {
    detail::release(record);
    return nullptr;
  }
  object->record = &record;
  object->space = Py_XNewRef(space);
  return reinterpret_cast<PyObject*>(object);
}

void watch_cycles(PyObject* task) noexcept {
  const CriticalSection alone(task);  // several threads may ask for one failure
  if (PyObject_GC_IsTracked(task) == 0) PyObject_GC_Track(task);
}

bool add_task_type(PyObject* module) {
  return PyType_Ready(&task_type) == 0 &&
         PyModule_AddObjectRef(module, "Task", reinterpret_cast<PyObject*>(&task_type)) == 0;
}

std::int64_t parse_timeout(PyObject* timeout) {
  if (timeout == Py_None) return -1;
  double seconds = PyFloat_AsDouble(timeout);
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
      PyErr_Format(PyExc_TypeError, "timeout is a number of seconds or None, not %R", timeout);
      return -2;
    }
    if (PyErr_ExceptionMatches(PyExc_OverflowError) == 0 || !PyLong_Check(timeout)) return -2;
    PyErr_Clear();
    seconds = PyObject_RichCompareBool(timeout, Py_False, Py_GT) == 1 ? HUGE_VAL : -HUGE_VAL;
  }
  if (std::isnan(seconds) || seconds < 0.0) {
    PyErr_Format(PyExc_ValueError, "timeout=%R; it is a number of seconds from 0, or None to wait without end",
                 timeout);
    return -2;
  }
  constexpr double kLongest = 1e9;  // thirty years
  return static_cast<std::int64_t>(std::min(seconds, kLongest) * 1e9);
}

}  // namespace polyreme::python
