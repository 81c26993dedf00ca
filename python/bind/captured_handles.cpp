#include "captured_handles.hpp"

#include "base/stored_pointer.hpp"
#include "native_arguments.hpp"
#include "types.hpp"

namespace polyreme::python {

namespace {

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_XDECREF(handle_in(self).graph);
  Py_XDECREF(handle_in(self).name);
  PyObject_GC_Del(self);
}

int traverse(PyObject* self, visitproc visit, void* arg) {  // Py_VISIT wants these names
  Py_VISIT(handle_in(self).graph);
  return 0;
}

PyObject* repr(PyObject* self) {
  const GraphHandleObject& handle = handle_in(self);
  const char* const what = is_node(self) ? "Node" : "Argument";
  if (handle.name != nullptr) return PyUnicode_FromFormat("<%s %U of %R>", what, handle.name, handle.graph);
  return PyUnicode_FromFormat("<%s #%u of %R>", what, static_cast<unsigned>(handle.reference.index), handle.graph);
}

PyObject* get_name(PyObject* self, void* /*closure*/) {
  PyObject* const name = handle_in(self).name;
  return Py_NewRef(name != nullptr ? name : Py_None);
}

PyObject* get_graph(PyObject* self, void* /*closure*/) {
  return Py_NewRef(handle_in(self).graph);
}

PyGetSetDef node_properties[] = {
    {"name", &get_name, nullptr, "The name that it was given, or that of its function.", nullptr},
    {"graph", &get_graph, nullptr, "The graph that it belongs to.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyGetSetDef argument_properties[] = {
    {"name", &get_name, nullptr, "The name by which run() takes it as a keyword, or None.", nullptr},
    {"graph", &get_graph, nullptr, "The graph that it belongs to.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef methods[] = {{"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS,
                          "Node[T] and Argument[T] stand for a value of type T, in annotations."},
                         {nullptr, nullptr, 0, nullptr}};

PyTypeObject handle_type(const char* name, const char* doc, PyGetSetDef* properties) {
  PyTypeObject type = blank_type();
  type.tp_name = name;
  type.tp_basicsize = sizeof(GraphHandleObject);
  type.tp_dealloc = &dealloc;
  type.tp_repr = &repr;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = doc;
  type.tp_traverse = &traverse;
  type.tp_methods = methods;
  type.tp_getset = properties;
  return type;
}

}  // namespace

PyTypeObject node_type = handle_type("polyreme.Node",
                                     "A node of a captured graph, made by CapturedGraph.spawn: pass it to other nodes, "
                                     "and ask a run for its result with run[node].",
                                     node_properties);
PyTypeObject argument_type = handle_type("polyreme.Argument",
                                         "Something that nodes of a captured graph get and that each run may set, made "
                                         "by CapturedGraph.argument.",
                                         argument_properties);

PyObject* make_handle(PyTypeObject& type, PyObject* graph, PyObject* name) {
  auto* const handle = PyObject_GC_New(GraphHandleObject, &type);
  if (handle == nullptr) return nullptr;
  handle->graph = Py_NewRef(graph);
  handle->name = Py_XNewRef(name);
  handle->reference = {};
  handle->value = {};
  auto* const object = reinterpret_cast<PyObject*>(handle);
  PyObject_GC_Track(object);
  return object;
}

PyObject* value_object(const ValuePlace& value, const std::byte* values) noexcept {
  const std::byte* const place = values + detail::kValueUnit * value.place;
  if (value.kind == ValueKind::kScalar) return scalar_object(value.type, place);
  PyObject* const object = value.kind == ValueKind::kObject ? base::stored_pointer<PyObject>(place) : nullptr;
  return Py_NewRef(object != nullptr ? object : Py_None);
}

bool add_handle_types(PyObject* module) {
  return PyType_Ready(&node_type) == 0 && PyType_Ready(&argument_type) == 0 &&
         PyModule_AddObjectRef(module, "Node", reinterpret_cast<PyObject*>(&node_type)) == 0 &&
         PyModule_AddObjectRef(module, "Argument", reinterpret_cast<PyObject*>(&argument_type)) == 0;
}

}  // namespace polyreme::python
