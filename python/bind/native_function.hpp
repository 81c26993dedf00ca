// polyreme.NativeFunction: a C function with its signature, to be spawned as a task or called at once.
#pragma once

#include "bound_call.hpp"

#include <Python.h>

namespace polyreme::python {

[[nodiscard]] bool is_native_function(PyObject* object) noexcept;
/// What it calls, which lives as long as the object, and a str for messages, borrowed.
[[nodiscard]] const SharedCode& code_of(PyObject* function) noexcept;
[[nodiscard]] PyObject* name_of_native(PyObject* function) noexcept;
/// Binds a call of `function`, a NativeFunction. False with an error set.
[[nodiscard]] bool bind_call(PyObject* function, PyObject* const* arguments, Py_ssize_t count, BoundCall& out) noexcept;
[[nodiscard]] bool add_native_function_type(PyObject* module);

}  // namespace polyreme::python
