#include "native_arguments.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace polyreme::python {

namespace {

/// Sets `type(message)`, with "argument 2 (float64*) of axpy" in front of the message. Returns false.
bool refuse(PyObject* type, const Parameter& parameter, Py_ssize_t index, PyObject* function, PyObject* message) {
  if (message == nullptr) return false;
  PyErr_Format(type, "argument %zd (%s) of %U %U", index + 1, text_of(parameter).c_str(), function, message);
  Py_DECREF(message);
  return false;
}

constexpr bool is_unsigned(CType type) noexcept {
  return type == CType::kUint8 || type == CType::kUint16 || type == CType::kUint32 || type == CType::kUint64;
}

constexpr bool is_integer(CType type) noexcept {
  return type >= CType::kInt8 && type <= CType::kUint64;
}

std::uint64_t largest(CType type) noexcept {
  const int bits = info_of(type).bytes * 8;
  return ~std::uint64_t{0} >> (64 - bits + (is_unsigned(type) ? 0 : 1));
}

/// An integer of 64 bits, of either sign, fits the type. Extended to 64 bits it is the word.
bool fits(CType type, bool negative, std::uint64_t bits) noexcept {
  if (!negative) return bits <= largest(type);
  return !is_unsigned(type) && ~bits <= largest(type);
}

Word float_word(double value) noexcept {
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

bool too_large_for_float(double value) noexcept {
  return std::isfinite(value) && !std::isfinite(static_cast<float>(value));
}

/// Reads a Python int. 1: done; 0: beyond 64 bits; -1: an error is set.
int read_integer(PyObject* integer, bool& negative, std::uint64_t& bits) noexcept {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (value == -1 && overflow == 0 && PyErr_Occurred() != nullptr) return -1;
  if (overflow == 0) {
    negative = value < 0;
    bits = static_cast<std::uint64_t>(value);
    return 1;
  }
  if (overflow < 0) return 0;
  bits = PyLong_AsUnsignedLongLong(integer);
  negative = false;
  if (bits == ~0ULL && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    return 0;
  }
  return 1;
}

bool bind_integer(PyObject* value, const Parameter& parameter, Py_ssize_t index, PyObject* function, Word& out) {
  PyObject* const integer = PyLong_Check(value) ? Py_NewRef(value) : PyNumber_Index(value);
  if (integer == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) return false;
    PyErr_Clear();
    return refuse(PyExc_TypeError, parameter, index, function, PyUnicode_FromFormat("is an int, not %R", value));
  }
  bool negative = false;
  const int read = read_integer(integer, negative, out);
  Py_DECREF(integer);
  if (read < 0) return false;
  if (read != 0 && fits(parameter.type, negative, out)) return true;
  return refuse(PyExc_OverflowError, parameter, index, function, PyUnicode_FromFormat("is out of range: %R", value));
}

bool bind_floating(PyObject* value, const Parameter& parameter, Py_ssize_t index, PyObject* function, Word& out) {
  const double number = PyFloat_CheckExact(value) ? PyFloat_AS_DOUBLE(value) : PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) return false;
    PyErr_Clear();
    return refuse(PyExc_TypeError, parameter, index, function, PyUnicode_FromFormat("is a number, not %R", value));
  }
  if (parameter.type == CType::kDouble) {
    out = std::bit_cast<Word>(number);
    return true;
  }
  if (too_large_for_float(number)) {
    return refuse(PyExc_OverflowError, parameter, index, function, PyUnicode_FromFormat("is out of range: %R", value));
  }
  out = float_word(number);
  return true;
}

bool bind_truth(PyObject* value, const Parameter& parameter, Py_ssize_t index, PyObject* function, Word& out) {
  const std::string_view name = Py_TYPE(value)->tp_name;
  if (!PyBool_Check(value) && name != "numpy.bool" && name != "numpy.bool_") {
    return refuse(PyExc_TypeError, parameter, index, function, PyUnicode_FromFormat("is True or False, not %R", value));
  }
  const int truth = PyObject_IsTrue(value);
  out = truth == 1 ? 1 : 0;
  return truth >= 0;
}

// ---- arrays

/// The C type of an element with this format (of the struct module) and size; kVoid: none of those here.
CType element_of(const char* format, Py_ssize_t bytes) noexcept {
  if (format == nullptr) return CType::kUint8;
  constexpr char kOtherOrder = std::endian::native == std::endian::little ? '>' : '<';
  if (*format == kOtherOrder || (*format == '!' && kOtherOrder == '>')) return CType::kVoid;
  if (*format == '@' || *format == '=' || *format == '<' || *format == '>' || *format == '!') ++format;
  if (format[0] == '\0' || format[1] != '\0') return CType::kVoid;
  const auto sized = [bytes](CType one) {
    const int log2 = std::countr_zero(static_cast<unsigned>(bytes));
    return static_cast<CType>(static_cast<int>(one) + 2 * log2);
  };
  switch (*format) {
    case '?':
      return CType::kBool;
    case 'c':
      return CType::kInt8;
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
    case 'n':
      return sized(CType::kInt8);
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'N':
      return sized(CType::kUint8);
    case 'f':
      return CType::kFloat;
    case 'd':
      return CType::kDouble;
    default:
      return CType::kVoid;
  }
}

/// An instance of one of ctypes' pointer types, which shows its own bytes as a buffer: its value is meant.
bool is_ctypes_pointer(const Py_buffer& view) noexcept {
  if (view.ndim != 0 || view.format == nullptr) return false;
  const char* format = view.format;
  if (*format == '<' || *format == '>' || *format == '@' || *format == '=') ++format;
  return *format == '&' || ((*format == 'P' || *format == 'z') && format[1] == '\0');
}

bool bind_buffer(const Py_buffer& view, PyObject* value, const Parameter& parameter, Py_ssize_t index,
                 PyObject* function, Word& out) {
  if (is_ctypes_pointer(view)) {
    std::memcpy(&out, view.buf, sizeof(void*));
    const char* const pointee = std::strchr(view.format, '&');
    if (parameter.element == CType::kVoid || pointee == nullptr) return true;
    // What it points to has a format of its own; its size follows from the type.
    if (element_of(pointee + 1, info_of(parameter.element).bytes) == parameter.element) return true;
    return refuse(PyExc_TypeError, parameter, index, function,
                  PyUnicode_FromFormat("cannot be %R, which points to something else", value));
  }
  if (PyBuffer_IsContiguous(&view, 'A') == 0) {
    return refuse(PyExc_ValueError, parameter, index, function,
                  PyUnicode_FromString("is an array that is not contiguous; pass a contiguous copy, such as "
                                       "numpy.ascontiguousarray(a) makes"));
  }
  if (parameter.element != CType::kVoid) {
    const CType element = element_of(view.format, view.itemsize);
    const bool bytes = info_of(parameter.element).bytes == 1 && info_of(element).bytes == 1 &&
                       parameter.element != CType::kBool && element != CType::kBool;
    if (element != parameter.element && !bytes) {
      const std::string is = element != CType::kVoid
                                 ? std::string(info_of(element).name)
                                 : "format '" + std::string(view.format != nullptr ? view.format : "") + "'";
      const std::string wanted(info_of(parameter.element).name);
      return refuse(PyExc_TypeError, parameter, index, function,
                    PyUnicode_FromFormat("is an array of %s, not %s; convert it first, as a.astype(\"%s\") does",
                                         wanted.c_str(), is.c_str(), wanted.c_str()));
    }
  }
  if (view.readonly != 0 && !parameter.read_only) {
    return refuse(PyExc_ValueError, parameter, index, function,
                  PyUnicode_FromString("is written by the function, but the array is read-only; pass a writable one, "
                                       "or say const in the signature if the function only reads it"));
  }
  out = reinterpret_cast<std::uintptr_t>(view.buf);
  return true;
}

bool bind_pointer(PyObject* value, const Parameter& parameter, Py_ssize_t index, PyObject* function,
                  BoundArgument& out) {
  if (value == Py_None) return true;
  if (PyLong_Check(value) && !PyBool_Check(value)) {
    const Parameter address{.type = CType::kUint64};
    if (bind_integer(value, address, index, function, out.word)) return true;
    return false;
  }
  if (PyObject_CheckBuffer(value) == 0) {
    return refuse(
        PyExc_TypeError, parameter, index, function,
        PyUnicode_FromFormat("is an array (anything with the buffer protocol), an address or None, not %R", value));
  }
  // The view holds the buffer where it is until the reference to the view is dropped.
  PyObject* const view = PyMemoryView_FromObject(value);
  if (view == nullptr) return false;
  if (!bind_buffer(*PyMemoryView_GET_BUFFER(view), value, parameter, index, function, out.word)) {
    Py_DECREF(view);
    return false;
  }
  out.kept = view;
  return true;
}

template <class Value>
Value read(const void* storage) noexcept {
  Value value;
  std::memcpy(&value, storage, sizeof(value));
  return value;
}

/// An integer, bool or pointer, extended to 64 bits.
Word read_word(CType type, const void* storage) noexcept {
  switch (type) {
    case CType::kInt8:
      return static_cast<Word>(read<std::int8_t>(storage));
    case CType::kInt16:
      return static_cast<Word>(read<std::int16_t>(storage));
    case CType::kInt32:
      return static_cast<Word>(read<std::int32_t>(storage));
    case CType::kBool:
    case CType::kUint8:
      return read<std::uint8_t>(storage);
    case CType::kUint16:
      return read<std::uint16_t>(storage);
    case CType::kUint32:
      return read<std::uint32_t>(storage);
    default:
      return read<Word>(storage);
  }
}

}  // namespace

std::string text_of(const Parameter& parameter) {
  if (parameter.type != CType::kPointer) return std::string(info_of(parameter.type).name);
  return (parameter.read_only ? "const " : "") + std::string(info_of(parameter.element).name) + "*";
}

bool bind_argument(PyObject* value, const Parameter& parameter, Py_ssize_t index, PyObject* function,
                   BoundArgument& out) noexcept {
  switch (parameter.type) {
    case CType::kPointer:
      return bind_pointer(value, parameter, index, function, out);
    case CType::kFloat:
    case CType::kDouble:
      return bind_floating(value, parameter, index, function, out.word);
    case CType::kBool:
      return bind_truth(value, parameter, index, function, out.word);
    default:
      return bind_integer(value, parameter, index, function, out.word);
  }
}

bool convert_scalar(CType from, const void* value, CType to, Word& out) noexcept {
  if (is_floating(from)) {
    const double number = from == CType::kDouble ? read<double>(value) : static_cast<double>(read<float>(value));
    if (to == CType::kDouble) out = std::bit_cast<Word>(number);
    if (to == CType::kFloat) out = float_word(number);
    return to == CType::kDouble || (to == CType::kFloat && !too_large_for_float(number));
  }
  const Word word = read_word(from, value);
  const bool negative = info_of(from).is_signed && static_cast<std::int64_t>(word) < 0;
  if (is_floating(to)) {
    if (from == CType::kPointer) return false;
    const double number = negative ? static_cast<double>(static_cast<std::int64_t>(word)) : static_cast<double>(word);
    out = to == CType::kDouble ? std::bit_cast<Word>(number) : float_word(number);
    return true;
  }
  out = word;
  if (to == CType::kPointer) return from == CType::kPointer || (is_integer(from) && !negative);
  if (to == CType::kBool) return from == CType::kBool;
  return fits(to, negative, word);
}

void store_scalar(CType type, Word word, void* storage) noexcept {
  if (type == CType::kBool) word = (word & 0xff) != 0 ? 1 : 0;
  static_assert(std::endian::native == std::endian::little, "a word's first bytes are its low ones");
  std::memcpy(storage, &word, sizeof(word));
}

PyObject* scalar_object(CType type, const void* storage) noexcept {
  switch (type) {
    case CType::kVoid:
      Py_RETURN_NONE;
    case CType::kBool:
      return PyBool_FromLong(static_cast<long>(read_word(type, storage)));
    case CType::kFloat:
      return PyFloat_FromDouble(static_cast<double>(read<float>(storage)));
    case CType::kDouble:
      return PyFloat_FromDouble(read<double>(storage));
    case CType::kInt8:
    case CType::kInt16:
    case CType::kInt32:
    case CType::kInt64:
      return PyLong_FromLongLong(static_cast<long long>(read_word(type, storage)));
    default:
      return PyLong_FromUnsignedLongLong(read_word(type, storage));
  }
}

}  // namespace polyreme::python
