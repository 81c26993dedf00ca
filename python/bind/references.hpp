// References to Python objects: owned ones, and reads that give one. A borrowed reference is good only for as long as
// somebody else keeps the object, and on a free-threaded build another thread may stop doing so at any time: it may set
// a cell, a dict's item or a list's item while this one looks at it. So what is read from a mutable object is owned.
#pragma once

#include <Python.h>

#include <memory>

namespace polyreme::python {

struct DropReference {
  template <class Object>
  void operator()(Object* object) const noexcept {
    Py_DECREF(reinterpret_cast<PyObject*>(object));
  }
};
/// A reference that ends with the scope. Inside only.
template <class Object = PyObject>
using Owned = std::unique_ptr<Object, DropReference>;

/// An item of a dict. Null: it has none, or an error is set.
[[nodiscard]] inline Owned<> item_of(PyObject* dict, PyObject* key) noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject* value = nullptr;
  static_cast<void>(PyDict_GetItemRef(dict, key, &value));
  return Owned<>(value);
#else
  return Owned<>(Py_XNewRef(PyDict_GetItemWithError(dict, key)));
#endif
}

/// An item of a list. Null without an error set: the list has become shorter.
[[nodiscard]] inline Owned<> item_at(PyObject* list, Py_ssize_t at) noexcept {
#ifdef Py_GIL_DISABLED
  PyObject* const item = PyList_GetItemRef(list, at);
  if (item == nullptr) PyErr_Clear();
  return Owned<>(item);
#else
  return Owned<>(at < PyList_GET_SIZE(list) ? Py_NewRef(PyList_GET_ITEM(list, at)) : nullptr);
#endif
}

/// What a cell holds; null: nothing.
[[nodiscard]] inline Owned<> held_by(PyObject* cell) noexcept {
#ifdef Py_GIL_DISABLED
  return Owned<>(PyCell_Get(cell));
#else
  return Owned<>(Py_XNewRef(PyCell_GET(cell)));
#endif
}

}  // namespace polyreme::python
