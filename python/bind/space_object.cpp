#include "space_object.hpp"

#include <polyreme/space.hpp>

#include "errors.hpp"
#include "free_threading.hpp"
#include "graph/space.hpp"
#include "interpreter.hpp"
#include "references.hpp"
#include "task_object.hpp"
#include "types.hpp"

#include <array>
#include <limits>
#include <new>

namespace polyreme::python {

namespace {

using State = std::shared_ptr<graph::SpaceState>;

/// Constant once made, as are slices; what the state points to has a lock of its own.
struct SpaceObject {
  PyObject_HEAD State state;
};

struct SliceObject {
  PyObject_HEAD PyObject* space;  ///< kept, so that it does not give its ids up
  std::array<graph::IndexRange, kMaxIndices> ranges;
  std::size_t rank;
};

SpaceObject* space_cast(PyObject* self) noexcept {
  return reinterpret_cast<SpaceObject*>(self);
}
SliceObject* slice_cast(PyObject* self) noexcept {
  return reinterpret_cast<SliceObject*>(self);
}

/// Where an open slice without a start begins. Half the range, so that differences do not overflow.
constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min() / 2;

/// One past every index must be a number, too.
constexpr std::int64_t kTooLarge = std::numeric_limits<std::int64_t>::max();

extern PyTypeObject space_type;
extern PyTypeObject slice_type;

void space_dealloc(PyObject* self) {
  // Nobody can name the ids any more: handles of ids and slices keep their space.
  space_cast(self)->state->clear();
  space_cast(self)->state.~State();
  PyObject_Free(self);
}

void slice_dealloc(PyObject* self) {
  Py_DECREF(slice_cast(self)->space);
  PyObject_Free(self);
}

PyObject* space_repr(PyObject* self) {
  return PyUnicode_FromFormat("<Space '%s'>", space_cast(self)->state->name().c_str());
}

PyObject* slice_repr(PyObject* self) {
  const SliceObject& slice = *slice_cast(self);
  std::string text = space_cast(slice.space)->state->name() + "[";
  for (std::size_t i = 0; i < slice.rank; ++i) {
    const graph::IndexRange& range = slice.ranges[i];
    if (i != 0) text += ", ";
    if (!range.open && range.stop == range.start + 1 && range.step == 1) {
      text += std::to_string(range.start);
      continue;
    }
    if (range.start != 0 && range.start != kLowest) text += std::to_string(range.start);
    text += ':';
    if (!range.open) text += std::to_string(range.stop);
    if (range.step != 1) text.append(":").append(std::to_string(range.step));
  }
  return PyUnicode_FromFormat("<slice %s]>", text.c_str());
}

/// An int as an index. False with an error set.
bool parse_index(PyObject* item, const graph::SpaceState& space, std::int64_t& index) {
  PyObject* number = PyNumber_Index(item);
  if (number == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
      PyErr_Format(PyExc_TypeError, "an index of space '%s' is an int or a slice of ints, not %R", space.name().c_str(),
                   item);
    }
    return false;
  }
  const long long value = PyLong_AsLongLong(number);
  Py_DECREF(number);
  if (value == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    PyErr_Format(PyExc_OverflowError, "index %R of space '%s' does not fit into 64 bits", item, space.name().c_str());
    return false;
  }
  index = value;
  return true;
}

bool parse_range(PyObject* item, const graph::SpaceState& space, graph::IndexRange& range) {
  if (!PySlice_Check(item)) {
    std::int64_t index = 0;
    if (!parse_index(item, space, index)) return false;
    if (index == kTooLarge) {
      PyErr_Format(PyExc_OverflowError, "index %R of space '%s' is too large", item, space.name().c_str());
      return false;
    }
    range = {index, index + 1, 1, false};
    return true;
  }
  const auto* slice = reinterpret_cast<const PySliceObject*>(item);
  range = {0, 0, 1, slice->stop == Py_None};
  if (slice->start != Py_None && !parse_index(slice->start, space, range.start)) return false;
  if (slice->stop != Py_None && !parse_index(slice->stop, space, range.stop)) return false;
  if (slice->step != Py_None && !parse_index(slice->step, space, range.step)) return false;
  if (range.step <= 0) {
    PyErr_Format(PyExc_ValueError, "step %R in a slice of space '%s'; steps are positive", slice->step,
                 space.name().c_str());
    return false;
  }
  // T[:n] begins at 0; an open slice with no start takes negative indices, too.
  if (range.open && slice->start == Py_None) range.start = kLowest;
  return true;
}

PyObject* task_at(PyObject* space, std::span<const std::int64_t> index) {
  try {
    return make_task(space_cast(space)->state->find_or_done(index), space);
  } catch (...) {
    return raise_current();
  }
}

PyObject* subscript(PyObject* self, PyObject* key) {
  const State& state = space_cast(self)->state;
  if (PyLong_CheckExact(key)) {
    int overflow = 0;
    const std::int64_t index = PyLong_AsLongLongAndOverflow(key, &overflow);
    if (overflow == 0 && index != kTooLarge) return task_at(self, {&index, 1});
  }
  PyObject* const* items = &key;
  std::size_t rank = 1;
  if (PyTuple_Check(key)) {
    items = &PyTuple_GET_ITEM(key, 0);
    rank = static_cast<std::size_t>(PyTuple_GET_SIZE(key));
  }
  if (rank == 0 || rank > kMaxIndices) {
    return PyErr_Format(PyExc_IndexError, "an id of space '%s' has 1 to %d indices, not %zu", state->name().c_str(),
                        static_cast<int>(kMaxIndices), rank);
  }
  std::array<graph::IndexRange, kMaxIndices> ranges;
  bool sliced = false;
  for (std::size_t i = 0; i < rank; ++i) {
    if (!parse_range(items[i], *state, ranges[i])) return nullptr;
    sliced = sliced || PySlice_Check(items[i]);
  }
  if (!sliced) {
    std::array<std::int64_t, kMaxIndices> index;
    for (std::size_t i = 0; i < rank; ++i)
      index[i] = ranges[i].start;
    return task_at(self, {index.data(), rank});
  }
  SliceObject* slice = PyObject_New(SliceObject, &slice_type);
  if (slice == nullptr) return nullptr;
  slice->space = Py_NewRef(self);
  slice->ranges = ranges;
  slice->rank = rank;
  return reinterpret_cast<PyObject*>(slice);
}

PyObject* no_iteration(PyObject* self) {
  return PyErr_Format(PyExc_TypeError, "%R has no end to iterate to; write [T[i] for i in range(n)] or use T[:n]",
                      self);
}

PyObject* get_space_name(PyObject* self, void* /*closure*/) {
  const std::string& name = space_cast(self)->state->name();
  return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
}

PyMappingMethods space_mapping = {nullptr, &subscript, nullptr};
PyGetSetDef space_properties[] = {{"name", &get_space_name, nullptr, "The name given to Runtime.space.", nullptr},
                                  {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyTypeObject space_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.Space";
  type.tp_basicsize = sizeof(SpaceObject);
  type.tp_dealloc = &space_dealloc;
  type.tp_repr = &space_repr;
  type.tp_as_mapping = &space_mapping;
  type.tp_iter = &no_iteration;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_getset = space_properties;
  type.tp_doc = "A family of task ids, usable before the tasks are spawned. Made by Runtime.space.";
  return type;
}();

PyTypeObject slice_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.Slice";
  type.tp_basicsize = sizeof(SliceObject);
  type.tp_dealloc = &slice_dealloc;
  type.tp_repr = &slice_repr;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc =
      "Several ids of a space, for `after=`. A bounded slice names ids, spawned or not; an open one those spawned.";
  return type;
}();

}  // namespace

bool add_space_types(PyObject* module) {
  return PyType_Ready(&space_type) == 0 && PyType_Ready(&slice_type) == 0 &&
         PyModule_AddObjectRef(module, "Space", reinterpret_cast<PyObject*>(&space_type)) == 0 &&
         PyModule_AddObjectRef(module, "Slice", reinterpret_cast<PyObject*>(&slice_type)) == 0;
}

PyObject* make_space(runtime::Engine& engine, PyObject* name) {
  if (!PyUnicode_Check(name)) return PyErr_Format(PyExc_TypeError, "the name of a space is a str, not %R", name);
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(name, &size);
  if (text == nullptr) return nullptr;
  try {
    State state = engine.make_space(std::string(text, static_cast<std::size_t>(size)));
    SpaceObject* object = PyObject_New(SpaceObject, &space_type);
    if (object == nullptr) return nullptr;
    ::new (&object->state) State(std::move(state));
    return reinterpret_cast<PyObject*>(object);
  } catch (...) {
    return raise_current();
  }
}

bool Dependencies::add(PyObject* item, int depth) {
  if (is_task(item)) {
    add_record(*record_of(item));
    return true;
  }
  if (Py_TYPE(item) == &space_type || Py_TYPE(item) == &slice_type) {
    const std::size_t first = owned_.size();
    try {
      if (Py_TYPE(item) == &space_type) {
        space_cast(item)->state->select_all(owned_);
      } else {
        const SliceObject& slice = *slice_cast(item);
        space_cast(slice.space)->state->select({slice.ranges.data(), slice.rank}, owned_);
      }
    } catch (...) {
      raise_current();
      return false;
    }
    for (std::size_t i = first; i < owned_.size(); ++i)
      add_record(*owned_[i]);
    return true;
  }
  constexpr int kDeepest = 32;
  const bool text = PyUnicode_Check(item) || PyBytes_Check(item);
  if (!text && depth < kDeepest && PyTuple_CheckExact(item)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(item); ++i) {
      if (!add(PyTuple_GET_ITEM(item, i), depth + 1)) return false;
    }
    return true;
  }
  if (!text && depth < kDeepest && PyList_CheckExact(item)) return add_list(item, depth);
  if (text || depth >= kDeepest) return refuse(item);
  return add_iterable(item, depth);
}

bool Dependencies::add_list(PyObject* list, int depth) {
  for (Py_ssize_t i = 0; true; ++i) {
    const Owned<> one = item_at(list, i);
    if (one == nullptr) return true;
    if (!add(one.get(), depth + 1)) return false;
    // Another thread may take it out of the list at any time.
    if (kFreeThreaded) keep_borrowed();
  }
}

bool Dependencies::add_iterable(PyObject* item, int depth) {
  // The iteration may run any code, which may drop the tasks that are borrowed so far …
  keep_borrowed();
  PyObject* iterator = PyObject_GetIter(item);
  if (iterator == nullptr) return PyErr_ExceptionMatches(PyExc_TypeError) != 0 && refuse(item);
  PyObject* list = PySequence_List(iterator);
  Py_DECREF(iterator);
  if (list == nullptr) return false;
  const bool added = add(list, depth + 1);
  // … and its items die with it.
  if (added) keep_borrowed();
  Py_DECREF(list);
  return added;
}

bool Dependencies::refuse(PyObject* item) {
  PyErr_Format(PyExc_TypeError, "after= takes tasks, slices, spaces and sequences of these, not %R", item);
  return false;
}

void Dependencies::keep_borrowed() {
  const std::span<tasks::Record* const> all = records();
  for (tasks::Record* record : all.subspan(kept_)) {
    detail::retain(*record);
    owned_.push_back(record);
  }
  kept_ = all.size();
}

}  // namespace polyreme::python
