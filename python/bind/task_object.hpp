// polyreme.Task: the handle of a task, and its future.
#pragma once

#include <Python.h>

#include <polyreme/detail/abi.hpp>

namespace polyreme::python {

using tasks::Record;

struct TaskObject {
  PyObject_HEAD
  Record* record;  ///< with a reference
  bool is_id;      ///< made by a space: names a task, spawned or not
};

extern PyTypeObject task_type;

[[nodiscard]] inline bool is_task(PyObject* object) noexcept { return Py_TYPE(object) == &task_type; }
[[nodiscard]] inline Record* record_of(PyObject* task) noexcept { return reinterpret_cast<TaskObject*>(task)->record; }

/// Takes over a reference to the record; on failure (null, error set) drops it.
[[nodiscard]] PyObject* make_task(Record& record, bool is_id) noexcept;

[[nodiscard]] bool add_task_type(PyObject* module);

/// Seconds as nanoseconds; None is -1. -2 with an error set for what is no time.
[[nodiscard]] std::int64_t parse_timeout(PyObject* timeout);

}  // namespace polyreme::python
