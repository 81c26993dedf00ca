// Exceptions across the border, both ways.
#pragma once

#include <polyreme/errors.hpp>

#include <Python.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>

namespace polyreme::python {

/// What becomes of an exception object that is handed out: somebody looks at it, or it is raised.
enum class Purpose : std::uint8_t { kShown, kRaised };

/// A Python exception on its way through the engine. Owns a reference to the exception object.
///
/// Raising sets the object's traceback, again and again while it passes frames. On a free-threaded build CPython 3.13
/// does that without a lock, and so does who reads or sets it here; two threads at it free a traceback twice. So an
/// object that another thread may be raising is left as it is when it is only shown.
class PythonError : public std::exception {
 public:
  /// Takes the calling thread's current error, with its traceback. Inside only.
  static PythonError fetch();
  PythonError(const PythonError& other) noexcept;
  PythonError& operator=(const PythonError&) = delete;
  ~PythonError() override;
  /// The last line of a traceback, "ValueError: message". Any thread may ask, outside too; the text is made once asked
  /// for, by code of the exception's class.
  [[nodiscard]] const char* what() const noexcept override;
  /// New reference, with the traceback as it was when the body ended: raising it again does not make it grow. Without
  /// a global lock, one that is shown has what the raising by another thread has added.
  [[nodiscard]] PyObject* object(Purpose purpose) const noexcept;
  /// True if it carries this very exception.
  [[nodiscard]] bool is(const PyObject* other) const noexcept { return exception_ == other; }
  /// True for an Exception, false for what only derives from BaseException.
  [[nodiscard]] bool is_ordinary() const noexcept;
  /// True for a TaskCancelled: a body that raises it, after somebody has asked it to stop, counts as cancelled.
  [[nodiscard]] bool is_cancellation() const noexcept;
  /// For the garbage collector.
  int traverse(visitproc visit, void* argument) const;

 private:
  PythonError(PyObject* object, PyObject* traceback) noexcept : exception_(object), traceback_(traceback) {}
  /// In the critical section of the object: notes who raises it. True: its traceback may be set.
  [[nodiscard]] bool is_ours(Purpose purpose) const noexcept;

  static constexpr unsigned long kNobody = 0;
  static constexpr unsigned long kMany = ~0UL;
  PyObject* exception_;  ///< constant, as is the next; the exception object itself is everybody's
  PyObject* traceback_;
  mutable std::atomic<unsigned long> raised_by_{
      kNobody};               ///< a thread or one of the above; set in the object's section
  mutable std::string text_;  ///< what() says, once that was asked for; guarded by a mutex in errors.cpp
};

/// Adds the exception classes to the module. False with an error set on failure.
[[nodiscard]] bool add_error_types(PyObject* module);

/// polyreme.UsageError, borrowed.
[[nodiscard]] PyObject* usage_error() noexcept;

/// The Python exception object for any C++ one. New reference; null with an error set when out of memory.
[[nodiscard]] PyObject* to_object(const std::exception_ptr& error, Purpose purpose = Purpose::kShown);

/// The Python exception in `error`, or null if it is one of C++. Lives as long as `error`.
[[nodiscard]] const PythonError* python_error_in(const std::exception_ptr& error) noexcept;

/// Raises `error`; returns null, for `return raise(...)`.
PyObject* raise(const std::exception_ptr& error);
/// The same for the exception in flight.
PyObject* raise_current();

/// Raises an ExceptionGroup of the failures, each with a note that says where it was spawned. Returns null.
PyObject* raise_group(const std::vector<Failure>& failures, std::uint64_t cancelled);

}  // namespace polyreme::python
