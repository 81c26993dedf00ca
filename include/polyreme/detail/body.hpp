// How a callable and its arguments become a body in a task record. Not for users.
#pragma once

#include <polyreme/context.hpp>
#include <polyreme/detail/abi.hpp>
#include <polyreme/task.hpp>

#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace polyreme::detail {

template <class T>
inline constexpr bool kIsTask = std::is_base_of_v<TaskBase, std::remove_cvref_t<T>>;

/// What a stored argument is passed as: a task as its value, nothing for a task without one, all else moved.
template <class Stored>
auto unpack(Stored& argument) {
  if constexpr (std::is_same_v<Stored, Task<void>>) {
    return std::tuple<>();
  } else if constexpr (kIsTask<Stored>) {
    // The task is done and succeeded, or this body would not run.
    return std::tuple<decltype(argument.get())>(argument.get());
  } else {
    return std::tuple<Stored&&>(std::move(argument));
  }
}

/// The arguments of a call, as unpack() passes them.
template <class... Stored>
using Unpacked = decltype(std::tuple_cat(unpack(std::declval<Stored&>())...));

template <class Callable, class Tuple>
inline constexpr bool kCallableWith = false;
template <class Callable, class... Passed>
inline constexpr bool kCallableWith<Callable, std::tuple<Passed...>> = std::is_invocable_v<Callable, Passed...>;

template <class Callable, class... Arguments>
struct BoundBody {
  [[no_unique_address]] Callable callable;
  [[no_unique_address]] std::tuple<Arguments...> arguments;

  /// A body that can be called without a Context gets none.
  static constexpr bool kWantsContext =
      !kCallableWith<Callable, Unpacked<Arguments...>> &&
      kCallableWith<Callable, decltype(std::tuple_cat(std::declval<std::tuple<Context&>>(),
                                                      std::declval<Unpacked<Arguments...>>()))>;

  decltype(auto) operator()([[maybe_unused]] Record& self) {
    if constexpr (kWantsContext) {
      Context context(self);
      return (*this)(context);
    } else {
      return (*this)();
    }
  }

  /// The context stays the caller's: a coroutine goes on using it.
  decltype(auto) operator()(Context& context)
    requires kWantsContext
  {
    return std::apply(
        [&](auto&... argument) -> decltype(auto) {
          return std::apply(std::move(callable), std::tuple_cat(std::tuple<Context&>(context), unpack(argument)...));
        },
        arguments);
  }

  decltype(auto) operator()()
    requires(!kWantsContext)
  {
    if constexpr (sizeof...(Arguments) == 0) {
      return std::invoke(std::move(callable));
    } else {
      return std::apply(
          [this](auto&... argument) -> decltype(auto) {
            return std::apply(std::move(callable), std::tuple_cat(unpack(argument)...));
          },
          arguments);
    }
  }
};

template <class Body>
inline constexpr bool kInlineBody = sizeof(Body) <= kInlineBodyBytes && alignof(Body) <= 16;

template <class Body>
Body* body_in(void* storage) noexcept {
  if constexpr (kInlineBody<Body>) {
    return std::launder(static_cast<Body*>(storage));
  } else {
    Body* boxed = nullptr;
    std::memcpy(&boxed, storage, sizeof(boxed));
    return boxed;
  }
}

template <class Body>
void destroy_body_in(void* storage) noexcept {
  if constexpr (kInlineBody<Body>) {
    std::destroy_at(body_in<Body>(storage));
  } else {
    delete body_in<Body>(storage);
  }
}

template <class Body, class... Parts>
void construct_body(void* storage, Parts&&... parts) {
  if constexpr (kInlineBody<Body>) {
    ::new (storage) Body{std::forward<Parts>(parts)...};
  } else {
    auto* boxed = new Body{std::forward<Parts>(parts)...};
    std::memcpy(storage, &boxed, sizeof(boxed));
  }
}

/// Bodies that ask for their record get it.
template <class Body>
decltype(auto) call_body(Body& body, [[maybe_unused]] Record& self) {
  if constexpr (std::is_invocable_v<Body&, Record&>) {
    return body(self);
  } else {
    return body();
  }
}

/// Destroys the body when the scope ends, be it by an exception.
template <class Body>
struct BodyEnd {
  void* storage;
  ~BodyEnd() { destroy_body_in<Body>(storage); }
};

template <class Body, class Result>
Record* run_body(void* storage, Record& self) {
  if constexpr (std::is_void_v<Result>) {
    const BodyEnd<Body> end{storage};
    call_body(*body_in<Body>(storage), self);
  } else {
    using Kept = Stored<Result>;
    const auto call = [&]() -> Kept {
      const BodyEnd<Body> end{storage};
      if constexpr (std::is_reference_v<Result>) {
        return &call_body(*body_in<Body>(storage), self);
      } else {
        return call_body(*body_in<Body>(storage), self);
      }
    };
    if constexpr (kInlineResult<Kept>) {
      Kept result = call();
      ::new (storage) Kept(std::move(result));
    } else {
      auto* boxed = new Kept(call());
      std::memcpy(storage, &boxed, sizeof(boxed));
    }
  }
  return nullptr;
}

template <class Result>
void destroy_result_in(void* storage) noexcept {
  using Kept = Stored<Result>;
  auto* result = const_cast<Kept*>(&result_in<Result>(storage));
  if constexpr (kInlineResult<Kept>) {
    std::destroy_at(result);
  } else {
    delete result;
  }
}

/// A result in place whose destructor does nothing needs none; nor has void any.
template <class Result>
inline constexpr bool kNeedsDestruction =
    !kInlineResult<Stored<Result>> || !std::is_trivially_destructible_v<Stored<Result>>;
template <>
inline constexpr bool kNeedsDestruction<void> = false;

template <class Result>
constexpr auto result_destructor() noexcept -> void (*)(void*) noexcept {
  if constexpr (kNeedsDestruction<Result>) {
    return &destroy_result_in<Result>;
  } else {
    return nullptr;
  }
}

template <class Result>
constexpr const std::type_info* result_type() noexcept {
  if constexpr (std::is_void_v<Result>) {
    return &typeid(void);
  } else {
    return &typeid(Stored<Result>);
  }
}

template <class Body, class Result>
inline constexpr BodyOps kBodyOps{&run_body<Body, Result>, &destroy_body_in<Body>, result_destructor<Result>(),
                                  result_type<Result>()};

/// What spawn() makes of a call that returns a Value.
template <class Bound, class Value>
struct BodyOf {
  using Body = Bound;
  using Result = Value;
  static constexpr const BodyOps& kOps = kBodyOps<Bound, Value>;
};

}  // namespace polyreme::detail
