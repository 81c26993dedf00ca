// A Python call as the body of a task.
//
// Layout of the record's 48 bytes: six words. [0] callable, later the result unless that is None; [1] argument count,
// task mask and whether the arguments are boxed; [2..5] up to four positional arguments, or, boxed, [2] a tuple, [3] a
// dict or null and [4] a contextvars context or null. A task among the arguments is kept as its handle and replaced by
// its result when the body starts.
#pragma once

#include <polyreme/detail/abi.hpp>

#include "errors.hpp"

#include <Python.h>

namespace polyreme::python {

using tasks::Record;

inline constexpr Py_ssize_t kInlineArguments = 4;

/// True if such arguments need a tuple. So do those of a call that makes a coroutine.
[[nodiscard]] inline bool is_boxed(Py_ssize_t count, const PyObject* keywords) noexcept {
  return count > kInlineArguments || keywords != nullptr;
}

/// Fills `record` with fn(*arguments, **keywords); takes new references. `task_mask` bit i: argument i is a Task.
/// `context`, or null, is for the coroutine that the call makes. False with an error set; the storage then holds
/// nothing.
[[nodiscard]] bool fill_body(Record& record, PyObject* fn, PyObject* const* arguments, Py_ssize_t count,
                             PyObject* keywords, PyObject* context) noexcept;

/// What the body of a task has raised, taken from the calling thread.
class FailedBody {
 public:
  /// A task without a name gets that of `named`, a function or a coroutine, for the error report.
  FailedBody(Record& self, PyObject* named);
  /// As the engine wants it: a body that was asked to stop has stopped.
  [[noreturn]] void raise() const;
  /// False for Ctrl-C and exits.
  [[nodiscard]] bool is_ordinary() const noexcept { return error_.is_ordinary(); }

 private:
  PythonError error_;
  bool stopped_;
};

/// The body of `self` has returned `result`, a reference that is taken over, and its storage is free.
void keep_result(Record& self, PyObject* result) noexcept;

/// The operations of Python bodies.
[[nodiscard]] const detail::BodyOps& python_ops() noexcept;

/// The result of a done, successful task, as a new reference: null with an error set if there is no memory for one.
/// None is not kept; of values that are no Python objects only scalars can be read, others are None.
[[nodiscard]] PyObject* result_object(const Record& record) noexcept;

/// The object that a done, successful task keeps as its result, borrowed; null: it keeps none.
[[nodiscard]] PyObject* kept_result(const Record& record) noexcept;
/// Lets go of that object, as if the body had returned None. For who alone has the record.
void drop_kept_result(Record& record) noexcept;

}  // namespace polyreme::python
