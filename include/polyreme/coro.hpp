// Coroutines as task bodies: a body that returns Coro<T> may wait for tasks with co_await.
//
//   rt.spawn([&rt]() -> polyreme::Coro<int> {
//     polyreme::Task<int> part = rt.spawn(compute);
//     const int& value = co_await part;   // suspends the body until the task is done: it holds no slot and no thread
//     co_return value + 1;
//   });
//
// Only tasks can be awaited. What the awaited task's get() would throw is thrown at the co_await; so is TaskCancelled
// when the waiting task is cancelled, and CycleError when the wait could never end. The callable and the arguments of
// the spawn live until the coroutine has ended, so captures and reference parameters may be used throughout.
#pragma once

#include <polyreme/detail/await.hpp>
#include <polyreme/detail/body.hpp>
#include <polyreme/errors.hpp>
#include <polyreme/task.hpp>

#include <concepts>
#include <coroutine>
#include <ranges>
#include <type_traits>
#include <utility>

namespace polyreme {

namespace detail {
template <class T>
class CoroPromise;
template <class Bound, class T>
struct CoroBody;
}  // namespace detail

/// What a coroutine that is a task's body returns; the task's result is a T. To be returned to spawn() only.
template <class T = void>
class [[nodiscard]] Coro {
 public:
  using value_type = T;
  using promise_type = detail::CoroPromise<T>;

  Coro(Coro&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Coro& operator=(Coro other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Coro() {
    if (frame_ != nullptr) frame_.destroy();
  }

 private:
  friend promise_type;
  template <class Bound, class Value>
  friend struct detail::CoroBody;
  explicit Coro(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

/// For co_await: until all the tasks are done. The answer is a tuple of their values, void ones left out; of a
/// temporary handle, a copy. If some failed, throws what get() of the first of these throws.
template <class... Handles>
  requires(sizeof...(Handles) >= 1 && (detail::kIsTask<Handles> && ...))
[[nodiscard]] auto all(Handles&&... tasks) {
  return detail::Await(detail::AwaitedAll<Handles...>(std::forward<Handles>(tasks)...));
}
/// The same for a range of handles; without an answer: their get() gives the values.
template <std::ranges::input_range Tasks>
  requires detail::kIsTask<std::ranges::range_reference_t<Tasks>>
[[nodiscard]] auto all(Tasks&& tasks) {
  return detail::Await(detail::AwaitedRange<std::remove_cvref_t<std::ranges::range_reference_t<Tasks>>>(tasks));
}

}  // namespace polyreme

#include <polyreme/detail/coro_body.hpp>
