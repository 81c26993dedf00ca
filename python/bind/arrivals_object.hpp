// Arrivals: tasks in the order in which they end, under wait() and as_completed().
#pragma once

#include <Python.h>

namespace polyreme::python {

[[nodiscard]] bool add_arrivals_type(PyObject* module);

}  // namespace polyreme::python
