#include "captured_decorator.hpp"

#include "capture.hpp"
#include "captured_graph.hpp"
#include "references.hpp"
#include "types.hpp"

namespace polyreme::python {

namespace {

PyObject* spawn_decorated(PyObject* graph, PyObject* function, const NodeCall& call) {
  if (!PyFunction_Check(function)) return spawn_node(graph, function, call, nullptr);
  Captured captured;
  if (!capture_by_value(function, captured)) return nullptr;
  const Owned<> own(captured.function);
  return spawn_node(graph, captured.function, call, &captured);
}

/// What @g.task(...) returns, called with the function. `parts`: the graph, a tuple of the arguments and the values of
/// keywords, and the names of these or None.
PyObject* decorate(PyObject* parts, PyObject* function) {
  PyObject* const values = PyTuple_GET_ITEM(parts, 1);
  PyObject* const names = PyTuple_GET_ITEM(parts, 2);
  NodeCall call{&PyTuple_GET_ITEM(values, 0), PyTuple_GET_SIZE(values), nullptr};
  if (names != Py_None) {
    call.names = names;
    call.count -= PyTuple_GET_SIZE(names);
  }
  return spawn_decorated(PyTuple_GET_ITEM(parts, 0), function, call);
}

PyMethodDef decorator{"task", &decorate, METH_O, "Makes the function that it decorates a node of a captured graph."};

}  // namespace

PyObject* decorate_node(PyObject* graph, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (count == 1 && named == 0 && PyCallable_Check(arguments[0]) != 0) {
    return spawn_decorated(graph, arguments[0], {});
  }
  const Owned<> values(PyTuple_New(count + named));
  if (values == nullptr) return nullptr;
  for (Py_ssize_t i = 0; i < count + named; ++i)
    PyTuple_SET_ITEM(values.get(), i, Py_NewRef(arguments[i]));
  const Owned<> parts(PyTuple_Pack(3, graph, values.get(), names == nullptr ? Py_None : names));
  return parts == nullptr ? nullptr : PyCFunction_New(&decorator, parts.get());
}

}  // namespace polyreme::python
