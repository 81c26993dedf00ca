#include "async_body.hpp"

#include <polyreme/errors.hpp>

#include "await_object.hpp"
#include "body.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "task/record.hpp"
#include "task_object.hpp"

#include <cstring>
#include <exception>
#include <new>

namespace polyreme::python {

namespace {

/// In the record's storage while the coroutine runs or is suspended.
struct AsyncBody {
  PyObject* coroutine;
  PyObject* context;
  PyObject* awaited;  ///< the Task that it waits for, or null
};
static_assert(sizeof(AsyncBody) <= detail::kInlineBodyBytes);

AsyncBody& body_in(void* storage) noexcept {
  return *static_cast<AsyncBody*>(storage);
}

/// How the last step of a coroutine ended, and what it yielded or returned (a new reference).
struct Step {
  PySendResult how;
  PyObject* value;
};

Step send(PyObject* coroutine) noexcept {
  Step step{PYGEN_ERROR, nullptr};
  step.how = PyIter_Send(coroutine, Py_None, &step.value);
  return step;
}

/// Takes over the exception.
Step throw_in(PyObject* coroutine, PyObject* exception) noexcept {
  if (exception == nullptr) return {PYGEN_ERROR, nullptr};
  PyObject* const yielded = PyObject_CallMethod(coroutine, "throw", "O", exception);
  Py_DECREF(exception);
  if (yielded != nullptr) return {PYGEN_NEXT, yielded};
  if (PyErr_ExceptionMatches(PyExc_StopIteration) == 0) return {PYGEN_ERROR, nullptr};
  // It has returned. An error of its own cannot be a StopIteration: those become RuntimeErrors in coroutines.
  PyObject *type, *stop, *traceback;
  PyErr_Fetch(&type, &stop, &traceback);
  PyErr_NormalizeException(&type, &stop, &traceback);
  PyObject* const value = PyObject_GetAttrString(stop, "value");
  Py_XDECREF(type);
  Py_XDECREF(stop);
  Py_XDECREF(traceback);
  return {value != nullptr ? PYGEN_RETURN : PYGEN_ERROR, value};
}

/// For what a coroutine waits for that is no task. Drops what it yielded.
PyObject* not_a_task(PyObject* yielded) noexcept {
  PyErr_Format(PyExc_TypeError,
               "the body of a task can await tasks only, and this await came to %R; for asyncio code, spawn an "
               "ordinary function that calls asyncio.run()",
               yielded);
  Py_DECREF(yielded);
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return error;
}

/// Goes on until the coroutine ends or waits for a task that is not done. Null: it has ended, as `step` says.
Record* advance(AsyncBody& body, Step& step) noexcept {
  Py_CLEAR(body.awaited);
  if (const std::exception_ptr interruption = detail::take_interruption(); interruption != nullptr) {
    step = throw_in(body.coroutine, to_object(interruption, Purpose::kRaised));
  } else {
    step = send(body.coroutine);
  }
  while (step.how == PYGEN_NEXT) {
    if (!is_task(step.value)) {
      step = throw_in(body.coroutine, not_a_task(step.value));
      continue;
    }
    Record& record = *record_of(step.value);
    if (!tasks::done(record)) {
      body.awaited = step.value;
      return &record;
    }
    Py_DECREF(step.value);
    step = send(body.coroutine);
  }
  return nullptr;
}

void drop(AsyncBody& body) noexcept {
  Py_XDECREF(body.awaited);
  Py_XDECREF(body.context);
  Py_DECREF(body.coroutine);
}

Record* run(void* storage, Record& self) {
  AsyncBody& body = body_in(storage);
  Step step{PYGEN_ERROR, nullptr};
  if (body.context != nullptr && PyContext_Enter(body.context) == 0) {
    Record* const awaited = advance(body, step);
    // Cannot fail: this thread has entered it, and a coroutine that exits it is refused.
    static_cast<void>(PyContext_Exit(body.context));
    if (awaited != nullptr) return awaited;
  }
  if (step.how == PYGEN_ERROR) {
    const FailedBody failed(self, body.coroutine);
    drop(body);
    failed.raise();
  }
  drop(body);
  keep_result(self, step.value);
  return nullptr;
}

void destroy(void* storage) noexcept {
  const AsyncBody& body = body_in(storage);
  drop_reference(body.awaited);
  drop_reference(body.context);
  drop_reference(body.coroutine);
}

const detail::BodyOps kAsyncOps{&run, &destroy, nullptr, &typeid(PyObject*)};

}  // namespace

Record* begin_coroutine(Record& self, PyObject* coroutine, PyObject* context) {
  // Without memory for a context the body fails, in run().
  ::new (self.body) AsyncBody{coroutine, context != nullptr ? context : PyContext_CopyCurrent(), nullptr};
  self.ops = &kAsyncOps;
  return run(self.body, self);
}

}  // namespace polyreme::python
