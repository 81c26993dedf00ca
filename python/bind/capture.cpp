#include "capture.hpp"

#include "free_threading.hpp"
#include "references.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace polyreme::python {

namespace {

struct State {
  InsideMutex mutex;
  /// By address: hashing a code object costs as much as a spawn. Both sides are owned, so an address means one code for
  /// ever. Guarded by the mutex.
  std::unordered_map<PyObject*, PyObject*> analyses;
  /// Dict subclass whose missing keys are looked up in the function's own globals. Set once, before the first analysis.
  std::atomic<PyObject*> overlay_type{nullptr};
};

/// What this thread looked up last, by where the code's address says. Its own, so without a lock.
struct RecentAnalysis {
  PyObject* code = nullptr;
  PyObject* analysis = nullptr;
};
constexpr std::size_t kRecentAnalyses = 16;
constinit thread_local std::array<RecentAnalysis, kRecentAnalyses> recent_analyses{};

/// The members of an analysis, each a tuple of str; see polyreme._capture.analyse.
enum Analysis : Py_ssize_t { kGlobalsRead, kReadByClasses, kCellsAssigned, kGlobalsAssigned, kFreeVariables };

PyObject* names_of(PyObject* analysis, Analysis which) noexcept {
  return PyTuple_GET_ITEM(analysis, which);
}

State& state() noexcept {
  static auto* const instance = new State;  // never destroyed: Python objects outlive static destructors
  return *instance;
}

/// Keys that the interpreter reads from a function's globals without asking __missing__.
constexpr std::array<const char*, 6> kModuleKeys{"__builtins__", "__name__", "__package__",
                                                 "__spec__",     "__file__", "__path__"};
/// The same as str. Filled when the module is made, constant afterwards.
std::array<PyObject*, kModuleKeys.size()> module_keys{};

bool capturable(PyObject* value, int depth = 0) noexcept {
  if (PyLong_CheckExact(value) || PyFloat_CheckExact(value) || PyBool_Check(value) || PyUnicode_CheckExact(value) ||
      PyBytes_CheckExact(value)) {
    return true;
  }
  constexpr int kDeepest = 8;
  if (!PyTuple_CheckExact(value) || depth == kDeepest) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
    if (!capturable(PyTuple_GET_ITEM(value, i), depth + 1)) return false;
  }
  return true;
}

/// Finds out what `code` names. New reference; null with an error set.
PyObject* analyse(PyObject* code) {
  PyObject* module = PyImport_ImportModule("polyreme._capture");
  if (module == nullptr) return nullptr;
  std::atomic<PyObject*>& overlay_type = state().overlay_type;
  // Whoever is second stores the same type: the reference that is lost is to one that lives as long as the module.
  if (overlay_type.load(std::memory_order_relaxed) == nullptr) {
    overlay_type.store(PyObject_GetAttrString(module, "Overlay"), std::memory_order_release);
  }
  PyObject* analysis = overlay_type.load(std::memory_order_relaxed) == nullptr
                           ? nullptr
                           : PyObject_CallMethod(module, "analyse", "O", code);
  Py_DECREF(module);
  return analysis;
}

/// Borrowed from the table; null with an error set.
PyObject* look_up(PyObject* code) {
  State& known = state();
  {
    const std::lock_guard lock(known.mutex);
    if (const auto found = known.analyses.find(code); found != known.analyses.end()) return found->second;
  }
  Owned<> analysis(analyse(code));
  if (analysis == nullptr) return nullptr;
  const std::lock_guard lock(known.mutex);
  // Another thread may have been here as well: then its analysis stays, and this one, declared before the lock, goes.
  const auto [place, added] = known.analyses.emplace(code, analysis.get());
  if (!added) return place->second;
  Py_INCREF(code);
  return analysis.release();
}

/// Borrowed for ever; null with an error set.
PyObject* analysis_of(PyObject* code) {
  RecentAnalysis& recent = recent_analyses[reinterpret_cast<std::uintptr_t>(code) / 64 % kRecentAnalyses];
  if (code == recent.code) return recent.analysis;
  PyObject* analysis = look_up(code);
  if (analysis != nullptr) recent = {code, analysis};
  return analysis;
}

bool refuse_assignment(PyObject* function, PyObject* name) {
  PyErr_Format(
      PyExc_ValueError,
      "%R assigns %R, which a task captures by value, so that the assignment would be lost; return the value, or "
      "say capture=\"reference\" to share the variable",
      function, name);
  return false;
}

/// New cells with what the old ones hold. A cell that is still empty stays shared: it may be filled before the task
/// runs.
bool copy_closure(PyObject* function, PyObject* names, PyObject* own_name, Captured& out, PyObject*& closure) {
  PyObject* old = PyFunction_GetClosure(function);
  if (old == nullptr) {
    closure = nullptr;
    return true;
  }
  const Py_ssize_t count = PyTuple_GET_SIZE(old);
  closure = PyTuple_New(count);
  if (closure == nullptr) return false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* cell = PyTuple_GET_ITEM(old, i);
    const bool is_self = PyUnicode_Compare(PyTuple_GET_ITEM(names, i), own_name) == 0;
    const Owned<> value = is_self ? nullptr : held_by(cell);
    PyObject* fresh = is_self || value != nullptr ? PyCell_New(value.get()) : Py_NewRef(cell);
    if (fresh == nullptr) {
      Py_CLEAR(closure);
      return false;
    }
    if (is_self) out.own_cell = fresh;
    PyTuple_SET_ITEM(closure, i, fresh);
  }
  return true;
}

/// A body that assigns a captured global, or any global beside captured ones (it would go to the overlay), is refused.
bool refuse_global_assignment(PyObject* function, PyObject* globals, PyObject* assigned, PyObject* captured) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(assigned); ++i) {
    PyObject* name = PyTuple_GET_ITEM(assigned, i);
    const Owned<> value = item_of(globals, name);
    if (value == nullptr && PyErr_Occurred() != nullptr) return false;
    if (value != nullptr && capturable(value.get())) return refuse_assignment(function, name);
  }
  if (captured == nullptr || PyTuple_GET_SIZE(assigned) == 0) return true;
  PyErr_Format(PyExc_ValueError,
               "%R assigns the global %R and reads %R, which a task captures by value; return the value, or say "
               "capture=\"reference\" to share all variables",
               function, PyTuple_GET_ITEM(assigned, 0), captured);
  return false;
}

/// Puts the values that `names` have in `globals` into `overlay`.
bool keep_names(PyObject* overlay, PyObject* globals, PyObject* names) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    const Owned<> value = item_of(globals, name);
    if (value == nullptr && PyErr_Occurred() != nullptr) return false;
    if (value != nullptr && PyDict_SetItem(overlay, name, value.get()) < 0) return false;
  }
  return true;
}

/// A new overlay with what the interpreter must find in it; the captured names come later.
PyObject* new_overlay(PyObject* globals, PyObject* analysis) {
  PyObject* overlay = PyObject_CallOneArg(state().overlay_type.load(std::memory_order_acquire), globals);
  if (overlay == nullptr) return nullptr;
  for (PyObject* key : module_keys) {
    const Owned<> kept = item_of(globals, key);
    if (kept != nullptr ? PyDict_SetItem(overlay, key, kept.get()) < 0 : PyErr_Occurred() != nullptr) {
      Py_DECREF(overlay);
      return nullptr;
    }
  }
  // A class body looks names up without asking __missing__, so it sees them as they are now.
  if (!keep_names(overlay, globals, names_of(analysis, kReadByClasses))) Py_CLEAR(overlay);
  return overlay;
}

/// An overlay over the function's globals if the body names any that are captured; else null and true.
bool overlay_globals(PyObject* function, PyObject* analysis, PyObject* own_name, Captured& out, PyObject*& overlay) {
  overlay = nullptr;
  PyObject* globals = PyFunction_GetGlobals(function);
  PyObject* read = names_of(analysis, kGlobalsRead);
  PyObject* captured = nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(read); ++i) {
    PyObject* name = PyTuple_GET_ITEM(read, i);
    const bool is_self = out.own_cell == nullptr && PyUnicode_Compare(name, own_name) == 0;
    const Owned<> value = is_self ? nullptr : item_of(globals, name);
    if (!is_self && value == nullptr && PyErr_Occurred() != nullptr) return false;
    if (!is_self && (value == nullptr || !capturable(value.get()))) continue;
    captured = name;
    if (overlay == nullptr) {
      overlay = new_overlay(globals, analysis);
      if (overlay == nullptr) return false;
    }
    if (is_self) {
      out.own_globals = overlay;
    } else if (PyDict_SetItem(overlay, name, value.get()) < 0) {
      return false;
    }
  }
  PyObject* assigned = names_of(analysis, kGlobalsAssigned);
  return PyTuple_GET_SIZE(assigned) == 0 || refuse_global_assignment(function, globals, assigned, captured);
}

PyObject* copy_function(PyObject* function, PyObject* globals, PyObject* closure) {
  PyObject* copy = PyFunction_NewWithQualName(PyFunction_GetCode(function), globals,
                                              reinterpret_cast<PyFunctionObject*>(function)->func_qualname);
  if (copy == nullptr) return nullptr;
  PyObject* defaults = PyFunction_GetDefaults(function);
  PyObject* keyword_defaults = PyFunction_GetKwDefaults(function);
  if ((closure != nullptr && PyFunction_SetClosure(copy, closure) < 0) ||
      (defaults != nullptr && PyFunction_SetDefaults(copy, defaults) < 0) ||
      (keyword_defaults != nullptr && PyFunction_SetKwDefaults(copy, keyword_defaults) < 0)) {
    Py_DECREF(copy);
    return nullptr;
  }
  return copy;
}

}  // namespace

bool prepare_captures() {
  for (std::size_t i = 0; i < kModuleKeys.size(); ++i) {
    if (module_keys[i] == nullptr) module_keys[i] = PyUnicode_InternFromString(kModuleKeys[i]);
    if (module_keys[i] == nullptr) return false;
  }
  return true;
}

bool capture_by_value(PyObject* function, Captured& out) {
  PyObject* analysis = analysis_of(PyFunction_GetCode(function));
  if (analysis == nullptr) return false;
  PyObject* assigned = names_of(analysis, kCellsAssigned);
  if (PyTuple_GET_SIZE(assigned) != 0) return refuse_assignment(function, PyTuple_GET_ITEM(assigned, 0));
  out.own_name = reinterpret_cast<PyFunctionObject*>(function)->func_name;
  PyObject* closure = nullptr;
  PyObject* overlay = nullptr;
  bool copied = copy_closure(function, names_of(analysis, kFreeVariables), out.own_name, out, closure) &&
                overlay_globals(function, analysis, out.own_name, out, overlay);
  if (copied) {
    if (closure == nullptr && overlay == nullptr) {
      out.function = Py_NewRef(function);
    } else {
      out.function = copy_function(function, overlay != nullptr ? overlay : PyFunction_GetGlobals(function), closure);
      copied = out.function != nullptr;
    }
  }
  Py_XDECREF(closure);
  Py_XDECREF(overlay);
  return copied;
}

bool bind_self(const Captured& captured, PyObject* handle) {
  if (captured.own_cell != nullptr) return PyCell_Set(captured.own_cell, handle) == 0;
  if (captured.own_globals != nullptr) return PyDict_SetItem(captured.own_globals, captured.own_name, handle) == 0;
  return true;
}

}  // namespace polyreme::python
