#include "body.hpp"

#include "async_body.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "native_arguments.hpp"
#include "native_body.hpp"
#include "task/record.hpp"
#include "task_object.hpp"

#include <array>
#include <utility>

namespace polyreme::python {

namespace {

struct Body {
  PyObject* callable;
  std::uint32_t count;      ///< positional arguments in place
  std::uint16_t task_mask;  ///< which of them are tasks
  std::uint16_t boxed;      ///< 1: arguments are a tuple, a dict or null, a context or null
  std::array<PyObject*, kInlineArguments> arguments;
};
static_assert(sizeof(Body) <= detail::kInlineBodyBytes);

Body& body_in(void* storage) noexcept {
  return *static_cast<Body*>(storage);
}

/// The argument as the body sees it. New reference; null with an error set.
PyObject* received(PyObject* argument) noexcept {
  if (!is_task(argument)) return Py_NewRef(argument);
  // Done and successful, or the body would not start.
  return result_object(*record_of(argument));
}

/// Replaces tasks among the values of the body's own dict by their results.
bool receive_keywords(PyObject* keywords) noexcept {
  PyObject *key, *value;
  // Only values of existing keys change, which PyDict_Next allows.
  for (Py_ssize_t at = 0; PyDict_Next(keywords, &at, &key, &value) != 0;) {
    if (!is_task(value)) continue;
    PyObject* received_value = received(value);
    if (received_value == nullptr) return false;
    const int set = PyDict_SetItem(keywords, key, received_value);
    Py_DECREF(received_value);
    if (set < 0) return false;
  }
  return true;
}

PyObject* call_boxed(const Body& body, bool repeatable) noexcept {
  PyObject* given = body.arguments[0];
  const Py_ssize_t count = PyTuple_GET_SIZE(given);
  PyObject* arguments = PyTuple_New(count);
  if (arguments == nullptr) return nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* value = received(PyTuple_GET_ITEM(given, i));
    if (value == nullptr) {
      Py_DECREF(arguments);
      return nullptr;
    }
    PyTuple_SET_ITEM(arguments, i, value);
  }
  PyObject* keywords = Py_XNewRef(body.arguments[1]);
  // The body's own dict is the next call's, too, if there may be one.
  if (keywords != nullptr && repeatable) Py_SETREF(keywords, PyDict_Copy(keywords));
  PyObject* result = nullptr;
  if (body.arguments[1] == nullptr || (keywords != nullptr && receive_keywords(keywords))) {
    result = PyObject_Call(body.callable, arguments, keywords);
  }
  Py_XDECREF(keywords);
  Py_DECREF(arguments);
  return result;
}

PyObject* call_in_place(Body& body) noexcept {
  // One free place before the first argument lets bound methods be called without a copy.
  std::array<PyObject*, kInlineArguments + 1> row{};
  for (std::uint32_t i = 0; i < body.count; ++i) {
    PyObject* argument = body.arguments[i];
    if ((body.task_mask >> i & 1U) != 0) {
      body.arguments[i] = result_object(*record_of(argument));
      body.task_mask = static_cast<std::uint16_t>(body.task_mask & ~(1U << i));  // the body may be called again
      Py_DECREF(argument);
      argument = body.arguments[i];
      if (argument == nullptr) return nullptr;
    }
    row[i + 1] = argument;
  }
  return PyObject_Vectorcall(body.callable, row.data() + 1, body.count | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

/// The references among `arguments`.
std::uint32_t used_in(const Body& body) noexcept {
  return body.boxed != 0 ? 3 : body.count;
}

void drop_body(Body& body) noexcept {
  drop_reference(body.callable);
  const std::uint32_t used = used_in(body);
  for (std::uint32_t i = 0; i < used; ++i)
    drop_reference(body.arguments[i]);
}

void drop_body_inside(Body& body) noexcept {
  Py_DECREF(body.callable);
  const std::uint32_t used = used_in(body);
  for (std::uint32_t i = 0; i < used; ++i)
    Py_XDECREF(body.arguments[i]);
}

/// A failed task without a name gets that of its function, for the error report.
void name_after(Record& record, PyObject* named) noexcept {
  tasks::Rare& rare = tasks::rare_of(record);
  if (!rare.label.empty()) return;
  PyObject* name = PyObject_GetAttrString(named, "__qualname__");
  const char* text = name != nullptr && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  if (text != nullptr) rare.label = text;
  Py_XDECREF(name);
  PyErr_Clear();
}

/// Of a body that has returned None. A value that says nothing is none, so that an id need not keep the record for it.
const detail::BodyOps kNoResultOps{nullptr, nullptr, nullptr, &typeid(void)};

/// A body that may have to be called again, and has returned a coroutine.
[[noreturn]] void refuse_coroutine(Record& self, const Body& body, PyObject* coroutine) {
  PyObject* const closed = PyObject_CallMethod(coroutine, "close", nullptr);
  if (closed == nullptr) PyErr_Clear();
  Py_XDECREF(closed);
  Py_DECREF(coroutine);
  PyErr_SetString(PyExc_TypeError, "a body with retries= returned a coroutine; repeat in the coroutine itself");
  const FailedBody failed(self, body.callable);
  self.rare->retry->left = 0;
  failed.raise();
}

Record* run(void* storage, Record& self) {
  Body& body = body_in(storage);
  const bool repeatable = (self.flags & tasks::kRepeatable) != 0;
  PyObject* result = body.boxed != 0 ? call_boxed(body, repeatable) : call_in_place(body);
  if (result == nullptr) {
    const FailedBody failed(self, body.callable);
    if (!repeatable) {
      drop_body_inside(body);
    } else if (!failed.is_ordinary()) {
      self.rare->retry->left = 0;  // Ctrl-C, or an exit
    }
    failed.raise();
  }
  if (PyCoro_CheckExact(result)) [[unlikely]] {
    if (repeatable) refuse_coroutine(self, body, result);
    PyObject* const context = body.boxed != 0 ? std::exchange(body.arguments[2], nullptr) : nullptr;
    drop_body_inside(body);
    return begin_coroutine(self, result, context);
  }
  drop_body_inside(body);
  if (result == Py_None) {
    Py_DECREF(result);
    self.ops = &kNoResultOps;
    return nullptr;
  }
  *static_cast<PyObject**>(storage) = result;
  return nullptr;
}

void destroy_body(void* storage) noexcept {
  drop_body(body_in(storage));
}

void destroy_result(void* storage) noexcept {
  drop_reference(*static_cast<PyObject**>(storage));
}

const detail::BodyOps kPythonOps{&run, &destroy_body, &destroy_result, &typeid(PyObject*)};

}  // namespace

const detail::BodyOps& python_ops() noexcept {
  return kPythonOps;
}

FailedBody::FailedBody(Record& self, PyObject* named)
    : error_(PythonError::fetch()), stopped_(tasks::cancel_requested(self) && error_.is_cancellation()) {
  name_after(self, named);
}

void FailedBody::raise() const {
  if (stopped_) throw TaskCancelled("polyreme: stopped on request");
  throw error_;
}

void keep_result(Record& self, PyObject* result) noexcept {
  if (result == Py_None) {
    Py_DECREF(result);
    self.ops = &kNoResultOps;
    return;
  }
  self.ops = &kPythonOps;
  *reinterpret_cast<PyObject**>(self.body) = result;
}

bool fill_body(Record& record, PyObject* fn, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords,
               PyObject* context) noexcept {
  Body& body = body_in(record.body);
  body.task_mask = 0;
  if (!is_boxed(count, keywords) && context == nullptr) {
    body.boxed = 0;
    body.count = static_cast<std::uint32_t>(count);
    for (Py_ssize_t i = 0; i < count; ++i) {
      body.arguments[static_cast<std::size_t>(i)] = Py_NewRef(arguments[i]);
      if (is_task(arguments[i])) body.task_mask = static_cast<std::uint16_t>(body.task_mask | 1U << i);
    }
  } else {
    PyObject* tuple = PyTuple_New(count);
    if (tuple == nullptr) return false;
    for (Py_ssize_t i = 0; i < count; ++i)
      PyTuple_SET_ITEM(tuple, i, Py_NewRef(arguments[i]));
    body.boxed = 1;
    body.count = 0;
    body.arguments[0] = tuple;
    body.arguments[1] = Py_XNewRef(keywords);
    body.arguments[2] = Py_XNewRef(context);
  }
  body.callable = Py_NewRef(fn);
  return true;
}

PyObject* result_object(const Record& record) noexcept {
  if (record.ops != &kPythonOps) [[unlikely]]
    return scalar_object(scalar_result(record), record.body);
  return Py_NewRef(*reinterpret_cast<PyObject* const*>(record.body));
}

PyObject* kept_result(const Record& record) noexcept {
  return record.ops == &kPythonOps ? *reinterpret_cast<PyObject* const*>(record.body) : nullptr;
}

void drop_kept_result(Record& record) noexcept {
  PyObject* const result = kept_result(record);
  if (result == nullptr) return;
  record.ops = &kNoResultOps;
  Py_DECREF(result);
}

}  // namespace polyreme::python
