// What a body can ask of the task that it runs for.
#pragma once

#include <polyreme/detail/abi.hpp>
#include <polyreme/errors.hpp>

#include <stop_token>
#include <string>

namespace polyreme {

/// For the body of a task, which takes it by reference before its arguments:
///
///   rt.spawn([](polyreme::Context& context, int steps) { while (steps-- > 0 && !context.cancelled()) … }, 1000);
///
/// Good until the body returns, on the thread that runs it.
class Context {
 public:
  /// For functions that a body calls. @throws UsageError outside a body.
  [[nodiscard]] static Context current();
  /// Made by the runtime.
  explicit Context(detail::Record& record) noexcept : record_(&record) {}

  /// True once somebody has called cancel() on the task. A body that then throws TaskCancelled counts as cancelled; one
  /// that returns counts as done.
  [[nodiscard]] bool cancelled() const noexcept;
  /// @throws TaskCancelled if cancelled().
  void throw_if_cancelled() const;
  /// Tells of the same, to waits and callbacks of the standard library.
  [[nodiscard]] std::stop_token stop_token() const;
  /// The user's name of the task, or its id, or a number.
  [[nodiscard]] std::string name() const { return detail::name_of(*record_); }

 private:
  detail::Record* record_;
};

}  // namespace polyreme
