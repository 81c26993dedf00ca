// polyreme.Context: what a body can ask of the task that it runs for.
#pragma once

#include <Python.h>

namespace polyreme::python {

/// Adds the type, and context(), to the module. False with an error set on failure.
[[nodiscard]] bool add_context_type(PyObject* module);

}  // namespace polyreme::python
