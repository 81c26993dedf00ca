#include "node_builder.hpp"

#include "captured_graph.hpp"
#include "errors.hpp"
#include "runtime/captured_graph.hpp"
#include "task_object.hpp"

namespace polyreme::python {

bool NodeBuilder::check_graph(PyObject* handle) const {
  if (handle_in(handle).graph == graph_) return true;
  PyErr_Format(usage_error(), "polyreme: %R belongs to another graph than %R; pass nodes and arguments of this one",
               handle, graph_);
  return false;
}

bool NodeBuilder::add_after(PyObject* item, int depth) {
  constexpr int kDeepest = 32;
  if (is_node(item)) {
    if (!check_graph(item)) return false;
    predecessors.push_back(handle_in(item).reference);
    return true;
  }
  const Owned<> iterator(is_task(item) || PyUnicode_Check(item) || depth == kDeepest ? nullptr
                                                                                     : PyObject_GetIter(item));
  if (iterator == nullptr) {
    if (PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_TypeError) == 0) return false;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError,
                 "after= takes nodes of this graph, or iterables of them (nested at most %d deep), not %R", kDeepest,
                 item);
    return false;
  }
  while (const Owned<> one{PyIter_Next(iterator.get())}) {
    if (!add_after(one.get(), depth + 1)) return false;
  }
  return PyErr_Occurred() == nullptr;
}

bool NodeBuilder::add_argument(PyObject* argument, std::size_t index, std::vector<Hole>& holes, PyObject*& constant) {
  constant = nullptr;
  if (is_task(argument)) {
    PyErr_Format(PyExc_TypeError,
                 "a node gets %R, a task, which is done once while the node runs many times; pass its result, or an "
                 "argument of the graph that each run sets to a value",
                 argument);
    return false;
  }
  const bool node = is_node(argument);
  if (!node && !is_argument(argument)) {
    keep(argument);
    constant = argument;
    return true;
  }
  if (!check_graph(argument)) return false;
  const GraphHandleObject& handle = handle_in(argument);
  if (node) predecessors.push_back(handle.reference);
  if (handle.value.kind == ValueKind::kNone) {
    constant = Py_None;
  } else {
    holes.push_back({static_cast<std::uint32_t>(index), handle.reference.index, handle.value});
  }
  return true;
}

}  // namespace polyreme::python
