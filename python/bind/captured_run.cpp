#include "captured_run.hpp"

#include "await_object.hpp"
#include "captured_graph.hpp"
#include "captured_handles.hpp"
#include "errors.hpp"
#include "free_threading.hpp"
#include "interpreter.hpp"
#include "python_node.hpp"
#include "runtime/captured_graph.hpp"
#include "runtime_object.hpp"
#include "spawn.hpp"
#include "task/record.hpp"
#include "task_object.hpp"
#include "types.hpp"
#include "waiting.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace polyreme::python {

namespace {

using runtime::GraphRun;

// ---- values of arguments

/// In the place of an argument. The object comes first: nodes read it as they read a result.
struct ArgumentValue {
  PyObject* object;
  bool owned;
};

void copy_value(void* to, const void* from) {
  ::new (to) ArgumentValue{static_cast<PyObject*>(const_cast<void*>(from)), false};
}

void destroy_value(void* value) noexcept {
  const ArgumentValue& argument = *static_cast<ArgumentValue*>(value);
  if (argument.owned) drop_reference(argument.object);
}

void keep_initial(void* /*initial*/) noexcept {}

constexpr detail::ArgumentOps kValueOps{&copy_value, &destroy_value, &keep_initial, sizeof(ArgumentValue)};

/// Inside.
void bind_value(void* to, void* value) {
  ::new (to) ArgumentValue{Py_NewRef(static_cast<PyObject*>(value)), true};
}

detail::Binding binding(const detail::NodeReference& argument, PyObject* value) noexcept {
  return {argument, value, &bind_value};
}

/// What a run is to get, from the arguments of the call.
class Bindings {
 public:
  explicit Bindings(PyObject* graph) : graph_(graph), state_(*graph_in(graph).state) {
    all_.push_back(binding(state_.keeper, graph));
  }

  /// By keyword. False with an error set.
  [[nodiscard]] bool add_named(PyObject* const* values, PyObject* names) {
    const Py_ssize_t count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (!add(PyTuple_GET_ITEM(names, i), values[i])) return false;
    }
    return true;
  }
  /// A mapping, or None.
  [[nodiscard]] bool add_mapping(PyObject* values) {
    if (values == Py_None) return true;
    if (PyObject_HasAttrString(values, "items") == 0) {
      PyErr_Format(PyExc_TypeError, "a run takes a mapping of arguments to values, not %R", values);
      return false;
    }
    items_.reset(PyMapping_Items(values));
    if (items_ == nullptr) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items_.get()); ++i) {
      PyObject* const item = PyList_GET_ITEM(items_.get(), i);  // nobody else has the list
      if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_TypeError, "items() of a mapping gives pairs, not %R", item);
        return false;
      }
      if (!add(PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1))) return false;
    }
    return true;
  }
  [[nodiscard]] std::span<detail::Binding> all() noexcept { return all_; }

 private:
  [[nodiscard]] bool add(PyObject* key, PyObject* value) {
    const detail::NodeReference* const argument = find(key);
    if (argument == nullptr) return false;
    for (const detail::Binding& one : all_) {
      if (one.argument.index != argument->index) continue;
      PyErr_Format(PyExc_TypeError, "%R is given twice", key);
      return false;
    }
    if (is_task(value)) {
      PyErr_Format(PyExc_TypeError, "%R gets the task %R, which is done once; pass its result", key, value);
      return false;
    }
    if (is_argument(value) || is_node(value)) {
      PyErr_Format(PyExc_TypeError, "%R gets %R, which has a value only inside a run; pass a value", key, value);
      return false;
    }
    all_.push_back(binding(*argument, value));
    return true;
  }
  [[nodiscard]] const detail::NodeReference* find(PyObject* key) const {
    if (is_argument(key) && handle_in(key).graph == graph_) return &handle_in(key).reference;
    if (is_argument(key)) {
      PyErr_Format(usage_error(), "polyreme: %R belongs to another graph than %R", key, graph_);
      return nullptr;
    }
    if (!PyUnicode_Check(key)) {
      PyErr_Format(PyExc_TypeError, "a run sets arguments of its graph, or their names, not %R", key);
      return nullptr;
    }
    for (const GraphArgument& one : state_.arguments) {
      if (one.name != nullptr && PyUnicode_Compare(one.name.get(), key) == 0) return &one.reference;
    }
    if (PyErr_Occurred() == nullptr) refuse_name(key);
    return nullptr;
  }
  void refuse_name(PyObject* key) const {
    const Owned<> known(PyList_New(0));
    if (known == nullptr) return;
    for (const GraphArgument& one : state_.arguments) {
      if (one.name != nullptr && PyList_Append(known.get(), one.name.get()) < 0) return;
    }
    PyErr_Format(PyExc_TypeError, "%R has no argument %R; it has %R", graph_, key, known.get());
  }

  PyObject* const graph_;
  const GraphState& state_;
  Owned<> items_;
  std::vector<detail::Binding> all_;
};

// ---- the start of a run

/// A handle that has no run yet. Null with an error set.
Owned<TaskObject> make_blank_run() {
  auto* const object = PyObject_GC_New(TaskObject, &graph_run_type);
  if (object == nullptr) return nullptr;
  object->record = nullptr;
  object->space = nullptr;
  return Owned<TaskObject>(object);
}

PyObject* as_object(TaskObject* run) noexcept {
  return reinterpret_cast<PyObject*>(run);
}

/// The wait has ended early, with an error set: nobody will have the handle.
void abandon(Record& run) noexcept {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  {
    const EngineCall call;
    static_cast<void>(detail::cancel(run));
    detail::release(run);
  }
  PyErr_Restore(type, value, traceback);
}

/// A run of an empty graph is a task like others, which may have been cancelled: it has nothing that could be asked
/// for.
bool has_nodes(const Record& run) noexcept {
  return (tasks::flags_of(run) & tasks::state::kGraphRun) != 0;
}

bool end_capture(PyObject* self) {
  const CriticalSection alone(self);
  GraphState* const state = graph_in(self).state;
  if (state == nullptr) {
    PyErr_SetString(usage_error(), "polyreme: the captured graph was found unreachable, and is gone");
    return false;
  }
  state->over = true;
  return true;
}

bool check_loop() {
  PyObject* const loop = running_loop();
  if (loop == nullptr) return true;
  Py_DECREF(loop);
  PyErr_SetString(usage_error(),
                  "polyreme: run() would block the event loop that runs on this thread; use `await g.run_async()`");
  return false;
}

PyObject* start(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names, bool waits) {
  if (count > 1) {
    PyErr_SetString(PyExc_TypeError, "a run takes one mapping of arguments to values, and keywords");
    return nullptr;
  }
  const EngineUse use(graph_in(self).runtime);
  if (use.get() == nullptr || (waits && !check_loop()) || !end_capture(self)) return nullptr;
  try {
    Bindings bindings(self);
    if (count == 1 && !bindings.add_mapping(arguments[0])) return nullptr;
    if (!bindings.add_named(arguments + count, names)) return nullptr;
    Owned<TaskObject> handle = make_blank_run();
    if (handle == nullptr) return nullptr;
    runtime::CapturedGraph& graph = *graph_in(self).state->graph;
    const detail::NodeSite site{{}, current_site()};
    Record* run = nullptr;
    if (waits) {
      if (run_and_wait(graph, bindings.all(), site, run) != Waited::kDone) {
        if (run != nullptr) abandon(*run);
        return nullptr;
      }
    } else {
      const EngineCall call;
      run = &use.get()->start_run(graph, bindings.all(), site, false);
    }
    handle->record = run;
    PyObject_GC_Track(handle.get());
    if (waits) {
      if (const std::exception_ptr failure = detail::failure_of(*run)) return raise(failure);
    }
    return as_object(handle.release());
  } catch (...) {
    return raise_current();
  }
}

// ---- the collector
//
// A run that is done, and that only its handle keeps, is the handle's: the collector sees what it holds through the
// handle. That is its graph, the values that it was given, the results of its nodes, and what these have raised. Others
// may share the C++ exceptions, so before the collector acts the run gets its own (as a failed task does, see
// task_object.cpp).

GraphRun* own_run(PyObject* self) noexcept {
  const Record* const record = record_of(self);
  if (record == nullptr || !tasks::done(*record) || !tasks::sole_owner(*record)) return nullptr;
  return has_nodes(*record) ? &runtime::run_of(*record) : nullptr;
}

template <class Visit>
int visit_arguments(GraphRun& run, Visit&& visit) {
  for (std::size_t i = 0; i < run.arguments; ++i) {
    auto& value = *reinterpret_cast<ArgumentValue*>(run.value(run.values().arguments[i].place));
    if (!value.owned) continue;
    if (const int answer = visit(value); answer != 0) return answer;
  }
  return 0;
}

template <class Visit>
int visit_results(GraphRun& run, Visit&& visit) {
  const bool in_trouble = run.trouble.load(sync::memory_order_relaxed) != 0;
  for (const graph::Plan::Values::Result& one : run.values().results) {
    if (in_trouble && run.place(one.node).cause.load(sync::memory_order_relaxed) != 0) continue;
    if (const int answer = visit(run.value(one.place)); answer != 0) return answer;
  }
  return 0;
}

int traverse(PyObject* self, visitproc visit, void* arg) {  // Py_VISIT wants these names
  GraphRun* const run = own_run(self);
  if (run == nullptr) return 0;
  for (const graph::CapturedRun::NodeFailure& failure : run->failures) {
    const PythonError* const error = python_error_in(failure.error);
    if (const int answer = error == nullptr ? 0 : error->traverse(visit, arg); answer != 0) return answer;
  }
  const int answer = visit_arguments(*run, [&](const ArgumentValue& value) { return visit(value.object, arg); });
  if (answer != 0) return answer;
  return visit_results(*run, [&](const std::byte* place) {
    PyObject* const result = python_result(place);
    return result == nullptr ? 0 : visit(result, arg);
  });
}

void finalize(PyObject* self) {
  GraphRun* const run = own_run(self);
  if (run == nullptr || run->failures.empty()) return;
  for (graph::CapturedRun::NodeFailure& failure : run->failures) {
    const PythonError* const error = python_error_in(failure.error);
    if (error == nullptr) continue;
    failure.error = std::make_exception_ptr(*error);
    failure.for_dependents = runtime::not_run_because(run->plan.name_of(failure.node), failure.error);
  }
  tasks::Rare& rare = *run->record->rare;
  rare.failure = runtime::errors_of(*run);
  rare.for_dependents = nullptr;
}

int clear(PyObject* self) {
  GraphRun* const run = own_run(self);
  if (run == nullptr) return 0;
  if (!run->failures.empty()) {
    const std::exception_ptr gone =
        std::make_exception_ptr(TaskCancelled("polyreme: the run was found unreachable, and is gone"));
    for (graph::CapturedRun::NodeFailure& failure : run->failures)
      failure.error = failure.for_dependents = gone;
    run->record->rare->failure = gone;
  }
  visit_results(*run, [](std::byte* place) {
    drop_python_result(place);
    return 0;
  });
  visit_arguments(*run, [](ArgumentValue& value) {
    value.owned = false;
    Py_DECREF(std::exchange(value.object, Py_None));
    return 0;
  });
  return 0;
}

// ---- the type

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Record* const record = std::exchange(reinterpret_cast<TaskObject*>(self)->record, nullptr);
  if (record != nullptr) detail::release(*record);
  PyObject_GC_Del(self);
}

PyObject* repr(PyObject* self) {
  const Record& record = *record_of(self);
  const std::string title =
      has_nodes(record) ? runtime::run_of(record).owner->title() : std::string("empty captured graph");
  return PyUnicode_FromFormat("<GraphRun #%llu of %s %s>", static_cast<unsigned long long>(record.id), title.c_str(),
                              state_text(record));
}

/// run[node]: the node's result, once the run is over.
PyObject* subscript(PyObject* self, PyObject* node) {
  if (!is_node(node)) {
    return PyErr_Format(PyExc_TypeError, "a run is asked for the result of a node, run[node], not of %R", node);
  }
  Record& record = *record_of(self);
  if (!has_nodes(record)) {
    return PyErr_Format(usage_error(), "polyreme: %R is no node of the empty graph of %R", node, self);
  }
  if (wait_for_task(record, -1) != Waited::kDone) return nullptr;
  try {
    const GraphHandleObject& handle = handle_in(node);
    static_cast<void>(detail::node_result(record, handle.reference));
    return value_object(handle.value, runtime::run_of(record).value(0));
  } catch (...) {
    return raise_current();
  }
}

PyMappingMethods mapping = [] {
  PyMappingMethods slots{};
  slots.mp_subscript = &subscript;
  return slots;
}();

}  // namespace

PyTypeObject graph_run_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.GraphRun";
  type.tp_basicsize = sizeof(TaskObject);
  type.tp_base = &task_type;
  type.tp_dealloc = &dealloc;
  type.tp_repr = &repr;
  type.tp_as_mapping = &mapping;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type.tp_traverse = &traverse;
  type.tp_clear = &clear;
  type.tp_finalize = &finalize;
  type.tp_doc =
      "A run of a captured graph, made by CapturedGraph.run and run_async: a task that is done when all nodes are. "
      "run[node] is the node's result in it.";
  return type;
}();

detail::NodeReference add_value(runtime::CapturedGraph& graph, PyObject* initial) {
  return detail::add_argument(graph, kValueOps, initial);
}

PyObject* run_graph(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return start(self, arguments, count, names, true);
}

PyObject* run_graph_async(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return start(self, arguments, count, names, false);
}

bool add_graph_run_type(PyObject* module) {
  return PyType_Ready(&graph_run_type) == 0 &&
         PyModule_AddObjectRef(module, "GraphRun", reinterpret_cast<PyObject*>(&graph_run_type)) == 0;
}

}  // namespace polyreme::python
