// Scope: tasks that are waited for, fail and are cancelled together.
//
//   polyreme::Scope scope(rt);
//   rt.spawn(left);
//   rt.spawn(right);
//   scope.wait();   // both are done, with all that they spawned; rethrows what failed
#pragma once

#include <polyreme/errors.hpp>
#include <polyreme/runtime.hpp>

#include <chrono>
#include <cstdint>

namespace polyreme {

struct ScopeOptions {
  bool cancel_on_error = false;  ///< the first failure of a task in it cancels the scope
};

/// Until it is destroyed, tasks that the thread which made it spawns are in the scope, and so is what their bodies
/// spawn. Scopes nest: a scope made within another, or in the body of one of its tasks, is part of that. To be
/// destroyed on the thread, or in the coroutine, that made it, before the scopes around it.
class Scope {
 public:
  /// @throws RuntimeClosed.
  explicit Scope(Runtime& runtime, ScopeOptions options = {});
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  /// Waits for the tasks; when an exception is what leaves the scope, cancels them first. Failures that no wait()
  /// reported are reported by the scope around it, or by Runtime::wait().
  ~Scope();

  /// Waits until every task in the scope is done. @throws TaskErrors with every root failure in it since the last
  /// wait().
  /// @throws UsageError in the body of one of its tasks, CycleError if the wait can never end.
  void wait();
  /// False if `timeout` passed first; does not help then.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> timeout) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
    return wait_for_ns(ns < 0 ? 0 : ns);
  }
  /// Cancels the tasks in it that have not started, at once, and asks the bodies that run to stop; also those that are
  /// spawned in it later.
  void cancel();
  /// True once it was cancelled, by cancel(), by a failure, or with a scope around it.
  [[nodiscard]] bool cancelled() const noexcept;

  /// While it lives, what the calling thread spawns is in the scope: for threads other than the one that made it.
  class Entry {
   public:
    explicit Entry(Scope& scope);
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry();

   private:
    detail::EnteredScope entered_;
  };
  [[nodiscard]] Entry enter() { return Entry(*this); }

 private:
  [[nodiscard]] bool wait_for_ns(std::int64_t timeout_ns);

  runtime::Engine& engine_;
  detail::EnteredScope entered_;
  int exceptions_;  ///< in flight in its body when it was made
};

}  // namespace polyreme
