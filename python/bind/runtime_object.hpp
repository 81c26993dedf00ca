// polyreme._core.Runtime: the base of polyreme.Runtime, with the calls that must be fast.
#pragma once

#include <Python.h>

namespace polyreme::python {

[[nodiscard]] bool add_runtime_type(PyObject* module);

}  // namespace polyreme::python
