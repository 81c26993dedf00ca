// CapturedGraph.task: the decorator form of spawn, which captures by value.
#pragma once

#include <Python.h>

namespace polyreme::python {

/// @g.task and @g.task(...): a method, by vectorcall.
[[nodiscard]] PyObject* decorate_node(PyObject* graph, PyObject* const* arguments, Py_ssize_t count, PyObject* names);

}  // namespace polyreme::python
