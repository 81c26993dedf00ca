// A call of a C function as the body of a node.
//
// Its arguments are converted once, when the graph is captured. Values of other native nodes are converted where they
// lie, when they come. So such a node runs in the native domain: no interpreter, no allocation. Only if one of its
// arguments may be any Python object (the result of a Python node, an argument of the graph) it begins inside, converts
// that, and leaves the interpreter for the call.
#pragma once

#include "node_builder.hpp"

#include <Python.h>

namespace polyreme::python {

/// Makes function(*arguments) the body of a node; `function` is a NativeFunction. False with an error set.
[[nodiscard]] bool build_native_node(NodeBuilder& node, PyObject* function, PyObject* const* arguments,
                                     Py_ssize_t count);

}  // namespace polyreme::python
