// polyreme.CapturedGraph: nodes that are run again and again.
//
// Who owns what. The Python object owns all Python objects that its nodes need: callables, arguments, defaults, graphs
// that are nodes. The engine's part (runtime/captured_graph.hpp) only borrows them, and whoever may still need them has
// a reference to the Python object: a handle of a node, a graph around this one, and each run, as the value of an
// argument that no program sees (kept until the handle of the run goes). So the collector sees through a graph, and a
// run touches no reference count but those of what it passes on.
//
// Phases. While it is captured, nodes are added, by any thread, under the object's critical section. The capture is
// over at the end of its `with` block, at the first run, or when the graph becomes a node; from then on nothing
// changes.
#pragma once

#include <polyreme/detail/graph_abi.hpp>

#include "references.hpp"

#include <Python.h>

#include <vector>

namespace polyreme::python {

struct GraphArgument {
  Owned<> name;  ///< a str, or null
  detail::NodeReference reference;
};

struct GraphState {
  detail::GraphHandle graph;
  detail::NodeReference keeper;  ///< the argument by which a run keeps the Python object
  std::vector<Owned<>> kept;
  std::vector<GraphArgument> arguments;
  bool over = false;  ///< the capture is
};

struct CapturedGraphObject {
  PyObject_HEAD PyObject* runtime;
  PyObject* name;     ///< a str, or null
  GraphState* state;  ///< null once the collector has cleared it
};

extern PyTypeObject captured_graph_type;

[[nodiscard]] inline bool is_captured_graph(PyObject* object) noexcept {
  return Py_TYPE(object) == &captured_graph_type;
}
[[nodiscard]] inline CapturedGraphObject& graph_in(PyObject* object) noexcept {
  return *reinterpret_cast<CapturedGraphObject*>(object);
}

/// A new graph of `runtime`, whose `name` is a str or None. Null with an error set.
[[nodiscard]] PyObject* make_captured_graph(PyObject* runtime, PyObject* name);

/// The arguments of a node's body, followed by the values of keywords with these names, as in a vectorcall.
struct NodeCall {
  PyObject* const* arguments = nullptr;
  Py_ssize_t count = 0;
  PyObject* names = nullptr;
};
struct Captured;
/// What CapturedGraph.spawn does. `captured`, or null, is where the body finds its own node. Null with an error set.
[[nodiscard]] PyObject* spawn_node(PyObject* graph, PyObject* fn, const NodeCall& call, const Captured* captured);

[[nodiscard]] bool add_captured_graph_type(PyObject* module);

}  // namespace polyreme::python
