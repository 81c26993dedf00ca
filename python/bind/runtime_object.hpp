// polyreme._core.Runtime: the base of polyreme.Runtime, with the calls that must be fast.
#pragma once

#include <Python.h>

namespace polyreme::runtime {
class Engine;
}

namespace polyreme::python {

/// The engine of an open Runtime object. Null with an error set for a closed one, and for what is none.
[[nodiscard]] runtime::Engine* engine_from(PyObject* object);

[[nodiscard]] bool add_runtime_type(PyObject* module);

}  // namespace polyreme::python
