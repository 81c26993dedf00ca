#include "spawn.hpp"

#include "body.hpp"
#include "errors.hpp"
#include "free_threading.hpp"
#include "interpreter.hpp"
#include "native_body.hpp"
#include "native_function.hpp"
#include "references.hpp"
#include "task/record.hpp"
#include "task_object.hpp"

#include <array>
#include <deque>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace polyreme::python {

namespace {

struct Place {
  PyCodeObject* code;
  int instruction;
  bool operator==(const Place&) const = default;
};

struct PlaceHash {
  std::size_t operator()(const Place& place) const noexcept {
    return reinterpret_cast<std::uintptr_t>(place.code) * 31 + static_cast<std::size_t>(place.instruction);
  }
};

/// Places seen so far. Code objects in it are kept alive, so that an address means one code for ever.
struct Places {
  InsideMutex mutex;                                             ///< guards both:
  std::unordered_map<Place, const SpawnSite*, PlaceHash> known;  ///< owns its code objects
  std::deque<SpawnSite> sites;                                   ///< never shrinks
};

Places& places() {
  static auto* const instance = new Places;
  return *instance;
}

/// Some places that this thread came by last, each where its hash says. Its own, so without a lock.
struct RecentPlace {
  Place place{nullptr, 0};
  const SpawnSite* site = nullptr;
};
constexpr std::size_t kRecentPlaces = 16;
constinit thread_local std::array<RecentPlace, kRecentPlaces> recent_places{};

/// The site of `place`, of which the caller gives a reference to the code away.
const SpawnSite* site_of(const Place& place, PyFrameObject* frame) {
  Places& all = places();
  {
    const std::lock_guard lock(all.mutex);
    if (const auto found = all.known.find(place); found != all.known.end()) {
      Py_DECREF(place.code);  // no last one: the table has another
      return found->second;
    }
  }
  const char* file = PyUnicode_AsUTF8(place.code->co_filename);
  if (file == nullptr) PyErr_Clear();
  SpawnSite site(file == nullptr ? "?" : file, static_cast<std::uint32_t>(PyFrame_GetLineNumber(frame)));
  const std::lock_guard lock(all.mutex);
  // Another thread may have been here as well; its site is as good, and the second reference does no harm.
  const SpawnSite*& known = all.known[place];
  if (known == nullptr) known = &all.sites.emplace_back(std::move(site));
  return known;
}

bool keyword_is(PyObject* name, const char* text) {
  return PyUnicode_CompareWithASCIIString(name, text) == 0;
}

PyObject* given(PyObject* value) noexcept {
  return value == Py_None ? nullptr : value;
}

/// A copy of the body's keyword arguments: they go by value, as all others. Null: there are none, or an error is set.
PyObject* copied(PyObject* keywords) noexcept {
  return keywords == nullptr || PyDict_Size(keywords) == 0 ? nullptr : PyDict_Copy(keywords);
}

/// The characters of a str, or null data with an error set. They live as long as the str.
std::string_view text_of(PyObject* text) noexcept {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text, &size);
  return {data, data == nullptr ? 0 : static_cast<std::size_t>(size)};
}

/// The name that a task gets, which lives as long as `owner` and the keywords; null data: none. False with an error
/// set.
bool spawn_name(const SpawnKeywords& keywords, PyObject* fn, bool tracing, std::string_view& name, Owned<>& owner) {
  if (keywords.name != nullptr) {
    if (!PyUnicode_Check(keywords.name)) {
      PyErr_Format(PyExc_TypeError, "name= is a str, not %R", keywords.name);
      return false;
    }
    name = text_of(keywords.name);
    return name.data() != nullptr;
  }
  if (!tracing) return true;
  // A trace shows functions by name; without one, names are looked up only for error messages.
  owner.reset(PyObject_GetAttrString(fn, "__qualname__"));
  if (owner != nullptr && PyUnicode_Check(owner.get())) name = text_of(owner.get());
  PyErr_Clear();
  return true;
}

/// The function that a call of `fn` runs, behind bound methods and partial calls; else `fn`. Borrowed from `fn`.
PyObject* innermost(PyObject* fn) noexcept {
  constexpr int kDeepest = 8;
  for (int depth = 0; depth < kDeepest && !PyFunction_Check(fn); ++depth) {
    if (PyMethod_Check(fn)) {
      fn = PyMethod_Function(fn);
      continue;
    }
    if (std::string_view(Py_TYPE(fn)->tp_name) != "functools.partial") break;
    PyObject* inner = PyObject_GetAttrString(fn, "func");
    if (inner == nullptr) {
      PyErr_Clear();
      break;
    }
    Py_DECREF(inner);  // the partial call keeps it
    fn = inner;
  }
  return fn;
}

bool bind_native(PyObject* fn, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords, BoundCall& out) {
  if (keywords == nullptr) return bind_call(fn, arguments, count, out);
  PyErr_Format(PyExc_TypeError, "%R takes its arguments by position, not as kwargs=", fn);
  return false;
}

}  // namespace

bool check_function(PyObject* fn, bool& makes_coroutine) noexcept {
  makes_coroutine = false;
  PyObject* const function = innermost(fn);
  if (!PyFunction_Check(function)) return true;
  constexpr int kSuspending = CO_COROUTINE | CO_ASYNC_GENERATOR | CO_GENERATOR;
  const auto& object = *reinterpret_cast<const PyFunctionObject*>(function);
  const int flags = reinterpret_cast<const PyCodeObject*>(object.func_code)->co_flags;
  if ((flags & kSuspending) == 0) [[likely]]
    return true;
  if ((flags & CO_COROUTINE) != 0) {
    makes_coroutine = true;
    return true;
  }
  PyObject* const name = object.func_qualname;
  if ((flags & CO_ITERABLE_COROUTINE) != 0) {
    PyErr_Format(PyExc_TypeError,
                 "%U is a generator made a coroutine by types.coroutine, which cannot be a body; spawn an async def "
                 "function",
                 name);
  } else if ((flags & CO_ASYNC_GENERATOR) != 0) {
    PyErr_Format(PyExc_TypeError,
                 "%U is an async generator function, of which a call runs nothing; spawn an ordinary function that "
                 "goes through it in an event loop of its own, with asyncio.run()",
                 name);
  } else {
    PyErr_Format(PyExc_TypeError,
                 "%U is a generator function, of which a call runs nothing; spawn an ordinary function that goes "
                 "through it, such as one that returns list(%U(...))",
                 name, name);
  }
  return false;
}

const SpawnSite* current_site() {
  PyFrameObject* frame = PyEval_GetFrame();
  if (frame == nullptr) return nullptr;
  PyCodeObject* code = PyFrame_GetCode(frame);
  const Place place{code, PyFrame_GetLasti(frame)};
  RecentPlace& recent = recent_places[PlaceHash{}(place) / 2 % kRecentPlaces];
  if (place == recent.place) {
    Py_DECREF(code);  // the table has one
    return recent.site;
  }
  recent.site = site_of(place, frame);
  recent.place = place;
  return recent.site;
}

bool parse_priority(PyObject* value, int& out) {
  int overflow = 0;
  const long number = PyLong_CheckExact(value) ? PyLong_AsLongAndOverflow(value, &overflow) : 2;
  if (overflow != 0 || number < -1 || number > 1) {
    PyErr_Format(PyExc_ValueError, "priority=%R; it is -1, 0 or 1", value);
    return false;
  }
  out = static_cast<int>(number);
  return true;
}

bool parse_cores(PyObject* value, std::uint32_t& out) {
  if (!PyLong_CheckExact(value)) {
    PyErr_Format(PyExc_TypeError, "cores=%R; it is an int from 1 to the runtime's number of workers", value);
    return false;
  }
  int overflow = 0;
  const long number = PyLong_AsLongAndOverflow(value, &overflow);
  if (overflow != 0 || number < 1 || number > std::numeric_limits<int>::max()) {
    PyErr_Format(PyExc_ValueError, "cores=%R; it is an int from 1 to the runtime's number of workers", value);
    return false;
  }
  out = static_cast<std::uint32_t>(number);
  return true;
}

bool parse_retries(PyObject* value, std::int64_t& out) {
  int overflow = 0;
  const long number = PyLong_CheckExact(value) ? PyLong_AsLongAndOverflow(value, &overflow) : -1;
  if (overflow != 0 || number < 0 || number > std::numeric_limits<std::int32_t>::max()) {
    PyErr_Format(PyExc_ValueError, "retries=%R; it is how often a body that raises runs again, an int from 0", value);
    return false;
  }
  out = number;
  return true;
}

bool parse_backoff(PyObject* value, std::int64_t& out_ns) {
  const double seconds = PyFloat_Check(value) || PyLong_CheckExact(value) ? PyFloat_AsDouble(value) : -1.0;
  constexpr double kLongest = 86400.0;
  if (!(seconds >= 0.0 && seconds <= kLongest)) {
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "backoff=%R; it is a number of seconds from 0 to 86400, the pause before a retry",
                 value);
    return false;
  }
  out_ns = static_cast<std::int64_t>(seconds * 1e9);
  return true;
}

bool parse_keywords(PyObject* const* values, PyObject* names, const char* function, bool is_decorator,
                    SpawnKeywords& out) {
  const Py_ssize_t count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    PyObject* value = given(values[i]);
    if (keyword_is(name, "after")) {
      out.after = value;
    } else if (!is_decorator && keyword_is(name, "id")) {
      out.id = value;
    } else if (keyword_is(name, "name")) {
      out.name = value;
    } else if (keyword_is(name, "kwargs")) {
      out.keywords = value;
    } else if (keyword_is(name, "priority")) {
      if (value != nullptr && !parse_priority(value, out.traits.priority)) return false;
    } else if (keyword_is(name, "cores")) {
      if (value != nullptr && !parse_cores(value, out.traits.cores)) return false;
    } else if (keyword_is(name, "retries")) {
      if (value != nullptr && !parse_retries(value, out.traits.retries)) return false;
    } else if (keyword_is(name, "backoff")) {
      if (value != nullptr && !parse_backoff(value, out.traits.backoff_ns)) return false;
    } else if (is_decorator && keyword_is(name, "capture")) {
      out.capture = value;
    } else {
      PyErr_Format(PyExc_TypeError,
                   "%s() got an unexpected keyword argument %R; it takes after, name, priority, cores, retries, "
                   "backoff, kwargs%s",
                   function, name,
                   is_decorator ? " and capture (the id comes first)" : " and id (for the body: kwargs={...})");
      return false;
    }
  }
  if (out.keywords != nullptr && PyDict_Check(out.keywords) == 0) {
    PyErr_Format(PyExc_TypeError, "kwargs= is a dict of keyword arguments for the body, not %R", out.keywords);
    return false;
  }
  return true;
}

PyObject* spawn(runtime::Engine& engine, PyObject* fn, PyObject* const* arguments, Py_ssize_t count,
                const SpawnKeywords& keywords, const SpawnSite* site, BeforeCommit before_commit, void* self) {
  const bool is_native = is_native_function(fn);
  if (!is_native && PyCallable_Check(fn) == 0) {
    return PyErr_Format(PyExc_TypeError, "a task's body must be callable, not %R", fn);
  }
  bool makes_coroutine = false;
  if (!is_native && !check_function(fn, makes_coroutine)) return nullptr;
  if ((is_native || makes_coroutine) && keywords.traits.retries != 0) {
    PyErr_SetString(PyExc_ValueError, is_native ? "retries= for a native function, which cannot raise"
                                                : "retries= for a coroutine function; repeat in the coroutine itself");
    return nullptr;
  }
  if (keywords.id != nullptr && !is_id(keywords.id)) {
    return PyErr_Format(PyExc_TypeError, "id= is an entry of a space, such as T[3], not %R", keywords.id);
  }
  if (keywords.traits.cores > engine.workers()) {
    return PyErr_Format(PyExc_ValueError,
                        "cores=%u on a runtime with workers=%u; a task has at most as many cores as there are workers",
                        keywords.traits.cores, engine.workers());
  }
  drop_put_aside();
  const Owned<> own_keywords(copied(keywords.keywords));
  if (keywords.keywords != nullptr && own_keywords == nullptr && PyErr_Occurred() != nullptr) return nullptr;
  const Owned<> context(makes_coroutine ? PyContext_CopyCurrent() : nullptr);
  if (makes_coroutine && context == nullptr) return nullptr;
  BoundCall native_call;
  if (is_native && !bind_native(fn, arguments, count, own_keywords.get(), native_call)) return nullptr;
  // The handle, too, is made before the dependencies are read: an allocation may run the garbage collector, and that a
  // destructor which drops the tasks that `after` lists.
  Owned<TaskObject> handle(make_blank_task());
  if (handle == nullptr) return nullptr;
  Dependencies dependencies;
  if (keywords.after != nullptr && !dependencies.add(keywords.after)) return nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (is_task(arguments[i])) dependencies.add_record(*record_of(arguments[i]));
  }
  if (own_keywords != nullptr) {
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(own_keywords.get(), &at, &key, &value) != 0;) {
      if (is_task(value)) dependencies.add_record(*record_of(value));
    }
  }
  // What else may run code between here and the commit: looking a name up, a tuple for the arguments, the caller.
  const bool tracing = engine.tracing();  // once: a trace may begin at any time
  if (tracing || is_boxed(count, own_keywords.get()) || makes_coroutine || before_commit != nullptr) {
    dependencies.keep_borrowed();
  }
  std::string_view name;
  Owned<> name_owner;
  if ((keywords.name != nullptr || tracing) && !spawn_name(keywords, fn, tracing, name, name_owner)) return nullptr;
  try {
    const detail::BodyOps& ops = is_native ? native_ops(native_call) : python_ops();
    const detail::Domain domain = is_native ? native_domain(native_call) : detail::Domain::kInterpreter;
    Record& record = keywords.id != nullptr   ? engine.begin_spawn_into(*record_of(keywords.id), ops, {}, domain, name)
                     : name.data() != nullptr ? engine.begin_named_spawn(ops, {}, domain, name, nullptr, {})
                                              : engine.begin_spawn(ops, {}, domain);
    if (site != nullptr) {
      record.site.elsewhere = site;
      record.flags |= tasks::kForeignSite;
    }
    if (keywords.traits.priority != 0) tasks::set_priority(record, keywords.traits.priority);
    if (keywords.traits.cores != 1) tasks::set_cores(record, keywords.traits.cores);
    if (keywords.traits.retries != 0) detail::set_retries(record, keywords.traits.retries, keywords.traits.backoff_ns);
    const bool filled = is_native ? fill_native_body(record, native_call)
                                  : fill_body(record, fn, arguments, count, own_keywords.get(), context.get());
    if (!filled) {
      engine.abort_spawn(record);
      return nullptr;
    }
    // With the caller's reference, before the commit: afterwards nothing may fail.
    handle->record = &record;
    auto* const object = reinterpret_cast<PyObject*>(handle.get());
    if (before_commit != nullptr && !before_commit(self, object)) {
      ops.destroy_body(record.body);
      handle->record = nullptr;
      engine.abort_spawn(record);
      return nullptr;
    }
    try {
      const EngineCall call;  // a thread that is far ahead sleeps in here, outside
      detail::commit_spawn(record, dependencies.records());
    } catch (...) {
      handle->record = nullptr;  // the commit has dropped the reference
      throw;
    }
    handle.release();  // NOLINT(bugprone-unused-return-value): `object` is the same reference
    return object;
  } catch (...) {
    return raise_current();
  }
}

}  // namespace polyreme::python
