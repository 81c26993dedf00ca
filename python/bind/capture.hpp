// Captures by value for the decorator form of a spawn.
//
// The function that a decorator gets shares its closure cells and globals with the code around it, which goes on while
// the task waits. So the task gets a copy of the function: with new cells that hold what the old ones hold now, and
// with a globals mapping that fixes those globals that the body names and that hold an int, float, bool, str, bytes or
// a tuple of these; every other global is looked up live. A name equal to the function's own becomes the task's handle.
//
// What a code object names is found out once (polyreme._capture.analyse) and kept with the code object.
//
// Any number of threads may capture at once. The function's closure tuple and code never change; its cells and globals
// may, and are read as of one moment each.
#pragma once

#include <Python.h>

namespace polyreme::python {

/// A copy of `function` with captured values. `own_cell` gets a borrowed cell, and `own_globals` a borrowed dict, in
/// which bind_self() later puts the handle; null where the body does not name itself. Null with an error set on
/// failure.
struct Captured {
  PyObject* function = nullptr;  ///< new reference
  PyObject* own_cell = nullptr;
  PyObject* own_globals = nullptr;
  PyObject* own_name = nullptr;
};
/// When the module is made. False with an error set.
[[nodiscard]] bool prepare_captures();
[[nodiscard]] bool capture_by_value(PyObject* function, Captured& out);
[[nodiscard]] bool bind_self(const Captured& captured, PyObject* handle);

}  // namespace polyreme::python
