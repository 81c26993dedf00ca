// Exceptions of polyreme. All derive from polyreme::Error, so `catch (const polyreme::Error&)` tells the runtime's own
// complaints from those of bodies, which arrive as they were thrown.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace polyreme {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A call that cannot be meant: a bad argument, a wait for oneself, use of an empty handle.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// The id was spawned before; ids name one task for ever.
class DuplicateId : public UsageError {
 public:
  using UsageError::UsageError;
};

/// The runtime is closed or closing.
class RuntimeClosed : public UsageError {
 public:
  using UsageError::UsageError;
};

/// A value was asked for with another type than the body returned.
class TypeMismatch : public UsageError {
 public:
  using UsageError::UsageError;
};

/// Tasks depend on each other in a circle, or bodies wait for each other in one. The message names the circle.
class CycleError : public Error {
 public:
  using Error::Error;
};

/// An id that others depend on was never spawned, and nobody is left who could.
class MissingTask : public Error {
 public:
  using Error::Error;
};

/// The task did not run because a task that it depends on failed; cause() is that failure.
class DependencyFailed : public Error {
 public:
  DependencyFailed(const std::string& what, std::exception_ptr cause) : Error(what), cause_(std::move(cause)) {}
  [[nodiscard]] const std::exception_ptr& cause() const noexcept { return cause_; }

 private:
  std::exception_ptr cause_;
};

/// The task was cancelled: before it started (also because its runtime was closed early, or one that it depends on was
/// cancelled), or in its body, which threw this because somebody had asked it to stop.
class TaskCancelled : public Error {
 public:
  using Error::Error;
};

/// Where a task was spawned, in the language of the program that did.
class SpawnSite {
 public:
  SpawnSite() = default;
  SpawnSite(std::string file, std::uint32_t line) : file_(std::move(file)), line_(line) {}
  [[nodiscard]] bool known() const noexcept { return line_ != 0; }
  [[nodiscard]] const char* file_name() const noexcept { return file_.c_str(); }
  [[nodiscard]] std::uint32_t line() const noexcept { return line_; }
  /// "file:line", or "an unknown place".
  [[nodiscard]] std::string text() const {
    return known() ? file_ + ":" + std::to_string(line_) : std::string("an unknown place");
  }

 private:
  std::string file_;
  std::uint32_t line_ = 0;
};

/// One root failure: a task whose own body threw (or an id that was never spawned).
struct Failure {
  std::string task;          ///< name or id of the task
  SpawnSite site;            ///< where it was spawned
  std::exception_ptr error;  ///< what its body threw
};

/// Thrown by Runtime::wait(): all root failures since the last wait, and how many tasks were cancelled for them.
class TaskErrors : public Error {
 public:
  TaskErrors(const std::string& what, std::vector<Failure> failures, std::uint64_t cancelled)
      : Error(what),
        failures_(std::make_shared<const std::vector<Failure>>(std::move(failures))),
        cancelled_(cancelled) {}
  [[nodiscard]] const std::vector<Failure>& failures() const noexcept { return *failures_; }
  [[nodiscard]] std::uint64_t cancelled_dependents() const noexcept { return cancelled_; }

 private:
  std::shared_ptr<const std::vector<Failure>> failures_;  ///< shared: exceptions must copy without throwing
  std::uint64_t cancelled_;
};

}  // namespace polyreme
