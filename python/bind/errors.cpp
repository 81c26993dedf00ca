#include "errors.hpp"

#include "free_threading.hpp"
#include "interpreter.hpp"
#include "references.hpp"

#include <mutex>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace polyreme::python {

namespace {

/// Filled when the module is made, constant afterwards.
struct ErrorTypes {
  PyObject* error = nullptr;
  PyObject* usage = nullptr;
  PyObject* duplicate_id = nullptr;
  PyObject* closed = nullptr;
  PyObject* cycle = nullptr;
  PyObject* missing = nullptr;
  PyObject* dependency_failed = nullptr;
  PyObject* cancelled = nullptr;
};

ErrorTypes& types() noexcept {
  static ErrorTypes instance;
  return instance;
}

bool add(PyObject* module, PyObject*& slot, const char* name, const char* doc, PyObject* bases) {
  const std::string qualified = std::string("polyreme.") + name;
  slot = PyErr_NewExceptionWithDoc(qualified.c_str(), doc, bases, nullptr);
  Py_XDECREF(bases);
  if (slot == nullptr) return false;
  return PyModule_AddObjectRef(module, name, slot) == 0;
}

PyObject* pair(PyObject* first, PyObject* second) {
  return PyTuple_Pack(2, first, second);
}

PyObject* make(PyObject* type, const char* text) {
  return PyObject_CallFunction(type, "s", text);
}

/// Guards PythonError::text_ of all of them: it is made once and read seldom.
InsideMutex text_mutex;

/// The characters of a str, which is dropped; empty for null or what has no UTF-8. No error is left set.
std::string take_text(PyObject* text) {
  const char* characters = text != nullptr ? PyUnicode_AsUTF8(text) : nullptr;
  std::string taken = characters != nullptr ? characters : "";
  Py_XDECREF(text);
  PyErr_Clear();
  return taken;
}

/// "ValueError: message", as the interpreter reports an exception. Leaves the caller's error as it was.
std::string last_line(PyObject* exception) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  auto* const kind = reinterpret_cast<PyObject*>(Py_TYPE(exception));
  std::string line = take_text(PyObject_GetAttrString(kind, "__qualname__"));
  const std::string module = take_text(PyObject_GetAttrString(kind, "__module__"));
  if (!module.empty() && module != "builtins" && module != "__main__") line = module + "." + line;
  PyObject* const message = PyObject_Str(exception);
  const std::string text = message != nullptr ? take_text(message) : "<exception str() failed>";
  PyErr_Clear();
  if (!text.empty()) line += ": " + text;
  PyErr_Restore(type, value, traceback);
  return line;
}

void set_cause(PyObject* exception, const std::exception_ptr& cause) {
  if (cause == nullptr) return;
  PyObject* object = to_object(cause);
  if (object == nullptr) {
    PyErr_Clear();
    return;
  }
  PyException_SetContext(exception, Py_NewRef(object));
  PyException_SetCause(exception, object);
}

/// Says in a note of the exception whose failure it is, once: the failures of a run may be asked for again and again.
/// An exception type with a broken add_note goes without.
void note_failure(PyObject* exception, const Failure& failure) {
  std::string text = "polyreme: raised by " + failure.task;
  if (failure.site.known()) text += ", spawned at " + failure.site.text();
  const Owned<> note(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
  const Owned<> notes(PyObject_GetAttrString(exception, "__notes__"));
  PyErr_Clear();
  if (note == nullptr || (notes != nullptr && PySequence_Contains(notes.get(), note.get()) == 1)) return;
  const Owned<> added(PyObject_CallMethod(exception, "add_note", "O", note.get()));
  PyErr_Clear();
}

/// An ExceptionGroup, or null with an error set.
PyObject* make_group(const std::string& text, const std::vector<Failure>& failures) {
  Owned<> list(PyList_New(0));
  if (list == nullptr) return nullptr;
  for (const Failure& failure : failures) {
    const Owned<> object(to_object(failure.error));
    if (object == nullptr) return nullptr;
    note_failure(object.get(), failure);
    if (PyList_Append(list.get(), object.get()) < 0) return nullptr;
  }
  return PyObject_CallFunction(PyExc_BaseExceptionGroup, "sN", text.c_str(), list.release());
}

/// The failures of a run of a captured graph: the first line of their text says how many there are.
PyObject* group_of(const TaskErrors& errors) {
  std::string_view what = errors.what();
  what = what.substr(0, what.find('\n'));
  constexpr std::string_view kPrefix = "polyreme: ";
  if (what.starts_with(kPrefix)) what.remove_prefix(kPrefix.size());
  return make_group(std::string(what), errors.failures());
}

}  // namespace

// ---- PythonError

PythonError PythonError::fetch() {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  return PythonError(value, traceback);
}

PythonError::PythonError(const PythonError& other) noexcept
    : std::exception(other),
      exception_(other.exception_),
      traceback_(other.traceback_),
      raised_by_(other.raised_by_.load(std::memory_order_relaxed)) {
  Py_XINCREF(exception_);
  Py_XINCREF(traceback_);
}

PythonError::~PythonError() {
  drop_reference(exception_);
  drop_reference(traceback_);
}

const char* PythonError::what() const noexcept {
  const bool was_inside = inside();
  if (!was_inside) interpreter().enter();
  const char* answer = "a Python exception";
  try {
    // Code of the exception's class may let another thread in here. What was handed out once stays.
    const auto known = [this] {
      const std::lock_guard lock(text_mutex);
      return !text_.empty();
    };
    std::string text = known() ? std::string() : last_line(exception_);
    const std::lock_guard lock(text_mutex);
    if (text_.empty()) text_ = std::move(text);
    if (!text_.empty()) answer = text_.c_str();
  } catch (const std::bad_alloc&) {
    answer = "a Python exception, and no memory is left to describe it";
  }
  if (!was_inside) interpreter().leave();
  return answer;
}

bool PythonError::is_ours(Purpose purpose) const noexcept {
  if constexpr (!kFreeThreaded) return true;
  const unsigned long self = PyThread_get_thread_ident();
  const unsigned long before = raised_by_.load(std::memory_order_relaxed);
  if (purpose == Purpose::kShown) return before == self;  // nobody: it is as it was
  raised_by_.store(before == kNobody || before == self ? self : kMany, std::memory_order_relaxed);
  return true;  // else it would grow with every thread that asks
}

PyObject* PythonError::object(Purpose purpose) const noexcept {
  const CriticalSection alone(exception_);
  if (is_ours(purpose)) PyException_SetTraceback(exception_, traceback_ != nullptr ? traceback_ : Py_None);
  return Py_NewRef(exception_);
}

bool PythonError::is_cancellation() const noexcept {
  return PyErr_GivenExceptionMatches(exception_, types().cancelled) != 0;
}

bool PythonError::is_ordinary() const noexcept {
  return PyErr_GivenExceptionMatches(exception_, PyExc_Exception) != 0;
}

int PythonError::traverse(visitproc visit, void* arg) const {  // Py_VISIT wants these names
  Py_VISIT(exception_);
  Py_VISIT(traceback_);
  return 0;
}

const PythonError* python_error_in(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const PythonError& python) {
    return &python;
  } catch (...) {
    return nullptr;
  }
}

// ---- types

bool add_error_types(PyObject* module) {
  ErrorTypes& t = types();
  return add(module, t.error, "PolyremeError", "Base of the runtime's own exceptions.",
             PyTuple_Pack(1, PyExc_RuntimeError)) &&
         add(module, t.usage, "UsageError", "A call that cannot be meant.", PyTuple_Pack(1, t.error)) &&
         add(module, t.duplicate_id, "DuplicateIdError", "An id that was spawned before; ids name one task for ever.",
             pair(t.usage, PyExc_ValueError)) &&
         add(module, t.closed, "RuntimeClosedError", "The runtime is closed or closing.", PyTuple_Pack(1, t.usage)) &&
         add(module, t.cycle, "CycleError", "Tasks depend on, or bodies wait for, each other in a circle.",
             PyTuple_Pack(1, t.error)) &&
         add(module, t.missing, "MissingTaskError",
             "An id that others depend on was never spawned, and nobody is left who could.",
             PyTuple_Pack(1, t.error)) &&
         add(module, t.dependency_failed, "DependencyFailed",
             "The task did not run because one that it depends on failed; `__cause__` is that failure.",
             PyTuple_Pack(1, t.error)) &&
         add(module, t.cancelled, "TaskCancelled",
             "The task was cancelled: before it started, or in its body, which raised this when asked to stop.",
             PyTuple_Pack(1, t.error));
}

PyObject* usage_error() noexcept {
  return types().usage;
}

PyObject* to_object(const std::exception_ptr& error, Purpose purpose) {
  const ErrorTypes& t = types();
  try {
    std::rethrow_exception(error);
  } catch (const PythonError& python) {
    return python.object(purpose);
  } catch (const DependencyFailed& failed) {
    PyObject* object = make(t.dependency_failed, failed.what());
    if (object != nullptr) set_cause(object, failed.cause());
    return object;
  } catch (const DuplicateId& e) {
    return make(t.duplicate_id, e.what());
  } catch (const RuntimeClosed& e) {
    return make(t.closed, e.what());
  } catch (const UsageError& e) {
    return make(t.usage, e.what());
  } catch (const CycleError& e) {
    return make(t.cycle, e.what());
  } catch (const MissingTask& e) {
    return make(t.missing, e.what());
  } catch (const TaskCancelled& e) {
    return make(t.cancelled, e.what());
  } catch (const TaskErrors& e) {
    return group_of(e);
  } catch (const Error& e) {
    return make(t.error, e.what());
  } catch (const std::bad_alloc&) {
    return make(PyExc_MemoryError, "polyreme: out of memory");
  } catch (const std::system_error& e) {
    return make(PyExc_OSError, e.what());
  } catch (const std::invalid_argument& e) {
    return make(PyExc_ValueError, e.what());
  } catch (const std::exception& e) {
    return make(PyExc_RuntimeError, e.what());
  } catch (...) {
    return make(PyExc_RuntimeError, "polyreme: an exception that is no std::exception");
  }
}

PyObject* raise(const std::exception_ptr& error) {
  PyObject* object = to_object(error, Purpose::kRaised);
  if (object == nullptr) return nullptr;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(object)), object);
  Py_DECREF(object);
  return nullptr;
}

PyObject* raise_current() {
  return raise(std::current_exception());
}

PyObject* raise_group(const std::vector<Failure>& failures, std::uint64_t cancelled) {
  std::string text = std::to_string(failures.size()) + (failures.size() == 1 ? " task failed" : " tasks failed");
  if (cancelled != 0) text += ", " + std::to_string(cancelled) + " not run because of that";
  PyObject* const group = make_group(text, failures);
  if (group == nullptr) return nullptr;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(group)), group);
  Py_DECREF(group);
  return nullptr;
}

}  // namespace polyreme::python
