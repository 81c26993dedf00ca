// One spawn from Python: what its keywords said, and the way into the engine.
#pragma once

#include "runtime/engine.hpp"
#include "space_object.hpp"

#include <Python.h>

#include <cstdint>

namespace polyreme::python {

/// What a spawn says of the task besides objects.
struct SpawnTraits {
  int priority = 0;
  std::uint32_t cores = 1;
  std::int64_t retries = 0;     ///< how often a body that raises runs again
  std::int64_t backoff_ns = 0;  ///< the pause before that
};

/// Keyword arguments of Runtime.spawn and Runtime.task. All borrowed; null or None: not given.
struct SpawnKeywords {
  PyObject* id = nullptr;
  PyObject* after = nullptr;
  PyObject* name = nullptr;
  PyObject* keywords = nullptr;  ///< kwargs=, for the body
  PyObject* capture = nullptr;
  SpawnTraits traits;
};

/// Reads the keywords that follow `positional` arguments in a vectorcall. False with an error set, which names
/// `function`.
[[nodiscard]] bool parse_keywords(PyObject* const* values, PyObject* names, const char* function, bool is_decorator,
                                  SpawnKeywords& out);

/// Spawns fn(*arguments). Returns the handle, or null with an error set. `before_commit`, if given, is called with the
/// new handle before the task can run (for a body that refers to itself); false cancels the spawn.
using BeforeCommit = bool (*)(void* self, PyObject* handle);
[[nodiscard]] PyObject* spawn(runtime::Engine& engine, PyObject* fn, PyObject* const* arguments, Py_ssize_t count,
                              const SpawnKeywords& keywords, const SpawnSite* site,
                              BeforeCommit before_commit = nullptr, void* self = nullptr);

/// Refuses functions of which a call runs nothing: it makes a generator, which nobody would go through. False with an
/// error set. Says of others whether a call makes a coroutine.
[[nodiscard]] bool check_function(PyObject* fn, bool& makes_coroutine) noexcept;

/// Where the innermost Python frame stands now. The object lives for ever: there are as many as places in the program.
[[nodiscard]] const SpawnSite* current_site();

}  // namespace polyreme::python
