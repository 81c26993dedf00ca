// polyreme.Task: the handle of a task, and its future.
#pragma once

#include <polyreme/detail/abi.hpp>

#include <Python.h>

namespace polyreme::python {

using tasks::Record;

/// Both members are constant from the time that other threads may know the handle until nobody knows it: until its
/// deallocation, or until the collector has found it unreachable. The record has rules of its own (task/record.hpp).
struct TaskObject {
  PyObject_HEAD Record* record;  ///< with a reference
  PyObject* space;  ///< of an id, which names a task, spawned or not: keeps its space from giving it up; else null
};

extern PyTypeObject task_type;
extern PyTypeObject graph_run_type;  ///< runs of captured graphs, which are tasks; see captured_run.cpp

[[nodiscard]] inline bool is_task(PyObject* object) noexcept {
  return Py_TYPE(object) == &task_type || Py_TYPE(object) == &graph_run_type;
}
[[nodiscard]] inline Record* record_of(PyObject* task) noexcept {
  return reinterpret_cast<TaskObject*>(task)->record;
}

[[nodiscard]] inline bool is_id(PyObject* object) noexcept {
  return is_task(object) && reinterpret_cast<TaskObject*>(object)->space != nullptr;
}

/// Takes over a reference to the record; on failure (null, error set) drops it. `space` for an id.
[[nodiscard]] PyObject* make_task(Record& record, PyObject* space) noexcept;
/// A handle without a task, which may only be dropped, until its record is set. Null with an error set.
[[nodiscard]] TaskObject* make_blank_task() noexcept;

/// What result() gives once the task is done. New reference, or null with an error set.
[[nodiscard]] PyObject* result_or_raise(PyObject* task);

/// "running", "done", ...: what repr() says of a task.
[[nodiscard]] const char* state_text(const Record& record) noexcept;

/// Lets the garbage collector look at a handle whose task may come to hold the handle itself: through the frames of an
/// exception that its body raised, say. Handles in general are not worth its time.
void watch_cycles(PyObject* task) noexcept;

[[nodiscard]] bool add_task_type(PyObject* module);

/// Seconds as nanoseconds; None is -1. -2 with an error set for what is no time.
[[nodiscard]] std::int64_t parse_timeout(PyObject* timeout);

}  // namespace polyreme::python
