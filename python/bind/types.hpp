// What type objects are made of.
#pragma once

#include <Python.h>

namespace polyreme::python {

/// A type object to be filled in. It is never freed, and on interpreters that know such objects counting references to
/// it costs nothing, however many threads do so.
[[nodiscard]] inline PyTypeObject blank_type() noexcept {
  PyTypeObject type{};
  type.ob_base = PyVarObject{PyObject_HEAD_INIT(nullptr) 0};
  return type;
}

/// A function of any calling convention, as a table of methods takes it; the flags beside it say which.
template <class Function>
[[nodiscard]] PyCFunction method(Function* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace polyreme::python
