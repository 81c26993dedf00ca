#include "captured_graph.hpp"

#include "capture.hpp"
#include "captured_decorator.hpp"
#include "captured_handles.hpp"
#include "captured_run.hpp"
#include "errors.hpp"
#include "free_threading.hpp"
#include "native_function.hpp"
#include "native_node.hpp"
#include "python_node.hpp"
#include "runtime/engine.hpp"
#include "runtime_object.hpp"
#include "spawn.hpp"
#include "types.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace polyreme::python {

namespace {

/// Keyword arguments of spawn(). All borrowed; null: not given.
struct NodeKeywords {
  PyObject* after = nullptr;
  PyObject* name = nullptr;
  PyObject* keywords = nullptr;  ///< kwargs=, for the body
};

bool parse_keywords(PyObject* const* values, PyObject* names, NodeKeywords& out) {
  const Py_ssize_t count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(names, i);
    PyObject* const value = values[i] == Py_None ? nullptr : values[i];
    if (PyUnicode_CompareWithASCIIString(name, "after") == 0) {
      out.after = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "name") == 0) {
      out.name = value;
    } else if (PyUnicode_CompareWithASCIIString(name, "kwargs") == 0) {
      out.keywords = value;
    } else {
      PyErr_Format(PyExc_TypeError,
                   "spawn() of a captured graph got an unexpected keyword argument %R; a node takes after, name and "
                   "kwargs (what else Runtime.spawn() takes is for single tasks)",
                   name);
      return false;
    }
  }
  if (out.name != nullptr && !PyUnicode_Check(out.name)) {
    PyErr_Format(PyExc_TypeError, "name= is a str, not %R", out.name);
    return false;
  }
  if (out.keywords != nullptr && PyDict_Check(out.keywords) == 0) {
    PyErr_Format(PyExc_TypeError, "kwargs= is a dict of keyword arguments for the body, not %R", out.keywords);
    return false;
  }
  if (out.keywords != nullptr && PyDict_Size(out.keywords) == 0) out.keywords = nullptr;
  return true;
}

/// False with an error set: nothing can be added any more. In the critical section of the graph.
bool check_capturing(PyObject* self) {
  const GraphState* const state = graph_in(self).state;
  if (state != nullptr && !state->over) return true;
  PyErr_Format(usage_error(),
               "polyreme: the capture of %R is over: it ends with its `with` block, the first run, or when the graph "
               "becomes a node",
               self);
  return false;
}

/// The characters of a str or null, as long as that lives. False with an error set.
bool text_of(PyObject* text, std::string_view& out) {
  if (text == nullptr) return true;
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text, &size);
  if (data == nullptr) return false;
  out = {data, static_cast<std::size_t>(size)};
  return true;
}

/// What messages and traces call the node. Null: nothing, which is no error.
Owned<> name_of(PyObject* body, PyObject* given) {
  if (given != nullptr) return Owned<>(Py_NewRef(given));
  if (is_captured_graph(body)) return Owned<>(Py_XNewRef(graph_in(body).name));
  Owned<> name(PyObject_GetAttrString(body, "__qualname__"));
  if (name != nullptr && !PyUnicode_Check(name.get())) name.reset();
  PyErr_Clear();
  return name;
}

bool build_call(NodeBuilder& node, PyObject* fn, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  if (is_native_function(fn)) {
    if (keywords == nullptr) return build_native_node(node, fn, arguments, count);
    PyErr_Format(PyExc_TypeError, "%R takes its arguments by position, not as kwargs=", fn);
    return false;
  }
  if (PyCallable_Check(fn) == 0) {
    PyErr_Format(PyExc_TypeError, "the body of a node must be callable, not %R", fn);
    return false;
  }
  bool makes_coroutine = false;
  if (!check_function(fn, makes_coroutine)) return false;
  if (makes_coroutine) {
    PyErr_Format(PyExc_TypeError,
                 "%R is a coroutine function, which cannot be the body of a node; spawn it as a task: "
                 "rt.spawn(fn, ...)",
                 fn);
    return false;
  }
  return build_python_node(node, fn, arguments, count, keywords);
}

/// What is then added cannot fail.
template <class T>
void make_room(std::vector<T>& list, std::size_t more) {
  if (list.capacity() - list.size() < more) list.reserve(std::max(2 * list.capacity(), list.size() + more));
}

/// Adds the node to the engine's part of the graph, and what it needs to ours. False with an error set.
bool add_node(PyObject* self, NodeBuilder& node, GraphHandleObject& handle, PyObject* name, const SpawnSite* site) {
  std::string_view text;
  if (!text_of(name, text)) return false;
  const CriticalSection alone(self);
  if (!check_capturing(self)) return false;
  GraphState& state = *graph_in(self).state;
  make_room(state.kept, node.kept.size());
  const detail::NodeOps& ops = *node.ops;
  node.give_away_body();
  handle.reference = detail::add_node(*state.graph, ops, node.body.data(), node.predecessors, {{}, site}, text);
  handle.value = node.value;
  handle.value.place = handle.reference.place;
  for (Owned<>& one : node.kept)
    state.kept.push_back(std::move(one));
  return true;
}

/// A graph that can be a node of `self`, whose own capture is over from now on. False with an error set.
bool prepare_inner(PyObject* self, PyObject* inner) {
  if (inner == self) {
    PyErr_Format(usage_error(), "polyreme: %R cannot be a node of itself", self);
    return false;
  }
  if (graph_in(inner).runtime != graph_in(self).runtime) {
    PyErr_Format(usage_error(), "polyreme: %R belongs to another runtime than %R", inner, self);
    return false;
  }
  {
    const CriticalSection alone(self);
    if (!check_capturing(self)) return false;  // before the inner one's capture is ended for it
  }
  const CriticalSection alone(inner);
  graph_in(inner).state->over = true;
  return true;
}

/// The same for a node that runs another graph.
bool add_inner(PyObject* self, PyObject* inner, const NodeBuilder& node, GraphHandleObject& handle, PyObject* name,
               const SpawnSite* site) {
  std::string_view text;
  if (!text_of(name, text) || !prepare_inner(self, inner)) return false;
  const CriticalSection alone(self);
  if (!check_capturing(self)) return false;
  GraphState& state = *graph_in(self).state;
  make_room(state.kept, 1);
  handle.reference = detail::add_graph(*state.graph, graph_in(inner).state->graph, node.predecessors, {{}, site}, text);
  state.kept.emplace_back(Py_NewRef(inner));
  return true;
}

PyObject* spawn(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "spawn() needs a callable: g.spawn(fn, *args, after=..., name=..., kwargs=...)");
    return nullptr;
  }
  return spawn_node(self, arguments[0], {arguments + 1, count - 1, names}, nullptr);
}

/// The name of an argument, which must not be one already. In the critical section of the graph.
bool check_new_name(const GraphState& state, PyObject* name) {
  for (const GraphArgument& one : state.arguments) {
    if (one.name == nullptr || PyUnicode_Compare(one.name.get(), name) != 0) continue;
    PyErr_Format(PyExc_ValueError, "the graph has an argument %R already", name);
    return false;
  }
  return true;
}

PyObject* argument(PyObject* self, PyObject* arguments, PyObject* keywords) {
  static const char* const kNames[] = {"", "name", nullptr};
  PyObject *value, *name = Py_None;
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:argument", const_cast<char**>(kNames), &value, &name) ==
      0) {
    return nullptr;
  }
  if (name == Py_None) name = nullptr;
  if (name != nullptr && (!PyUnicode_Check(name) || PyUnicode_IsIdentifier(name) != 1)) {
    return PyErr_Format(PyExc_ValueError, "name=%R; run() takes it as a keyword, so it is an identifier", name);
  }
  const EngineUse use(graph_in(self).runtime);
  if (use.get() == nullptr) return nullptr;
  Owned<> handle(make_handle(argument_type, self, name));
  if (handle == nullptr) return nullptr;
  try {
    const CriticalSection alone(self);
    if (!check_capturing(self)) return nullptr;
    GraphState& state = *graph_in(self).state;
    if (name != nullptr && !check_new_name(state, name)) return nullptr;
    make_room(state.kept, 1);
    make_room(state.arguments, 1);
    GraphHandleObject& made = handle_in(handle.get());
    made.reference = add_value(*state.graph, value);
    made.value = {made.reference.place, ValueKind::kObject, CType::kVoid};
    state.kept.emplace_back(Py_NewRef(value));
    state.arguments.push_back({Owned<>(Py_XNewRef(name)), made.reference});
  } catch (...) {
    return raise_current();
  }
  return handle.release();
}

PyObject* enter(PyObject* self, PyObject* /*unused*/) {
  const CriticalSection alone(self);
  return check_capturing(self) ? Py_NewRef(self) : nullptr;
}

PyObject* leave(PyObject* self, PyObject* /*unused*/) {
  const CriticalSection alone(self);
  if (graph_in(self).state != nullptr) graph_in(self).state->over = true;
  Py_RETURN_NONE;
}

// ---- the type

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  CapturedGraphObject& graph = graph_in(self);
  delete graph.state;
  Py_XDECREF(graph.runtime);
  Py_XDECREF(graph.name);
  PyObject_GC_Del(self);
}

int traverse(PyObject* self, visitproc visit, void* arg) {  // Py_VISIT wants these names
  const CapturedGraphObject& graph = graph_in(self);
  Py_VISIT(graph.runtime);
  if (graph.state == nullptr) return 0;
  for (const Owned<>& one : graph.state->kept)
    Py_VISIT(one.get());
  return 0;
}

/// No run is in flight: each has a reference that the collector does not see.
int clear(PyObject* self) {
  const std::unique_ptr<GraphState> state(std::exchange(graph_in(self).state, nullptr));
  return 0;
}

PyObject* repr(PyObject* self) {
  PyObject* const name = graph_in(self).name;
  return name != nullptr ? PyUnicode_FromFormat("<CapturedGraph %U>", name)
                         : PyUnicode_FromFormat("<CapturedGraph at %p>", self);
}

PyObject* get_name(PyObject* self, void* /*closure*/) {
  PyObject* const name = graph_in(self).name;
  return Py_NewRef(name != nullptr ? name : Py_None);
}

PyObject* get_size(PyObject* self, void* /*closure*/) {
  const GraphState* const state = graph_in(self).state;
  return PyLong_FromSize_t(state != nullptr ? detail::graph_size(*state->graph) : 0);
}

PyMethodDef methods[] = {
    {"spawn", method(&spawn), METH_FASTCALL | METH_KEYWORDS,
     "spawn($self, fn, /, *args, after=None, name=None, kwargs=None)\n--\n\n"
     "Add the call fn(*args, **kwargs) as a node, which each run makes, and return its handle.\n\n"
     "A node or an argument of the graph among the arguments arrives as its value in the same run; a node is a\n"
     "dependency.\n\n"
     "Args:\n    fn: any callable but coroutine and generator functions, a native function, or another captured "
     "graph.\n"
     "    after: nodes, or nested iterables of these, which come first.\n    name: for messages and traces.\n"
     "    kwargs: keyword arguments for fn.\n\n"
     "Raises:\n    TypeError: something is not of the kind it must be; the message names it.\n"
     "    UsageError: a node of another graph, or the capture is over.\n"
     "    RuntimeClosedError: the runtime is closed."},
    {"task", method(&decorate_node), METH_FASTCALL | METH_KEYWORDS,
     "task($self, /, *args, after=None, name=None, kwargs=None)\n--\n\n"
     "Add the decorated function as a node; its name becomes the handle.\n\n"
     "Closure variables and constants among the module's globals are captured as they are now, as Runtime.task() "
     "does.\nOtherwise as spawn()."},
    {"argument", method(&argument), METH_VARARGS | METH_KEYWORDS,
     "argument($self, default, /, name=None)\n--\n\n"
     "Make something that nodes get, and that each run may set: by keyword if it has a name, or by this handle.\n\n"
     "Raises:\n    ValueError: the name is no identifier, or another argument has it.\n"
     "    UsageError: the capture is over."},
    {"run", method(&run_graph), METH_FASTCALL | METH_KEYWORDS,
     "run($self, values=None, /, **arguments)\n--\n\n"
     "Run all nodes, help, and wait; return the run, which has their results.\n\n"
     "Args:\n    values: a mapping of arguments, or their names, to what they are in this run.\n"
     "    arguments: the same by name.\n\n"
     "Raises:\n    ExceptionGroup: what bodies raised, each with a note that says where its node was made.\n"
     "    TaskCancelled: the run was cancelled.\n    TypeError: the graph has no such argument.\n"
     "    UsageError: an event loop runs on this thread; use `await g.run_async()`.\n"
     "    RuntimeClosedError: the runtime is closed."},
    {"run_async", method(&run_graph_async), METH_FASTCALL | METH_KEYWORDS,
     "run_async($self, values=None, /, **arguments)\n--\n\n"
     "Start a run and return it at once: a task that is done when all nodes are. Otherwise as run()."},
    {"__enter__", &enter, METH_NOARGS, nullptr},
    {"__exit__", &leave, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {{"name", &get_name, nullptr, "The name that it was given, or None.", nullptr},
                            {"size", &get_size, nullptr, "The number of nodes.", nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

}  // namespace

PyTypeObject captured_graph_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.CapturedGraph";
  type.tp_basicsize = sizeof(CapturedGraphObject);
  type.tp_dealloc = &dealloc;
  type.tp_repr = &repr;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = "Nodes that are made once and run again and again. Made by Runtime.capture().";
  type.tp_traverse = &traverse;
  type.tp_clear = &clear;
  type.tp_methods = methods;
  type.tp_getset = properties;
  return type;
}();

PyObject* make_captured_graph(PyObject* runtime, PyObject* name) {
  if (name == Py_None) name = nullptr;
  if (name != nullptr && !PyUnicode_Check(name)) {
    return PyErr_Format(PyExc_TypeError, "the name of a captured graph is a str, not %R", name);
  }
  const EngineUse use(runtime);
  std::string_view text;
  if (use.get() == nullptr || !text_of(name, text)) return nullptr;
  auto* const graph = PyObject_GC_New(CapturedGraphObject, &captured_graph_type);
  if (graph == nullptr) return nullptr;
  Owned<> object(reinterpret_cast<PyObject*>(graph));
  graph->runtime = Py_NewRef(runtime);
  graph->name = Py_XNewRef(name);
  graph->state = nullptr;
  PyObject_GC_Track(object.get());
  try {
    auto state = std::make_unique<GraphState>();
    state->graph = detail::make_graph(*use.get(), std::string(text));
    state->keeper = add_value(*state->graph, nullptr);
    graph->state = state.release();
  } catch (...) {
    return raise_current();
  }
  return object.release();
}

PyObject* spawn_node(PyObject* self, PyObject* fn, const NodeCall& call, const Captured* captured) {
  NodeKeywords keywords;
  if (!parse_keywords(call.arguments + call.count, call.names, keywords)) return nullptr;
  const EngineUse use(graph_in(self).runtime);
  if (use.get() == nullptr) return nullptr;
  const bool is_graph = is_captured_graph(fn);
  if (is_graph && (call.count > 0 || keywords.keywords != nullptr)) {
    return PyErr_Format(PyExc_TypeError, "%R as a node takes no arguments: its own have their defaults", fn);
  }
  try {
    NodeBuilder node(self);
    if (keywords.after != nullptr && !node.add_after(keywords.after)) return nullptr;
    if (!is_graph && !build_call(node, fn, call.arguments, call.count, keywords.keywords)) return nullptr;
    const Owned<> name = name_of(fn, keywords.name);
    Owned<> handle(make_handle(node_type, self, name.get()));
    if (handle == nullptr || (captured != nullptr && !bind_self(*captured, handle.get()))) return nullptr;
    GraphHandleObject& made = handle_in(handle.get());
    const SpawnSite* const site = current_site();
    const bool added =
        is_graph ? add_inner(self, fn, node, made, name.get(), site) : add_node(self, node, made, name.get(), site);
    return added ? handle.release() : nullptr;
  } catch (...) {
    return raise_current();
  }
}

bool add_captured_graph_type(PyObject* module) {
  return PyType_Ready(&captured_graph_type) == 0 &&
         PyModule_AddObjectRef(module, "CapturedGraph", reinterpret_cast<PyObject*>(&captured_graph_type)) == 0;
}

}  // namespace polyreme::python
