// Task<T>: the handle of a task, which is also its future.
#pragma once

#include <polyreme/detail/abi.hpp>
#include <polyreme/errors.hpp>

#include <chrono>
#include <functional>
#include <type_traits>
#include <utility>

namespace polyreme {

namespace detail {

/// Results larger than the record's room, or whose move may throw, are boxed.
template <class T>
inline constexpr bool kInlineResult =
    sizeof(T) <= kInlineBodyBytes && alignof(T) <= 16 && std::is_nothrow_move_constructible_v<T>;

/// A reference result is kept as a pointer.
template <class T>
using Stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>;

template <class T>
const Stored<T>& result_in(const void* storage) noexcept {
  if constexpr (kInlineResult<Stored<T>>) {
    return *static_cast<const Stored<T>*>(storage);
  } else {
    return **static_cast<Stored<T>* const*>(storage);
  }
}

}  // namespace detail

/// A handle without a type: keeps the task's record alive, and serves as a dependency.
class TaskBase {
 public:
  TaskBase() = default;
  /// Takes over one reference.
  explicit TaskBase(detail::Record* record) noexcept : record_(record) {}
  TaskBase(const TaskBase& other) noexcept : record_(other.record_) {
    if (record_ != nullptr) detail::retain(*record_);
  }
  TaskBase(TaskBase&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  TaskBase& operator=(TaskBase other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~TaskBase() {
    if (record_ != nullptr) detail::release(*record_);
  }

  /// False for a default-constructed or moved-from handle; every other member but this throws UsageError then.
  [[nodiscard]] bool valid() const noexcept { return record_ != nullptr; }
  /// True once the task returned, threw, or was cancelled.
  [[nodiscard]] bool done() const { return detail::is_done(checked()); }
  /// Blocks until done(). A waiter may run the task itself. @throws CycleError, MissingTask if it can never be.
  void wait() const { detail::wait_done(checked()); }
  /// False if `timeout` passed first.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
    return detail::wait_done_for(checked(), ns < 0 ? 0 : ns);
  }
  /// Cancels a task that has not started, at once, and with it those that depend on it; a body that runs is asked to
  /// stop (Context::cancelled). True if the task will not run, or was cancelled before; false if it runs or is over.
  /// @throws UsageError for an id that is not spawned.
  bool cancel() const { return detail::cancel(checked()); }
  /// Waits; then null on success, else what get() would throw.
  [[nodiscard]] std::exception_ptr exception() const {
    wait();
    return detail::failure_of(checked());
  }
  /// The user's name, or the id, or a number.
  [[nodiscard]] std::string name() const { return detail::name_of(checked()); }

  [[nodiscard]] detail::Record* record() const noexcept { return record_; }

 protected:
  [[nodiscard]] detail::Record& checked() const {
    if (record_ == nullptr) throw UsageError("polyreme: use of an empty task handle; assign it from spawn() first");
    return *record_;
  }
  void wait_and_rethrow() const {
    wait();
    if (const std::exception_ptr failure = detail::failure_of(*record_)) std::rethrow_exception(failure);
  }

 private:
  detail::Record* record_ = nullptr;
};

/// Handle of a task whose body returns T. Copies share the task. Dropping all handles does not cancel it.
template <class T = void>
class Task : public TaskBase {
 public:
  using value_type = T;
  using TaskBase::TaskBase;

  /// Waits and returns the result, which lives as long as a handle does. Rethrows what the body threw;
  /// @throws DependencyFailed if the task was cancelled for that, TypeMismatch for a handle from TaskId::as.
  [[nodiscard]] const std::remove_reference_t<T>& get() const& {
    wait_and_rethrow();
    const auto& stored = detail::result_in<T>(detail::result_of(*record(), typeid(detail::Stored<T>)));
    if constexpr (std::is_reference_v<T>) {
      return *stored;
    } else {
      return stored;
    }
  }
  /// On a temporary handle: a copy of the result.
  [[nodiscard]] std::remove_cvref_t<T> get() && { return std::as_const(*this).get(); }
};

template <>
class Task<void> : public TaskBase {
 public:
  using value_type = void;
  using TaskBase::TaskBase;

  /// Waits. Rethrows what the body threw; @throws DependencyFailed if the task was cancelled for that.
  void get() const { wait_and_rethrow(); }
};

}  // namespace polyreme
