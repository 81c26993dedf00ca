#include "runtime_object.hpp"

#include "capture.hpp"
#include "captured_graph.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "space_object.hpp"
#include "spawn.hpp"
#include "task/record.hpp"
#include "task_object.hpp"
#include "types.hpp"
#include "waiting.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace polyreme::python {

namespace {

using runtime::Engine;

/// Who closes the runtime, one thread at a time.
struct Closing {
  std::mutex mutex;                   ///< see lock_closing()
  std::atomic<std::thread::id> by{};  ///< the thread that holds the mutex and is in close()
};

/// Any thread inside may be in any call of one object; on a free-threaded build at the same time as others. The
/// allocation is zeroed, which is how every member begins.
///
/// A call counts itself in `users` before it looks at `engine`, and the thread that closes is counted too when it moves
/// the engine to `retired`: so the count falls to 0 only once everybody who saw the engine has left, and whoever lets
/// it fall takes `retired` away. Who comes later finds no engine. All changes of `users` are acquire and release, as
/// the next one to count must see what those before did to the other members.
struct RuntimeObject {
  PyObject_HEAD std::atomic<Engine*> engine;  ///< null before open() and after close(); see above
  std::atomic<Engine*> retired;               ///< closed, and some call on another thread has not left it yet
  std::atomic<int> users;                     ///< calls that are in `engine` or `retired`
  Closing* closing;                           ///< the object owns it; set before `engine` is, then constant
  std::atomic<bool> used;                     ///< taken by the one open() that may go on
  std::atomic<std::uint64_t> serial;          ///< of the engine, also once that is gone; set before `engine` is
};

RuntimeObject* cast(PyObject* self) noexcept {
  return reinterpret_cast<RuntimeObject*>(self);
}

/// In the child of a fork, whose engine this is stays open for ever, and is never touched.
bool stayed_in_parent(PyObject* self) noexcept {
  return cast(self)->engine.load(std::memory_order_relaxed) != nullptr &&
         runtime::stayed_in_parent(cast(self)->serial.load(std::memory_order_relaxed));
}

/// The open engine, or null with an error set. For callers who are counted in `users`.
Engine* engine_of(PyObject* self) {
  Engine* engine = cast(self)->engine.load(std::memory_order_acquire);
  if (engine == nullptr || runtime::stayed_in_parent(engine->serial())) [[unlikely]] {
    const RuntimeClosed error =
        engine != nullptr ? runtime::belongs_to_parent()
        : cast(self)->used.load(std::memory_order_relaxed)
            ? RuntimeClosed("polyreme: the runtime is closed; open another one")
            : RuntimeClosed("polyreme: the runtime is not open; call Runtime.__init__ from your subclass");
    static_cast<void>(raise(std::make_exception_ptr(error)));
    return nullptr;
  }
  return engine;
}

/// Held by a thread that closes the runtime, or that keeps it from being closed. Others come in while this waits for
/// it. Throws UsageError on the thread that closes it, where a destructor or a callback may have brought the call.
std::unique_lock<std::mutex> lock_closing(PyObject* self) {
  Closing& closing = *cast(self)->closing;
  if (closing.by.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    throw UsageError("polyreme: this thread is closing the runtime already, and cannot wait for itself to do so");
  }
  std::unique_lock alone(closing.mutex, std::try_to_lock);
  if (!alone) {
    const Outside outside;
    alone.lock();
  }
  return alone;
}

/// Calls self._warn(text) from any thread.
void warn_in_python(PyObject* self, const std::string& text) {
  const bool was_inside = inside();
  if (!was_inside) interpreter().enter();
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyObject* answer = PyObject_CallMethod(self, "_warn", "s", text.c_str());
  if (answer == nullptr) PyErr_WriteUnraisable(self);
  Py_XDECREF(answer);
  PyErr_Restore(type, value, traceback);
  if (!was_inside) interpreter().leave();
}

PyObject* open(PyObject* self, PyObject* arguments) {
  unsigned int workers = 0;
  int pin = 0;
  double stall_warning = 10.0;
  unsigned int max_ready = 0;
  int grow = 0;
  PyObject* seed = nullptr;
  if (PyArg_ParseTuple(arguments, "IpdIpO", &workers, &pin, &stall_warning, &max_ready, &grow, &seed) == 0) {
    return nullptr;
  }
  const unsigned long long seed_value = seed == Py_None ? 0 : PyLong_AsUnsignedLongLong(seed);
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (cast(self)->used.exchange(true, std::memory_order_relaxed)) {
    PyErr_SetString(PyExc_RuntimeError, "polyreme: this runtime was opened before; make another one");
    return nullptr;
  }
  try {
    runtime::EngineOptions options;
    options.workers = workers;
    options.pin = pin != 0;
    options.stall_warning_s = stall_warning;
    if (max_ready != 0) options.max_ready = max_ready;
    if (grow != 0) options.max_ready = runtime::kUnlimited;
    if (seed != Py_None) options.seed = seed_value;
    options.interpreter = &interpreter();
    // With a reference: a wait for one task may go on, and warn, after the runtime was closed and dropped.
    const std::shared_ptr<PyObject> owner(Py_NewRef(self), &drop_reference);
    options.warn = [owner](const std::string& text) { warn_in_python(owner.get(), text); };
    auto closing = std::make_unique<Closing>();
    Engine* const engine = Engine::open(std::move(options));
    cast(self)->closing = closing.release();
    cast(self)->serial.store(engine->serial(), std::memory_order_relaxed);
    cast(self)->engine.store(engine, std::memory_order_release);
  } catch (...) {
    cast(self)->used.store(false, std::memory_order_relaxed);
    return raise_current();
  }
  Py_RETURN_NONE;
}

/// The time in which this thread, which holds the mutex, closes the engine.
class ClosingHere {
 public:
  explicit ClosingHere(Closing& closing) : closing_(closing) {
    closing_.by.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  ClosingHere(const ClosingHere&) = delete;
  ClosingHere& operator=(const ClosingHere&) = delete;
  ~ClosingHere() { closing_.by.store({}, std::memory_order_relaxed); }

 private:
  Closing& closing_;
};

UsageError body_cannot_close() {
  return UsageError("polyreme: a body cannot close the runtime that runs it; return, and close it outside");
}

PyObject* close(PyObject* self, PyObject* cancel) {
  if (cast(self)->engine.load(std::memory_order_relaxed) == nullptr || stayed_in_parent(self)) Py_RETURN_NONE;
  const int cancelling = PyObject_IsTrue(cancel);
  if (cancelling < 0) return nullptr;
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  try {
    if (runtime::holds_slot_of(*engine)) throw body_cannot_close();
    if (cancelling != 0) engine->cancel_unstarted();
    const std::unique_lock alone = lock_closing(self);
    if (cast(self)->engine.load(std::memory_order_relaxed) == nullptr) Py_RETURN_NONE;
    const ClosingHere here(*cast(self)->closing);
    close_engine(*engine);
    cast(self)->retired.store(engine, std::memory_order_relaxed);
    cast(self)->engine.store(nullptr, std::memory_order_release);
  } catch (...) {
    return raise_current();
  }
  Py_RETURN_NONE;
}

PyObject* spawn_method(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "spawn() needs a callable: rt.spawn(fn, *args, after=..., id=..., name=...)");
    return nullptr;
  }
  SpawnKeywords keywords;
  if (names != nullptr && !parse_keywords(arguments + count, names, "spawn", false, keywords)) return nullptr;
  return spawn(*engine, arguments[0], arguments + 1, count - 1, keywords, current_site());
}

// ---- the decorator

/// What @rt.task(...) returns: called with the function, it spawns. Constant once made, but for `called`.
struct DecoratorObject {
  PyObject_HEAD vectorcallfunc call;
  PyObject* runtime;
  PyObject* arguments;  ///< tuple
  PyObject* id;
  PyObject* after;
  PyObject* name;
  PyObject* keywords;
  SpawnTraits traits;
  bool by_reference;
  std::atomic<bool> called;
};

extern PyTypeObject decorator_type;

DecoratorObject* decorator_cast(PyObject* self) noexcept {
  return reinterpret_cast<DecoratorObject*>(self);
}

/// A decorator that never met a function has spawned nothing, which its program hardly meant.
void warn_unused(const DecoratorObject& decorator) noexcept {
  if (decorator.called.load(std::memory_order_relaxed) || PyErr_Occurred() != nullptr) return;
  const int warned = PyErr_WarnEx(PyExc_RuntimeWarning,
                                  "polyreme: rt.task(...) decorated nothing, so that nothing was spawned; to call a "
                                  "function as a task, use rt.spawn(fn, *args)",
                                  1);
  if (warned < 0) PyErr_WriteUnraisable(decorator.runtime);
}

void decorator_dealloc(PyObject* self) {
  DecoratorObject& decorator = *decorator_cast(self);
  warn_unused(decorator);
  Py_DECREF(decorator.runtime);
  Py_XDECREF(decorator.arguments);
  Py_XDECREF(decorator.id);
  Py_XDECREF(decorator.after);
  Py_XDECREF(decorator.name);
  Py_XDECREF(decorator.keywords);
  PyObject_Free(self);
}

bool bind_captured(void* captured, PyObject* handle) {
  const Captured& body = *static_cast<const Captured*>(captured);
  if (body.own_cell != nullptr || body.own_globals != nullptr) watch_cycles(handle);
  return bind_self(body, handle);
}

PyObject* spawn_decorated(Engine& engine, PyObject* function, PyObject* const* arguments, Py_ssize_t count,
                          const SpawnKeywords& keywords, bool by_reference) {
  const SpawnSite* site = current_site();
  if (by_reference || !PyFunction_Check(function)) {
    return spawn(engine, function, arguments, count, keywords, site);
  }
  Captured captured;
  if (!capture_by_value(function, captured)) return nullptr;
  PyObject* handle = spawn(engine, captured.function, arguments, count, keywords, site, &bind_captured, &captured);
  Py_DECREF(captured.function);
  return handle;
}

PyObject* decorator_call(PyObject* self, PyObject* const* arguments, std::size_t flagged, PyObject* names) {
  if (PyVectorcall_NARGS(flagged) != 1 || (names != nullptr && PyTuple_GET_SIZE(names) != 0)) {
    PyErr_SetString(PyExc_TypeError, "@rt.task(...) decorates one function; to call one, use rt.spawn(fn, *args)");
    return nullptr;
  }
  DecoratorObject& decorator = *decorator_cast(self);
  decorator.called.store(true, std::memory_order_relaxed);
  const EngineUse use(decorator.runtime);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  const SpawnKeywords keywords{decorator.id,       decorator.after, decorator.name,
                               decorator.keywords, nullptr,         decorator.traits};
  const Py_ssize_t count = decorator.arguments == nullptr ? 0 : PyTuple_GET_SIZE(decorator.arguments);
  PyObject* const* items = count == 0 ? nullptr : &PyTuple_GET_ITEM(decorator.arguments, 0);
  return spawn_decorated(*engine, arguments[0], items, count, keywords, decorator.by_reference);
}

PyTypeObject decorator_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme.TaskDecorator";
  type.tp_basicsize = sizeof(DecoratorObject);
  type.tp_dealloc = &decorator_dealloc;
  type.tp_call = &PyVectorcall_Call;
  type.tp_vectorcall_offset = offsetof(DecoratorObject, call);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
  type.tp_doc = "Spawns the function that it decorates; the function's name becomes the task.";
  return type;
}();

bool parse_capture(PyObject* capture, bool& by_reference) {
  by_reference = false;
  if (capture == nullptr) return true;
  if (PyUnicode_Check(capture)) {
    by_reference = PyUnicode_CompareWithASCIIString(capture, "reference") == 0;
    if (by_reference || PyUnicode_CompareWithASCIIString(capture, "value") == 0) return true;
  }
  PyErr_Format(PyExc_ValueError, "capture=%R; it is \"value\" (the default) or \"reference\"", capture);
  return false;
}

PyObject* task_method(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  if (count > 0 && PyCallable_Check(arguments[0]) != 0) {
    // @rt.task without parentheses.
    if (count == 1 && names == nullptr) return spawn_decorated(*engine, arguments[0], nullptr, 0, {}, false);
    return PyErr_Format(PyExc_TypeError,
                        "task() decorates a function, and its first argument is an id, not the callable %R; to call "
                        "that as a task, use rt.spawn(fn, *args, ...); to give it to the body, say None for the id: "
                        "@rt.task(None, fn, ...)",
                        arguments[0]);
  }
  SpawnKeywords keywords;
  if (names != nullptr && !parse_keywords(arguments + count, names, "task", true, keywords)) return nullptr;
  bool by_reference = false;
  if (!parse_capture(keywords.capture, by_reference)) return nullptr;
  PyObject* id = nullptr;
  if (count > 0 && (arguments[0] == Py_None || is_id(arguments[0]))) {
    id = arguments[0] == Py_None ? nullptr : arguments[0];
    ++arguments;
    --count;
  }
  PyObject* tuple = nullptr;
  if (count > 0) {
    tuple = PyTuple_New(count);
    if (tuple == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < count; ++i)
      PyTuple_SET_ITEM(tuple, i, Py_NewRef(arguments[i]));
  }
  DecoratorObject* decorator = PyObject_New(DecoratorObject, &decorator_type);
  if (decorator == nullptr) {
    Py_XDECREF(tuple);
    return nullptr;
  }
  decorator->call = &decorator_call;
  decorator->runtime = Py_NewRef(self);
  decorator->arguments = tuple;
  decorator->id = Py_XNewRef(id);
  decorator->after = Py_XNewRef(keywords.after);
  decorator->name = Py_XNewRef(keywords.name);
  decorator->keywords = Py_XNewRef(keywords.keywords);
  decorator->traits = keywords.traits;
  decorator->by_reference = by_reference;
  ::new (&decorator->called) std::atomic<bool>(false);
  return reinterpret_cast<PyObject*>(decorator);
}

// ---- everything else

PyObject* space_method(PyObject* self, PyObject* name) {
  const EngineUse use(self);
  return use.get() == nullptr ? nullptr : make_space(*use.get(), name);
}

PyObject* capture_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  static const char* const kNames[] = {"name", nullptr};
  PyObject* name = Py_None;
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:capture", const_cast<char**>(kNames), &name) == 0) {
    return nullptr;
  }
  return make_captured_graph(self, name);
}

/// wait(timeout, report): True when all tasks are done, False on timeout.
PyObject* wait_method(PyObject* self, PyObject* arguments) {
  PyObject* timeout = nullptr;
  int report = 0;
  if (PyArg_ParseTuple(arguments, "Op", &timeout, &report) == 0) return nullptr;
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  const std::int64_t timeout_ns = parse_timeout(timeout);
  if (timeout_ns == -2) return nullptr;
  switch (wait_for_all(*engine, timeout_ns)) {
    case Waited::kError:
      return nullptr;
    case Waited::kTimeout:
      Py_RETURN_FALSE;
    default:
      break;
  }
  if (report != 0) {
    const runtime::Failures failures = engine->take_failures();
    if (!failures.roots.empty()) return raise_group(failures.roots, failures.cancelled);
  }
  Py_RETURN_TRUE;
}

/// Raises what bodies have raised since the last wait, as _wait() does; returns None if there is nothing.
PyObject* report_method(PyObject* self, PyObject* /*unused*/) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  const runtime::Failures failures = engine->take_failures();
  if (!failures.roots.empty()) return raise_group(failures.roots, failures.cancelled);
  Py_RETURN_NONE;
}

PyObject* step_method(PyObject* self, PyObject* /*unused*/) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  try {
    const EngineCall call;
    return PyBool_FromLong(engine->step() ? 1 : 0);
  } catch (...) {
    return raise_current();
  }
}

PyObject* producer_method(PyObject* self, PyObject* enter) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  try {
    if (enter == Py_True) {
      engine->add_producer();
    } else {
      engine->remove_producer();
    }
  } catch (...) {
    return raise_current();
  }
  Py_RETURN_NONE;
}

PyObject* stats_dict(const Engine::Stats& stats) {
  PyObject* by_slot = PyTuple_New(static_cast<Py_ssize_t>(stats.ready_by_slot.size()));
  if (by_slot == nullptr) return nullptr;
  for (std::size_t i = 0; i < stats.ready_by_slot.size(); ++i) {
    PyObject* number = PyLong_FromUnsignedLongLong(stats.ready_by_slot[i]);
    if (number == nullptr) {
      Py_DECREF(by_slot);
      return nullptr;
    }
    PyTuple_SET_ITEM(by_slot, static_cast<Py_ssize_t>(i), number);
  }
  const auto wide = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  return Py_BuildValue("{sKsKsKsKsIsIsIsKsNsKsKsKsK}", "spawned", wide(stats.spawned), "completed",
                       wide(stats.completed), "steals", wide(stats.steals), "live_blocks", wide(stats.live_blocks),
                       "workers", stats.workers, "threads", stats.threads, "free_slots", stats.free_slots, "ready",
                       wide(stats.ready), "ready_by_slot", by_slot, "parks", wide(stats.parks), "wakes",
                       wide(stats.wakes), "interpreter_enters", wide(stats.interpreter_enters), "interpreter_wait_ns",
                       wide(stats.interpreter_wait_ns));
}

PyObject* stats_method(PyObject* self, PyObject* /*unused*/) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  try {
    return stats_dict(engine->stats());
  } catch (...) {
    return raise_current();
  }
}

PyObject* trace_method(PyObject* self, PyObject* path) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  try {
    const EngineCall call;
    if (path == Py_None) {
      engine->start_trace();
      Py_RETURN_NONE;
    }
    PyObject* encoded = PyUnicode_EncodeFSDefault(path);
    if (encoded == nullptr) return nullptr;
    const std::string file(PyBytes_AS_STRING(encoded), static_cast<std::size_t>(PyBytes_GET_SIZE(encoded)));
    Py_DECREF(encoded);
    engine->write_trace(file);
  } catch (...) {
    return raise_current();
  }
  Py_RETURN_NONE;
}

PyObject* cancel_method(PyObject* self, PyObject* /*unused*/) {
  const EngineUse use(self);
  Engine* const engine = use.get();
  if (engine == nullptr) return nullptr;
  if (runtime::holds_slot_of(*engine)) return raise(std::make_exception_ptr(body_cannot_close()));
  engine->cancel_unstarted();
  Py_RETURN_NONE;
}

PyObject* get_closed(PyObject* self, void* /*closure*/) {
  const bool open = cast(self)->engine.load(std::memory_order_relaxed) != nullptr && !stayed_in_parent(self);
  return PyBool_FromLong(open ? 0 : 1);
}

PyObject* get_workers(PyObject* self, void* /*closure*/) {
  const EngineUse use(self);
  return use.get() == nullptr ? nullptr : PyLong_FromUnsignedLong(use.get()->workers());
}

void dealloc(PyObject* self) {
  // An open engine holds a reference, and so does every call in it.
  POLYREME_CHECK(cast(self)->engine == nullptr && cast(self)->retired == nullptr);
  delete cast(self)->closing;
  Py_TYPE(self)->tp_free(self);
}

PyMethodDef methods[] = {
    {"spawn", method(&spawn_method), METH_FASTCALL | METH_KEYWORDS,
     "spawn($self, fn, /, *args, after=None, id=None, name=None, priority=0, cores=1, retries=0, backoff=0.0, "
     "kwargs=None)\n--\n\n"
     "Spawn the call fn(*args, **kwargs) as a task and return its handle.\n\n"
     "A task among the arguments is a dependency and arrives as its result. The function runs as it is: nothing is\n"
     "captured.\n\n"
     "Args:\n    after: tasks, slices, spaces, or nested sequences of these, which must be done first.\n"
     "    id: an entry of a space, such as T[3], that the task becomes.\n    name: for messages and traces.\n"
     "    retries: how often a body that raises an Exception runs again, with the same arguments.\n"
     "    backoff: seconds before the first of these, in which no slot is held; twice that before the next, and so "
     "on.\n"
     "    kwargs: keyword arguments for fn.\n\n"
     "Raises:\n    TypeError: something is not of the kind it must be; the message names it.\n"
     "    DuplicateIdError: the id was spawned before.\n    CycleError: the task would depend on itself.\n"
     "    RuntimeClosedError: the runtime is closed."},
    {"task", method(&task_method), METH_FASTCALL | METH_KEYWORDS,
     "task($self, id=None, /, *args, after=None, name=None, priority=0, cores=1, retries=0, backoff=0.0, kwargs=None, "
     "capture='value')\n--\n\n"
     "Spawn the decorated function as a task; its name becomes the handle.\n\n"
     "Closure variables, and module globals that the body names and that hold an int, float, bool, str, bytes or a "
     "tuple\n"
     "of these, are captured as they are now; capture='reference' shares them instead. The body's own name is its "
     "task.\n"
     "Arguments and errors otherwise as for spawn(). A callable that is the only argument is spawned, as by a plain\n"
     "@rt.task; one that is to be the body's first argument needs None, for no id, before it.\n\n"
     "Raises:\n    ValueError: the body assigns a captured variable."},
    {"space", &space_method, METH_O,
     "space($self, name, /)\n--\n\nMake a space of task ids. The name is for messages."},
    {"capture", method(&capture_method), METH_VARARGS | METH_KEYWORDS,
     "capture($self, name=None)\n--\n\nMake a captured graph: nodes that are made once and run again and again. Its "
     "`with` block ends the capture. The name is for messages.\n\nRaises:\n    RuntimeClosedError: the runtime is "
     "closed."},
    {"stats", &stats_method, METH_NOARGS,
     "stats($self)\n--\n\nReturn a snapshot of what the runtime has done and has to do.\n\n"
     "Counts since it was opened: spawned, completed, steals, parks, wakes, interpreter_enters, interpreter_wait_ns.\n"
     "What is there now: ready, ready_by_slot, free_slots, live_blocks, workers, threads."},
    {"_open", &open, METH_VARARGS, nullptr},
    {"_close", &close, METH_O, nullptr},
    {"_wait", &wait_method, METH_VARARGS, nullptr},
    {"_report", &report_method, METH_NOARGS, nullptr},
    {"_step", &step_method, METH_NOARGS, nullptr},
    {"_producer", &producer_method, METH_O, nullptr},
    {"_trace", &trace_method, METH_O, nullptr},
    {"_cancel_unstarted", &cancel_method, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {
    {"closed", &get_closed, nullptr, "True before the runtime is open and after it was closed.", nullptr},
    {"workers", &get_workers, nullptr, "The number of slots: bodies that run at a time.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyTypeObject runtime_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "polyreme._core.Runtime";
  type.tp_basicsize = sizeof(RuntimeObject);
  type.tp_dealloc = &dealloc;
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  type.tp_doc = "The compiled base of polyreme.Runtime.";
  type.tp_methods = methods;
  type.tp_getset = properties;
  type.tp_new = &PyType_GenericNew;
  return type;
}();

}  // namespace

bool check_runtime(PyObject* object) {
  if (PyObject_TypeCheck(object, &runtime_type) != 0) return true;
  PyErr_Format(PyExc_TypeError, "%R is no polyreme.Runtime", object);
  return false;
}

EngineUse::EngineUse(PyObject* runtime) : runtime_(runtime) {
  cast(runtime_)->users.fetch_add(1, std::memory_order_acq_rel);
  engine_ = engine_of(runtime_);
}

EngineUse::~EngineUse() {
  RuntimeObject& object = *cast(runtime_);
  if (object.users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (object.retired.load(std::memory_order_relaxed) == nullptr) [[likely]]
    return;
  if (Engine* const last = object.retired.exchange(nullptr, std::memory_order_relaxed); last != nullptr) {
    Engine::bury(last);
  }
}

std::unique_lock<std::mutex> EngineUse::keep_open() const {
  std::unique_lock open = lock_closing(runtime_);
  if (engine_of(runtime_) == nullptr) open.unlock();
  return open;
}

bool add_runtime_type(PyObject* module) {
  return PyType_Ready(&decorator_type) == 0 && PyType_Ready(&runtime_type) == 0 &&
         PyModule_AddObjectRef(module, "Runtime", reinterpret_cast<PyObject*>(&runtime_type)) == 0;
}

}  // namespace polyreme::python
