// What `await task` goes through: an iterator that yields the task until it is done, and then returns its result or
// raises its failure. Where an asyncio event loop runs it is one that waits for a future of that loop instead.
#pragma once

#include <Python.h>

namespace polyreme::python {

/// Task.__await__. New reference; null with an error set.
[[nodiscard]] PyObject* await_task(PyObject* task);

/// The event loop that runs on this thread, or null without an error. New reference. Does not import asyncio.
[[nodiscard]] PyObject* running_loop();

/// Also adds _loop_runs_here() to the module.
[[nodiscard]] bool add_await_type(PyObject* module);

}  // namespace polyreme::python
