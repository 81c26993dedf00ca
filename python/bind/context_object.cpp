#include "context_object.hpp"

#include <polyreme/errors.hpp>

#include "errors.hpp"
#include "runtime/threads.hpp"
#include "task/record.hpp"
#include "types.hpp"

namespace polyreme::python {

namespace {

using tasks::Record;

/// Never changes once it is made; holds a reference to the record.
struct ContextObject {
  PyObject_HEAD Record* record;
};

Record& record_in(PyObject* self) noexcept {
  return *reinterpret_cast<ContextObject*>(self)->record;
}

void dealloc(PyObject* self) {
  detail::release(record_in(self));
  PyObject_Free(self);
}

PyObject* get_cancelled(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(tasks::cancel_requested(record_in(self)) ? 1 : 0);
}

PyObject* get_name(PyObject* self, void* /*closure*/) {
  const std::string name = detail::name_of(record_in(self));
  return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
}

PyObject* raise_if_cancelled(PyObject* self, PyObject* /*unused*/) {
  if (!tasks::cancel_requested(record_in(self))) Py_RETURN_NONE;
  return raise(
      std::make_exception_ptr(TaskCancelled("polyreme: " + detail::name_of(record_in(self)) + " was asked to stop")));
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<Context of %s>", detail::name_of(record_in(self)).c_str());
}

PyMethodDef methods[] = {{"raise_if_cancelled", &raise_if_cancelled, METH_NOARGS,
                          "raise_if_cancelled($self)\n--\n\nRaise TaskCancelled if cancelled: a body that ends by it "
                          "counts as cancelled, not "
                          "as failed."},
                         {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {
    {"cancelled", &get_cancelled, nullptr, "True once somebody has called cancel() on the task.", nullptr},
    {"name", &get_name, nullptr, "The task's name or id, or a number.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyTypeObject context_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.Context";
  type.tp_basicsize = sizeof(ContextObject);
  type.tp_dealloc = &dealloc;
  type.tp_repr = &repr;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "What a body can ask of the task that it runs for; context() returns it.";
  type.tp_methods = methods;
  type.tp_getset = properties;
  return type;
}();

PyObject* context(PyObject* /*module*/, PyObject* /*unused*/) {
  Record* const record = runtime::this_thread.current;
  if (record == nullptr) {
    return raise(std::make_exception_ptr(UsageError("polyreme: context() outside the body of a task")));
  }
  ContextObject* object = PyObject_New(ContextObject, &context_type);
  if (object == nullptr) return nullptr;
  detail::retain(*record);
  object->record = record;
  return reinterpret_cast<PyObject*>(object);
}

PyMethodDef functions[] = {
    {"context", &context, METH_NOARGS,
     "context()\n--\n\nReturn the Context of the task whose body runs on this thread.\n\nRaises:\n    UsageError: none "
     "does."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool add_context_type(PyObject* module) {
  return PyType_Ready(&context_type) == 0 &&
         PyModule_AddObjectRef(module, "Context", reinterpret_cast<PyObject*>(&context_type)) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace polyreme::python
