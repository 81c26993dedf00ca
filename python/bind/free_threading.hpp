// What takes the place of the global interpreter lock (GIL) in python/bind on a free-threaded build of Python, where
// any number of threads are inside at once. On ordinary builds all of it is nothing.
//
// The rules, also told in docs/design/python.md:
//   - State of ours that threads inside share is guarded by an InsideMutex, is atomic, or belongs to one thread. Its
//     declaration says which.
//   - No thread holds a mutex, ours or the engine's, while it calls something of the interpreter that may run Python
//     code, allocate an object, or wait: the collector stops all threads at such calls, and waits for those that are
//     blocked in a mutex of C++ while they are inside. Find out first, lock, publish, unlock, then drop references.
//   - What is read from a list, a dict or a cell is owned (references.hpp).
//   - Setting several members of one Python object that others may look at needs its critical section.
#pragma once

#include <Python.h>

#include <mutex>
#include <type_traits>

namespace polyreme::python {

#ifdef Py_GIL_DISABLED
inline constexpr bool kFreeThreaded = true;
#else
inline constexpr bool kFreeThreaded = false;
#endif

/// A mutex for those who hold the GIL anyway.
struct HeldAlready {
  void lock() noexcept {}
  void unlock() noexcept {}
};

/// Guards state that is touched inside only. Held for a few instructions, and never over a call of the interpreter.
using InsideMutex = std::conditional_t<kFreeThreaded, std::mutex, HeldAlready>;

/// The interpreter's own lock on one object, for a scope. Let go for as long as this thread is outside, as the GIL
/// would be.
class CriticalSection {
 public:
#ifdef Py_GIL_DISABLED
  explicit CriticalSection(PyObject* object) noexcept { PyCriticalSection_Begin(&section_, object); }
  ~CriticalSection() { PyCriticalSection_End(&section_); }
#else
  explicit CriticalSection(PyObject* /*object*/) noexcept {}
  ~CriticalSection() {}  // NOLINT(modernize-use-equals-default): a scope is what it is used for
#endif
  CriticalSection(const CriticalSection&) = delete;
  CriticalSection& operator=(const CriticalSection&) = delete;

#ifdef Py_GIL_DISABLED
 private:
  PyCriticalSection section_;
#endif
};

}  // namespace polyreme::python
