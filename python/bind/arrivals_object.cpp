#include "arrivals_object.hpp"

#include "errors.hpp"
#include "references.hpp"
#include "runtime/arrivals.hpp"
#include "task_object.hpp"
#include "types.hpp"
#include "waiting.hpp"

#include <vector>

namespace polyreme::python {

namespace {

using runtime::Arrivals;
using tasks::Record;

/// Its caller keeps the tasks, in the same order.
struct ArrivalsObject {
  PyObject_HEAD Arrivals* arrivals;
};

Arrivals& arrivals_of(PyObject* self) noexcept {
  return *reinterpret_cast<ArrivalsObject*>(self)->arrivals;
}

PyObject* make(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  PyObject* given = nullptr;
  if (keywords != nullptr && PyDict_Size(keywords) != 0) {
    PyErr_SetString(PyExc_TypeError, "Arrivals() takes no keywords");
    return nullptr;
  }
  if (PyArg_ParseTuple(arguments, "O!:Arrivals", &PyTuple_Type, &given) == 0) return nullptr;
  try {
    std::vector<Record*> records;
    records.reserve(static_cast<std::size_t>(PyTuple_GET_SIZE(given)));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); ++i) {
      PyObject* const task = PyTuple_GET_ITEM(given, i);
      if (!is_task(task)) {
        PyErr_Format(PyExc_TypeError, "%R is no Task", task);
        return nullptr;
      }
      records.push_back(record_of(task));
      if (!tasks::done(*records.back())) check_owned(runtime::Engine::of(*records.back()));
    }
    PyObject* const self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    reinterpret_cast<ArrivalsObject*>(self)->arrivals = nullptr;
    Owned owned(self);
    reinterpret_cast<ArrivalsObject*>(self)->arrivals = Arrivals::of(records).release();
    return owned.release();
  } catch (...) {
    return raise_current();
  }
}

void dealloc(PyObject* self) {
  if (Arrivals* const arrivals = reinterpret_cast<ArrivalsObject*>(self)->arrivals; arrivals != nullptr)
    Arrivals::LetGo()(arrivals);
  Py_TYPE(self)->tp_free(self);
}

PyObject* take(PyObject* self, PyObject* timeout) {
  const std::int64_t timeout_ns = parse_timeout(timeout);
  if (timeout_ns == -2) return nullptr;
  Arrivals& arrivals = arrivals_of(self);
  for (;;) {
    if (const std::size_t at = arrivals.take(); at != Arrivals::kNone) return PyLong_FromSize_t(at);
    Record* const unfinished = arrivals.unfinished();
    if (unfinished == nullptr) {
      if (arrivals.any()) continue;
      return PyLong_FromLong(-1);
    }
    switch (wait_for_next(runtime::Engine::of(*unfinished), arrivals, timeout_ns)) {
      case Waited::kDone:
        break;
      case Waited::kTimeout:
        Py_RETURN_NONE;
      default:
        return nullptr;
    }
  }
}

PyMethodDef methods[] = {{"take", &take, METH_O,
                          "take($self, timeout, /)\n--\n\nReturn the place of the next task that has ended; None after "
                          "`timeout` seconds, -1 when all were taken."},
                         {nullptr, nullptr, 0, nullptr}};

PyTypeObject arrivals_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme._core.Arrivals";
  type.tp_basicsize = sizeof(ArrivalsObject);
  type.tp_new = &make;
  type.tp_dealloc = &dealloc;
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_doc = "Arrivals(tasks, /)\n--\n\nThe tasks of a tuple in the order in which they end.";
  type.tp_methods = methods;
  return type;
}();

}  // namespace

bool add_arrivals_type(PyObject* module) {
  return PyType_Ready(&arrivals_type) == 0 &&
         PyModule_AddObjectRef(module, "Arrivals", reinterpret_cast<PyObject*>(&arrivals_type)) == 0;
}

}  // namespace polyreme::python
