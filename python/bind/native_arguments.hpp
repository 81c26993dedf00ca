// Python values as the arguments of a native function, and its result as a Python value.
#pragma once

#include "native_call.hpp"

#include <Python.h>

namespace polyreme::python {

/// One argument as the function gets it.
struct BoundArgument {
  Word word = 0;
  PyObject* kept = nullptr;  ///< what the word points into, or null; a reference of the holder's
};

/// Converts `value` for parameter `index` (from 0) of `function`, a str for messages. Arrays are whatever has the
/// buffer protocol: contiguous, of the element's type, and writable unless the parameter only reads. False with an
/// error set, which names the argument.
[[nodiscard]] bool bind_argument(PyObject* value, const Parameter& parameter, Py_ssize_t index, PyObject* function,
                                 BoundArgument& out) noexcept;

/// The same for the result of a native function, outside the interpreter too. False: it does not fit the parameter.
[[nodiscard]] bool convert_scalar(CType from, const void* value, CType to, Word& out) noexcept;

/// Writes the value that a call returned, in the bytes of its type. Not for kVoid.
void store_scalar(CType type, Word word, void* storage) noexcept;
/// New reference to the value in `storage` as a Python object, None for kVoid; null with an error set.
[[nodiscard]] PyObject* scalar_object(CType type, const void* storage) noexcept;

/// "float64", "const float64*".
[[nodiscard]] std::string text_of(const Parameter& parameter);

}  // namespace polyreme::python
