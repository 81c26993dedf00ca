// A Python call as the body of a node.
//
// A node runs again and again, perhaps in several runs at once, so its call is prepared once and never changes: a
// callable and the arguments in the order in which it takes them, with holes for values of the run. All of it belongs
// to the graph (captured_graph.hpp); what a run keeps of it is its result, unless that is None.
#pragma once

#include "node_builder.hpp"

#include <Python.h>

namespace polyreme::python {

/// Makes fn(*arguments, **keywords) the body of a node; `keywords` is a dict or null. False with an error set.
[[nodiscard]] bool build_python_node(NodeBuilder& node, PyObject* fn, PyObject* const* arguments, Py_ssize_t count,
                                     PyObject* keywords);

/// The result in the place of such a node: borrowed, or null for None.
[[nodiscard]] PyObject* python_result(const std::byte* place) noexcept;
/// Drops it, as if the body had returned None.
void drop_python_result(std::byte* place) noexcept;

}  // namespace polyreme::python
