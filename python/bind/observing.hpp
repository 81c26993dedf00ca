// Observers in Python: _core._observe, _core._stop_observing and the events that callbacks get.
#pragma once

#include <Python.h>

namespace polyreme::python {

[[nodiscard]] bool add_observing(PyObject* module);

}  // namespace polyreme::python
