// polyreme.GraphRun: a run of a captured graph, which is a task; and how runs begin.
//
// A value of an argument in a run is an object: borrowed from the graph, which outlives the run, or, if the run was
// given one, with a reference of the run's. So to copy a default touches no reference count, and a run inside another,
// which has defaults only, can begin anywhere.
#pragma once

#include <polyreme/detail/graph_abi.hpp>

#include <Python.h>

namespace polyreme::python {

/// A new argument of a graph; `initial`, which may be null, is what runs get that do not bind it: borrowed, for as long
/// as there are runs.
[[nodiscard]] detail::NodeReference add_value(runtime::CapturedGraph& graph, PyObject* initial);

/// The methods run and run_async of a CapturedGraph.
[[nodiscard]] PyObject* run_graph(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names);
[[nodiscard]] PyObject* run_graph_async(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names);

[[nodiscard]] bool add_graph_run_type(PyObject* module);

}  // namespace polyreme::python
