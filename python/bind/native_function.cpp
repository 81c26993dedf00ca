#include "native_function.hpp"

#include "errors.hpp"
#include "interpreter.hpp"
#include "native_arguments.hpp"
#include "types.hpp"

#include <string>
#include <vector>

namespace polyreme::python {

namespace {

struct NativeFunctionObject {
  PyObject_HEAD vectorcallfunc call;
  SharedCode* code;
  PyObject* name;
  std::int64_t stock;  ///< references to `code` besides one, taken for calls to come
};

extern PyTypeObject native_function_type;

NativeFunctionObject* cast(PyObject* self) noexcept {
  return reinterpret_cast<NativeFunctionObject*>(self);
}

/// A reference to the code for a call.
SharedCode& take_code(NativeFunctionObject& self) noexcept {
#ifdef Py_GIL_DISABLED
  self.code->take(1);
#else
  constexpr std::int64_t kStock = 1024;
  if (self.stock == 0) {
    self.code->take(kStock);
    self.stock = kStock;
  }
  --self.stock;
#endif
  return *self.code;
}

PyObject* call(PyObject* self, PyObject* const* arguments, std::size_t flagged, PyObject* names) {
  NativeFunctionObject& function = *cast(self);
  if (names != nullptr && PyTuple_GET_SIZE(names) != 0) {
    return PyErr_Format(PyExc_TypeError, "%U takes its arguments by position", function.name);
  }
  BoundCall bound;
  if (!bind_call(self, arguments, PyVectorcall_NARGS(flagged), bound)) return nullptr;
  if (bound.has_tasks()) {
    return PyErr_Format(PyExc_TypeError,
                        "%U(...) is a call, and one of its arguments a task; pass task.result(), or "
                        "spawn it: rt.spawn(%U, ...)",
                        function.name, function.name);
  }
  Word result = 0;
  {
    const Outside outside;
    result = bound.call();
  }
  Word storage = 0;
  const CType type = function.code->code().result();
  if (type != CType::kVoid) store_scalar(type, result, &storage);
  return scalar_object(type, &storage);
}

/// The text of item `index` of a tuple of str, read as a parameter. False with an error set.
bool read_parameter(PyObject* text, Parameter& out) {
  const char* const characters = PyUnicode_AsUTF8(text);
  if (characters == nullptr) return false;
  if (parse_parameter(characters, out)) return true;
  PyErr_Format(PyExc_ValueError, "%R is no type of a native function", text);
  return false;
}

/// NativeFunction(address, name, result, parameters, owner): made by polyreme.native().
PyObject* make(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  unsigned long long address = 0;
  PyObject *name, *result_text, *parameter_texts, *owner;
  static const char* const kNames[] = {"", "", "", "", "", nullptr};
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "KUUO!O", const_cast<char**>(kNames), &address, &name,
                                  &result_text, &PyTuple_Type, &parameter_texts, &owner) == 0) {
    return nullptr;
  }
  if (!NativeCode::kSupported) {
    PyErr_SetString(PyExc_NotImplementedError, "native functions are not supported on this kind of processor");
    return nullptr;
  }
  Parameter result;
  if (!read_parameter(result_text, result)) return nullptr;
  std::vector<Parameter> parameters(static_cast<std::size_t>(PyTuple_GET_SIZE(parameter_texts)));
  if (parameters.size() > kMaxParameters) {
    return PyErr_Format(PyExc_ValueError, "%U has %zu parameters; native functions have at most %zu", name,
                        parameters.size(), kMaxParameters);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    PyObject* const text = PyTuple_GET_ITEM(parameter_texts, static_cast<Py_ssize_t>(i));
    if (!read_parameter(text, parameters[i])) return nullptr;
    if (parameters[i].type == CType::kVoid) return PyErr_Format(PyExc_ValueError, "a parameter of %U is void", name);
  }
  if (address == 0) return PyErr_Format(PyExc_ValueError, "the address of %U is null", name);
  const char* const characters = PyUnicode_AsUTF8(name);
  if (characters == nullptr) return nullptr;
  auto* const self = reinterpret_cast<NativeFunctionObject*>(type->tp_alloc(type, 0));
  if (self == nullptr) return nullptr;
  self->call = &call;
  try {
    self->code = new SharedCode(NativeCode(address, result.type, std::move(parameters)), characters, owner);
  } catch (...) {
    Py_DECREF(self);
    return raise_current();
  }
  self->name = Py_NewRef(name);
  return reinterpret_cast<PyObject*>(self);
}

void dealloc(PyObject* self) {
  NativeFunctionObject& function = *cast(self);
  if (function.code != nullptr) function.code->drop(1 + function.stock);
  Py_XDECREF(function.name);
  Py_TYPE(self)->tp_free(self);
}

std::string signature_of(const NativeCode& code) {
  std::string text(code.result() == CType::kPointer ? "void*" : info_of(code.result()).name);
  const char* separator = "(";
  for (const Parameter& parameter : code.parameters()) {
    text += separator + text_of(parameter);
    separator = ", ";
  }
  return text + (code.parameters().empty() ? "()" : ")");
}

PyObject* repr(PyObject* self) {
  const NativeFunctionObject& function = *cast(self);
  return PyUnicode_FromFormat("<NativeFunction %U: %s>", function.name, signature_of(function.code->code()).c_str());
}

PyObject* get_name(PyObject* self, void* /*closure*/) {
  return Py_NewRef(cast(self)->name);
}

PyObject* get_signature(PyObject* self, void* /*closure*/) {
  return PyUnicode_FromString(signature_of(cast(self)->code->code()).c_str());
}

PyObject* get_address(PyObject* self, void* /*closure*/) {
  return PyLong_FromUnsignedLongLong(cast(self)->code->code().address());
}

PyGetSetDef properties[] = {{"__name__", &get_name, nullptr, nullptr, nullptr},
                            {"__qualname__", &get_name, nullptr, nullptr, nullptr},
                            {"signature", &get_signature, nullptr,
                             "The types of the result and the parameters: \"float64(int64, void*)\".", nullptr},
                            {"address", &get_address, nullptr, "Where the function is.", nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyTypeObject native_function_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.NativeFunction";
  type.tp_basicsize = sizeof(NativeFunctionObject);
  type.tp_dealloc = &dealloc;
  type.tp_repr = &repr;
  type.tp_call = &PyVectorcall_Call;
  type.tp_vectorcall_offset = offsetof(NativeFunctionObject, call);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
  type.tp_doc = "A C function as a body that needs no interpreter. Made by polyreme.native().";
  type.tp_getset = properties;
  type.tp_new = &make;
  return type;
}();

}  // namespace

bool is_native_function(PyObject* object) noexcept {
  return Py_TYPE(object) == &native_function_type;
}

const SharedCode& code_of(PyObject* function) noexcept {
  return *cast(function)->code;
}

PyObject* name_of_native(PyObject* function) noexcept {
  return cast(function)->name;
}

bool bind_call(PyObject* function, PyObject* const* arguments, Py_ssize_t count, BoundCall& out) noexcept {
  NativeFunctionObject& self = *cast(function);
  return out.bind(take_code(self), self.name, arguments, count);
}

bool add_native_function_type(PyObject* module) {
  return PyType_Ready(&native_function_type) == 0 &&
         PyModule_AddObjectRef(module, "NativeFunction", reinterpret_cast<PyObject*>(&native_function_type)) == 0;
}

}  // namespace polyreme::python
