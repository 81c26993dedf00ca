#include "python_node.hpp"

#include "base/stored_pointer.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "task/record.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>

namespace polyreme::python {

namespace {

/// A call with arguments. Immutable.
struct PreparedCall {
  Py_ssize_t positional = 0;
  PyObject* names = nullptr;      ///< a tuple, or null: the last arguments go by these
  std::vector<PyObject*> values;  ///< null: a hole
  std::vector<Hole> holes;
};

/// The 32 bytes of a node.
struct PythonNode {
  PyObject* callable;
  const PreparedCall* call;  ///< null: without arguments
};

[[noreturn]] void raise_failure(const tasks::Record& run) {
  PythonError error = PythonError::fetch();
  if (tasks::cancel_requested(run) && error.is_cancellation()) {
    throw TaskCancelled("polyreme: stopped on request");
  }
  throw error;
}

[[noreturn]] void refuse_coroutine(PyObject* coroutine, const tasks::Record& run) {
  const Owned<> own(coroutine);
  const Owned<> closed(PyObject_CallMethod(coroutine, "close", nullptr));
  if (closed == nullptr) PyErr_Clear();
  PyErr_SetString(PyExc_TypeError,
                  "the body of a node returned a coroutine; nodes are ordinary functions, and the call of a coroutine "
                  "function is spawned as a task: rt.spawn(fn, ...)");
  raise_failure(run);
}

/// What the call has given becomes the node's result.
void keep_result(PyObject* value, std::byte* result, const tasks::Record& run) {
  if (value == nullptr) [[unlikely]]
    raise_failure(run);
  if (value == Py_None) {
    Py_DECREF(value);
    value = nullptr;
  } else if (PyCoro_CheckExact(value)) [[unlikely]] {
    refuse_coroutine(value, run);
  }
  base::store_pointer(result, value);
}

bool run_bare(const void* body, std::byte* /*values*/, std::byte* result, tasks::Record& run) {
  keep_result(PyObject_CallNoArgs(static_cast<const PythonNode*>(body)->callable), result, run);
  return true;
}

/// The arguments of one call: a copy with the holes filled.
class FilledArguments {
 public:
  explicit FilledArguments(const PreparedCall& call) : call_(call) {
    const std::size_t count = call.values.size();
    if (count > few_.size()) many_ = std::make_unique<PyObject*[]>(count);
    std::copy_n(call.values.data(), count, data());
  }
  FilledArguments(const FilledArguments&) = delete;
  FilledArguments& operator=(const FilledArguments&) = delete;
  ~FilledArguments() {
    for (std::size_t i = 0; i < filled_; ++i)
      Py_DECREF(data()[call_.holes[i].index]);
  }
  /// False with an error set.
  [[nodiscard]] bool fill(const std::byte* values) noexcept {
    for (const Hole& hole : call_.holes) {
      PyObject* const value = value_object(hole.value, values);
      if (value == nullptr) return false;
      data()[hole.index] = value;
      ++filled_;
    }
    return true;
  }
  [[nodiscard]] PyObject** data() noexcept { return many_ != nullptr ? many_.get() : few_.data(); }

 private:
  const PreparedCall& call_;
  std::size_t filled_ = 0;
  std::array<PyObject*, 8> few_;
  std::unique_ptr<PyObject*[]> many_;
};

PyObject* call_with_values(PyObject* callable, const PreparedCall& call, const std::byte* values) {
  FilledArguments arguments(call);
  if (!arguments.fill(values)) return nullptr;
  return PyObject_Vectorcall(callable, arguments.data(), static_cast<std::size_t>(call.positional), call.names);
}

bool run_prepared(const void* body, std::byte* values, std::byte* result, tasks::Record& run) {
  const PythonNode& node = *static_cast<const PythonNode*>(body);
  const PreparedCall& call = *node.call;
  keep_result(call.holes.empty() ? PyObject_Vectorcall(node.callable, call.values.data(),
                                                       static_cast<std::size_t>(call.positional), call.names)
                                 : call_with_values(node.callable, call, values),
              result, run);
  return true;
}

void destroy_prepared(void* body) noexcept {
  delete static_cast<PythonNode*>(body)->call;
}

void destroy_result(void* place) noexcept {
  drop_reference(python_result(static_cast<const std::byte*>(place)));
}

constexpr detail::NodeOps kBareOps{
    &run_bare, nullptr, nullptr, &destroy_result, &typeid(PyObject*), sizeof(PyObject*), detail::Domain::kInterpreter};
constexpr detail::NodeOps kPreparedOps{
    &run_prepared,      nullptr,           &destroy_prepared,           &destroy_result,
    &typeid(PyObject*), sizeof(PyObject*), detail::Domain::kInterpreter};

bool add_keywords(NodeBuilder& node, PyObject* given, PreparedCall& call) {
  const Owned<> keywords(PyDict_Copy(given));  // nobody else can change it
  Owned<> names(keywords == nullptr ? nullptr : PyTuple_New(PyDict_Size(keywords.get())));
  if (names == nullptr) return false;
  PyObject *key, *value;
  Py_ssize_t named = 0;
  for (Py_ssize_t at = 0; PyDict_Next(keywords.get(), &at, &key, &value) != 0; ++named) {
    if (!PyUnicode_Check(key)) {
      PyErr_Format(PyExc_TypeError, "the keys of kwargs= are names of parameters, not %R", key);
      return false;
    }
    PyTuple_SET_ITEM(names.get(), named, Py_NewRef(key));
    call.values.push_back(nullptr);
    if (!node.add_argument(value, call.values.size() - 1, call.holes, call.values.back())) return false;
  }
  call.names = names.get();
  node.kept.push_back(std::move(names));
  return true;
}

}  // namespace

bool build_python_node(NodeBuilder& node, PyObject* fn, PyObject* const* arguments, Py_ssize_t count,
                       PyObject* keywords) {
  node.keep(fn);
  node.value.kind = ValueKind::kObject;
  if (count == 0 && keywords == nullptr) {
    node.set_body(kBareOps, PythonNode{fn, nullptr});
    return true;
  }
  auto call = std::make_unique<PreparedCall>();
  call->positional = count;
  call->values.reserve(static_cast<std::size_t>(count));
  for (PyObject* const argument : std::span(arguments, static_cast<std::size_t>(count))) {
    call->values.push_back(nullptr);
    if (!node.add_argument(argument, call->values.size() - 1, call->holes, call->values.back())) return false;
  }
  if (keywords != nullptr && !add_keywords(node, keywords, *call)) return false;
  node.set_body(kPreparedOps, PythonNode{fn, call.release()});
  return true;
}

PyObject* python_result(const std::byte* place) noexcept {
  return base::stored_pointer<PyObject>(place);
}

void drop_python_result(std::byte* place) noexcept {
  PyObject* const value = python_result(place);
  base::store_pointer<PyObject>(place, nullptr);
  Py_XDECREF(value);
}

}  // namespace polyreme::python
