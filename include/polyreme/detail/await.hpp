// What co_await does in a coroutine body. Not for users.
#pragma once

#include <polyreme/detail/abi.hpp>
#include <polyreme/task.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace polyreme::detail {

/// Waits for the tasks that `Awaited` has, once it stands in the coroutine's frame:
///   for_each(fn)  calls fn(const TaskBase&) for each
///   records()     the span of them, which stays where it is
///   values()      what co_await answers, once they are done
template <class Awaited>
class Await {
 public:
  explicit Await(Awaited awaited) : awaited_(std::move(awaited)) {}

  /// @throws UsageError for an empty handle, or a wait for oneself.
  [[nodiscard]] bool await_ready() {
    bool done = true;
    awaited_.for_each([&](const TaskBase& task) {
      if (task.done()) return;
      check_await(*task.record());
      done = false;
    });
    suspends_ = !done;
    return done;
  }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> frame) noexcept {
    frame.promise().set_awaited(awaited_.records());
  }
  decltype(auto) await_resume() {
    if (suspends_) {
      if (const std::exception_ptr error = take_interruption(); error != nullptr) std::rethrow_exception(error);
    }
    return awaited_.values();
  }

 private:
  Awaited awaited_;
  bool suspends_ = false;
};

template <class T>
inline constexpr bool kIsAwait = false;
template <class Awaited>
inline constexpr bool kIsAwait<Await<Awaited>> = true;

/// What get() gives: of a handle that stays, a reference; of a temporary one, a copy.
template <class Given>
decltype(auto) value_of(const std::remove_cvref_t<Given>& task) {
  using T = std::remove_cvref_t<Given>::value_type;
  if constexpr (std::is_void_v<T> || std::is_lvalue_reference_v<Given>) {
    return task.get();
  } else {
    return std::remove_cvref_t<T>(task.get());
  }
}

/// `Given` is the type of the handle as it was passed: a reference if it stays.
template <class Given>
class AwaitedOne {
 public:
  explicit AwaitedOne(Given&& task) : task_(std::forward<Given>(task)), record_(task_.record()) {}
  template <class Fn>
  void for_each(Fn&& fn) const {
    fn(task_);
  }
  [[nodiscard]] std::span<Record* const> records() const noexcept { return {&record_, 1}; }
  decltype(auto) values() const { return value_of<Given>(task_); }

 private:
  std::remove_cvref_t<Given> task_;
  Record* record_;
};

template <class... Given>
class AwaitedAll {
 public:
  explicit AwaitedAll(Given&&... tasks)
      : tasks_(std::forward<Given>(tasks)...),
        records_(std::apply([](const auto&... task) { return std::array{task.record()...}; }, tasks_)) {}
  template <class Fn>
  void for_each(Fn&& fn) const {
    std::apply([&](const auto&... task) { (fn(task), ...); }, tasks_);
  }
  [[nodiscard]] std::span<Record* const> records() const noexcept { return records_; }
  auto values() const {
    for_each([](const auto& task) { static_cast<void>(task.get()); });  // throws the first failure
    return std::apply([](const auto&... task) { return std::tuple_cat(as_tuple<Given>(task)...); }, tasks_);
  }

 private:
  template <class One>
  static auto as_tuple(const std::remove_cvref_t<One>& task) {
    if constexpr (std::is_void_v<typename std::remove_cvref_t<One>::value_type>) {
      return std::tuple<>();
    } else {
      return std::tuple<decltype(value_of<One>(task))>(value_of<One>(task));
    }
  }

  std::tuple<std::remove_cvref_t<Given>...> tasks_;
  std::array<Record*, sizeof...(Given)> records_;
};

template <class Handle>
class AwaitedRange {
 public:
  template <class Tasks>
  explicit AwaitedRange(Tasks& tasks) {
    for (const auto& task : tasks) {
      tasks_.push_back(task);
      records_.push_back(task.record());
    }
  }
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (const Handle& task : tasks_)
      fn(task);
  }
  [[nodiscard]] std::span<Record* const> records() const noexcept { return records_; }
  void values() const {
    for (const Handle& task : tasks_)
      static_cast<void>(task.get());
  }

 private:
  std::vector<Handle> tasks_;
  std::vector<Record*> records_;
};

}  // namespace polyreme::detail
