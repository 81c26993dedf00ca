// polyreme.Node and polyreme.Argument: what names a node, and a value that each run may set, while a graph is captured
// and when results are asked for.
#pragma once

#include <polyreme/detail/graph_abi.hpp>

#include "native_call.hpp"

#include <Python.h>

namespace polyreme::python {

enum class ValueKind : std::uint8_t {
  kNone,    ///< there is none: it arrives as None
  kObject,  ///< a PyObject*, null for None
  kScalar,  ///< the bytes of a C type
};

/// Where a value of a run is, and what.
struct ValuePlace {
  std::uint32_t place = 0;
  ValueKind kind = ValueKind::kNone;
  CType type = CType::kVoid;  ///< of a scalar
};

/// A node or an argument. All members are constant once others know the handle.
struct GraphHandleObject {
  PyObject_HEAD PyObject* graph;  ///< a CapturedGraph
  PyObject* name;                 ///< a str, or null
  detail::NodeReference reference;
  ValuePlace value;
};

extern PyTypeObject node_type;
extern PyTypeObject argument_type;

[[nodiscard]] inline bool is_node(PyObject* object) noexcept {
  return Py_TYPE(object) == &node_type;
}
[[nodiscard]] inline bool is_argument(PyObject* object) noexcept {
  return Py_TYPE(object) == &argument_type;
}
[[nodiscard]] inline GraphHandleObject& handle_in(PyObject* object) noexcept {
  return *reinterpret_cast<GraphHandleObject*>(object);
}

/// A new handle, whose reference and value are to be set. Null with an error set.
[[nodiscard]] PyObject* make_handle(PyTypeObject& type, PyObject* graph, PyObject* name);

/// A value of a run as a Python object: a new reference, or null with an error set. `values` are those of the run.
[[nodiscard]] PyObject* value_object(const ValuePlace& value, const std::byte* values) noexcept;

[[nodiscard]] bool add_handle_types(PyObject* module);

}  // namespace polyreme::python
