#include "scope_object.hpp"

#include <polyreme/errors.hpp>

#include "errors.hpp"
#include "free_threading.hpp"
#include "interpreter.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "runtime_object.hpp"
#include "task_object.hpp"
#include "types.hpp"
#include "waiting.hpp"

#include <optional>
#include <utility>

namespace polyreme::python {

namespace {

using runtime::Engine;
using runtime::ScopeState;
using runtime::Watching;
using tasks::Record;

struct ScopeObject {
  PyObject_HEAD PyObject* runtime;  ///< never changes
  bool cancel_on_error;             ///< never changes
  bool used;
  bool listed;                   ///< set when it is entered, for its owner: it is in the list of a thread, or body
  ScopeState* state;             ///< null before it is entered and after it was left
  detail::EnteredScope entered;  ///< in that list
};

ScopeObject& scope_in(PyObject* self) noexcept {
  return *reinterpret_cast<ScopeObject*>(self);
}

PyObject* refuse(const char* what) {
  return raise(std::make_exception_ptr(UsageError(std::string("polyreme: ") + what)));
}

/// For what can only be asked of a scope that is entered and not left.
PyObject* refuse_outside(PyObject* self) {
  return refuse(scope_in(self).used ? "the scope was left; open another one"
                                    : "the scope is not entered; use it in a with statement");
}

/// Keeps the scope from ending for the time of a call. Made and destroyed inside.
class Held {
 public:
  explicit Held(PyObject* self) {
    {
      const CriticalSection section(self);
      state_ = scope_in(self).state;
      if (state_ != nullptr) {
        watching_.emplace(*state_);
        state_->hold();
      }
    }
    if (state_ == nullptr) {
      static_cast<void>(refuse_outside(self));
    }
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (state_ != nullptr) state_->engine().leave_held(*state_);
  }
  /// Null: an error is set.
  [[nodiscard]] ScopeState* get() const noexcept { return state_; }

 private:
  ScopeState* state_ = nullptr;
  std::optional<Watching> watching_;  ///< while leave_held() looks, others may leave the scope and close the runtime
};

int init(PyObject* self, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"", "cancel_on_error", nullptr};
  PyObject* runtime = nullptr;
  int cancel_on_error = 0;
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|$p", const_cast<char**>(names), &runtime, &cancel_on_error) ==
          0 ||
      !check_runtime(runtime)) {
    return -1;
  }
  if (scope_in(self).runtime != nullptr) {
    PyErr_SetString(PyExc_TypeError, "a scope is made once");
    return -1;
  }
  scope_in(self).runtime = Py_NewRef(runtime);
  scope_in(self).cancel_on_error = cancel_on_error != 0;
  return 0;
}

/// True: it was before.
bool mark_used(PyObject* self) noexcept {
  const CriticalSection section(self);
  return std::exchange(scope_in(self).used, true);
}

/// enter(current): with `current`, what the calling thread spawns joins it from now on.
PyObject* enter(PyObject* self, PyObject* current) {
  ScopeObject& scope = scope_in(self);
  if (scope.runtime == nullptr) return refuse("a scope is made by Runtime.scope()");
  const EngineUse use(scope.runtime);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  if (mark_used(self)) return refuse("a scope is entered once; open another one");
  try {
    ScopeState& state = engine->open_scope(scope.cancel_on_error);
    scope.listed = current == Py_True;
    scope.entered.scope = &state;
    if (scope.listed) runtime::enter_scope(scope.entered);
    const CriticalSection section(self);
    scope.state = &state;
  } catch (...) {
    return raise_current();
  }
  return Py_NewRef(Py_NewRef(self));  // the list, or whoever is to leave the scope, has one, too
}

/// wait(timeout): True when it is over, False on timeout, null with an error set. Does not keep the scope from being
/// left by another thread, which reports what failed then, and may close the runtime.
PyObject* wait(PyObject* self, PyObject* timeout) {
  const std::int64_t timeout_ns = parse_timeout(timeout);
  if (timeout_ns == -2) return nullptr;
  ScopeState* state = nullptr;
  std::uint32_t use = 0;
  std::optional<Watching> watching;
  {
    const CriticalSection section(self);
    state = scope_in(self).state;
    if (state != nullptr) {
      use = state->use();
      watching.emplace(*state);
    }
  }
  if (state == nullptr) {
    return refuse_outside(self);
  }
  switch (wait_for_scope(state->engine(), *state, use, timeout_ns)) {
    case Waited::kError:
      return nullptr;
    case Waited::kTimeout:
      Py_RETURN_FALSE;
    default:
      break;
  }
  runtime::Failures failures;
  {
    const CriticalSection section(self);
    if (scope_in(self).state != nullptr) failures = state->take_failures();
  }
  if (!failures.roots.empty()) return raise_group(failures.roots, failures.cancelled);
  Py_RETURN_TRUE;
}

/// Failures other than the exception that leaves the block, which may be one of them.
runtime::Failures others_than(PyObject* error, runtime::Failures failures) {
  std::erase_if(failures.roots, [error](const Failure& failure) {
    const PythonError* const python = python_error_in(failure.error);
    return python != nullptr && python->is(error);
  });
  return failures;
}

/// check_innermost(): refuses to leave the scope while the thread is in one that it entered later, which is a part of
/// it: the wait would never end. The scope is given up then.
PyObject* check_innermost(PyObject* self, PyObject* /*unused*/) {
  ScopeObject& scope = scope_in(self);
  if (!scope.listed || runtime::this_thread.entered == &scope.entered || !runtime::leave_entered(scope.entered))
    Py_RETURN_NONE;
  ScopeState* state = nullptr;
  {
    const CriticalSection section(self);
    state = std::exchange(scope.state, nullptr);
  }
  if (state != nullptr) {
    state->engine().abandon_scope(*state);
    Py_DECREF(self);  // the list's
  }
  return refuse(
      "a scope is left while one that was entered in it is still open; leave the inner one first. Nobody waits for the "
      "tasks of the outer one now");
}

/// leave(error): ends the scope, when it is over. What it has not reported is raised; or, if `error` is not None and
/// leaves the block, reported by the scope around this one.
PyObject* leave(PyObject* self, PyObject* error) {
  ScopeObject& scope = scope_in(self);
  ScopeState* const state = scope.state;
  if (state == nullptr) return refuse("the scope was left before");
  if (scope.listed && !runtime::leave_entered(scope.entered))
    return refuse("a scope is left by the thread, or the body, that entered it");
  PyObject* answer = nullptr;
  bool waited = true;
  for (bool over = false; waited && !over;) {
    waited = wait_for_scope(state->engine(), *state, state->use(), -1) == Waited::kDone;
    const CriticalSection section(self);
    over = state->over();
    if (over || !waited) scope.state = nullptr;
  }
  if (waited) {
    const runtime::Failures failures = state->take_failures();
    if (error != Py_None) {
      state->add_failures(others_than(error, failures));
      answer = Py_NewRef(Py_None);
    } else {
      answer = failures.roots.empty() ? Py_NewRef(Py_None) : raise_group(failures.roots, failures.cancelled);
    }
    state->engine().close_scope(*state);
  } else {
    // Interrupted, or the wait could never end: what is left of it ends by itself.
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    state->engine().abandon_scope(*state);
    PyErr_Restore(type, value, traceback);
  }
  Py_DECREF(self);  // the list's
  return answer;
}

PyObject* is_over(PyObject* self, PyObject* /*unused*/) {
  const CriticalSection section(self);
  const ScopeState* const state = scope_in(self).state;
  return PyBool_FromLong(state == nullptr || state->over() ? 1 : 0);
}

/// end(): a task that is done once the scope is over.
PyObject* end(PyObject* self, PyObject* /*unused*/) {
  const Held held(self);
  if (held.get() == nullptr) return nullptr;
  try {
    Engine& engine = held.get()->engine();
    const EngineCall call;
    Record& record = engine.begin_spawn(runtime::kNothingToRun, {}, detail::Domain::kNative);
    record.flags |= tasks::kNotice;
    engine.commit_when_over(record, *held.get());
    return make_task(record, nullptr);
  } catch (...) {
    return raise_current();
  }
}

PyObject* cancel(PyObject* self, PyObject* /*unused*/) {
  const Held held(self);
  if (held.get() == nullptr) return nullptr;
  try {
    const EngineCall call;
    held.get()->engine().cancel_scope(*held.get());
  } catch (...) {
    return raise_current();
  }
  Py_RETURN_NONE;
}

/// Makes the scope current on the calling thread.
class Entry {
 public:
  explicit Entry(ScopeState& state) noexcept : entered_{&state, nullptr} { runtime::enter_scope(entered_); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() { static_cast<void>(runtime::leave_entered(entered_)); }

 private:
  detail::EnteredScope entered_;
};

PyObject* spawn(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  const Held held(self);
  if (held.get() == nullptr) return nullptr;
  const Entry entry(*held.get());
  PyObject* const method = PyObject_GetAttrString(scope_in(self).runtime, "spawn");
  if (method == nullptr) return nullptr;
  PyObject* const task = PyObject_Vectorcall(method, arguments, static_cast<std::size_t>(count), names);
  Py_DECREF(method);
  return task;
}

PyObject* get_cancelled(PyObject* self, void* /*closure*/) {
  const CriticalSection section(self);
  const ScopeState* const state = scope_in(self).state;
  return PyBool_FromLong(state != nullptr && state->cancelled() ? 1 : 0);
}

void dealloc(PyObject* self) {
  // An entered scope is in the list of its thread, which has a reference.
  PyObject_GC_UnTrack(self);
  Py_XDECREF(scope_in(self).runtime);
  Py_TYPE(self)->tp_free(self);
}

int traverse(PyObject* self, visitproc visit, void* arg) {  // Py_VISIT wants these names
  Py_VISIT(scope_in(self).runtime);
  return 0;
}

PyMethodDef methods[] = {
    {"spawn", method(&spawn), METH_FASTCALL | METH_KEYWORDS,
     "spawn($self, fn, /, *args, **options)\n--\n\nSpawn a task in this scope, from any thread; everything else as "
     "Runtime.spawn()."},
    {"cancel", &cancel, METH_NOARGS,
     "cancel($self)\n--\n\nCancel the tasks in it that have not started, at once, and ask bodies that run to stop; "
     "also "
     "what is spawned in it later."},
    {"_enter", &enter, METH_O, nullptr},
    {"_is_over", &is_over, METH_NOARGS, nullptr},
    {"_end", &end, METH_NOARGS, nullptr},
    {"_check_innermost", &check_innermost, METH_NOARGS, nullptr},
    {"_leave", &leave, METH_O, nullptr},
    {"_wait", &wait, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {{"cancelled", &get_cancelled, nullptr,
                             "True once it was cancelled: by cancel(), by a failure, or with a scope around it. False "
                             "again when it was left.",
                             nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyTypeObject scope_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme._core.Scope";
  type.tp_basicsize = sizeof(ScopeObject);
  type.tp_dealloc = &dealloc;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = "The compiled base of polyreme.Scope.";
  type.tp_traverse = &traverse;
  type.tp_methods = methods;
  type.tp_getset = properties;
  type.tp_init = &init;
  type.tp_new = &PyType_GenericNew;
  return type;
}();

}  // namespace

bool add_scope_type(PyObject* module) {
  return PyType_Ready(&scope_type) == 0 &&
         PyModule_AddObjectRef(module, "Scope", reinterpret_cast<PyObject*>(&scope_type)) == 0;
}

}  // namespace polyreme::python
