// How a coroutine becomes a body in a task record. Not for users.
#pragma once

#include <polyreme/coro.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>

namespace polyreme::detail {

/// What a coroutine and the engine tell each other; the part that does not depend on the result.
class CoroPromiseBase {
 public:
  [[nodiscard]] static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] std::suspend_always final_suspend() const noexcept { return {}; }
  /// Out of resume() and to the engine, as from any body.
  [[noreturn]] void unhandled_exception() const { throw; }

  template <class Given>
  [[nodiscard]] decltype(auto) await_transform(Given&& awaited) const {
    if constexpr (kIsAwait<std::remove_cvref_t<Given>>) {
      return std::forward<Given>(awaited);
    } else {
      static_assert(kIsTask<Given>,
                    "polyreme: the body of a task can co_await tasks only: a polyreme::Task, or polyreme::all() of "
                    "several; spawn what is to be awaited and co_await its task");
      return Await(AwaitedOne<Given>(std::forward<Given>(awaited)));
    }
  }

  void set_awaited(std::span<Record* const> tasks) noexcept { awaited_ = tasks; }
  /// The first awaited task that is not done, or null.
  [[nodiscard]] Record* next_awaited() noexcept {
    while (!awaited_.empty() && is_done(*awaited_.front()))
      awaited_ = awaited_.subspan(1);
    return awaited_.empty() ? nullptr : awaited_.front();
  }

 private:
  std::span<Record* const> awaited_;
};

template <class T>
class CoroPromise : public CoroPromiseBase {
 public:
  using Kept = Stored<T>;

  [[nodiscard]] Coro<T> get_return_object() noexcept {
    return Coro<T>(std::coroutine_handle<CoroPromise>::from_promise(*this));
  }

  template <class U = T>
    requires std::convertible_to<U&&, T>
  void return_value(U&& value) {
    if constexpr (std::is_reference_v<T>) {
      result_.emplace(&static_cast<T>(value));
    } else if constexpr (kInlineResult<Kept>) {
      result_.emplace(std::forward<U>(value));
    } else {
      result_ = std::make_unique<Kept>(std::forward<U>(value));
    }
  }
  /// std::optional<Kept>, or std::unique_ptr<Kept> if it does not fit the record.
  [[nodiscard]] auto take_result() noexcept { return std::move(result_); }

 private:
  std::conditional_t<kInlineResult<Kept>, std::optional<Kept>, std::unique_ptr<Kept>> result_;
};

template <>
class CoroPromise<void> : public CoroPromiseBase {
 public:
  [[nodiscard]] Coro<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

inline Coro<void> CoroPromise<void>::get_return_object() noexcept {
  return Coro<void>(std::coroutine_handle<CoroPromise>::from_promise(*this));
}

/// The call, and the coroutine that it has made. The coroutine may refer to the call's captures and arguments.
template <class Bound, class T>
struct CoroBody {
  template <class Fn, class Arguments>
  CoroBody(Fn&& fn, Arguments&& arguments) : bound{std::forward<Fn>(fn), std::forward<Arguments>(arguments)} {}
  CoroBody(const CoroBody&) = delete;
  CoroBody& operator=(const CoroBody&) = delete;
  ~CoroBody() {
    if (frame != nullptr) frame.destroy();
  }

  /// @throws what the call throws, UsageError if it has made none.
  void start(Record& self) {
    Coro<T> coroutine = call(self);
    frame = std::exchange(coroutine.frame_, nullptr);
    if (frame == nullptr) throw UsageError("polyreme: a body returned an empty Coro; return the call of a coroutine");
  }

  Bound bound;
  std::coroutine_handle<CoroPromise<T>> frame = nullptr;

 private:
  struct NoContext {};

  Coro<T> call([[maybe_unused]] Record& self) {
    if constexpr (Bound::kWantsContext) {
      return bound(context_.emplace(self));
    } else {
      return bound();
    }
  }

  [[no_unique_address]] std::conditional_t<Bound::kWantsContext, std::optional<Context>, NoContext> context_;
};

template <class Body, class T>
Record* run_coroutine(void* storage, Record& self) {
  struct End {
    void* storage;
    ~End() {
      if (storage != nullptr) destroy_body_in<Body>(storage);
    }
  };
  End end{storage};
  Body& body = *body_in<Body>(storage);
  if (body.frame == nullptr) {
    body.start(self);
  } else if (was_interrupted(self)) {
    body.frame.promise().set_awaited({});
  }
  // An awaited task may be done by now; of several, each that is not takes a suspension of its own.
  while (!body.frame.done()) {
    if (Record* const awaited = body.frame.promise().next_awaited(); awaited != nullptr) {
      end.storage = nullptr;
      return awaited;
    }
    body.frame.resume();
  }
  if constexpr (!std::is_void_v<T>) {
    auto result = body.frame.promise().take_result();
    destroy_body_in<Body>(std::exchange(end.storage, nullptr));
    if constexpr (kInlineResult<Stored<T>>) {
      ::new (storage) Stored<T>(std::move(*result));
    } else {
      auto* boxed = result.release();
      std::memcpy(storage, &boxed, sizeof(boxed));
    }
  }
  return nullptr;
}

/// What spawn() makes of a call whose result is a Coro<T>.
template <class Bound, class T>
struct BodyOf<Bound, Coro<T>> {
  using Body = CoroBody<Bound, T>;
  using Result = T;
  static constexpr BodyOps kOps{&run_coroutine<Body, T>, &destroy_body_in<Body>, result_destructor<T>(),
                                result_type<T>()};
};

}  // namespace polyreme::detail
