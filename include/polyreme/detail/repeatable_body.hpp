// How a repeatable call becomes a body in a task record. Not for users.
#pragma once

#include <polyreme/detail/body.hpp>
#include <polyreme/repeatable.hpp>

#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace polyreme {
template <class T>
class Coro;
}

namespace polyreme::detail {

/// What a stored argument is passed as, attempt after attempt: as unpack(), but nothing is moved from.
template <class Stored>
auto lend(const Stored& argument) {
  if constexpr (std::is_same_v<Stored, Task<void>>) {
    return std::tuple<>();
  } else if constexpr (kIsTask<Stored>) {
    return std::tuple<decltype(argument.get())>(argument.get());
  } else {
    return std::tuple<const Stored&>(argument);
  }
}

template <class Callable, class... Arguments>
struct BoundBody<Repeatable<Callable>, Arguments...> {
  Repeatable<Callable> repeatable;
  [[no_unique_address]] std::tuple<Arguments...> arguments;

  using Lent = decltype(std::tuple_cat(lend(std::declval<const Arguments&>())...));
  static constexpr bool kWantsContext =
      !kCallableWith<Callable&, Lent> &&
      kCallableWith<Callable&, decltype(std::tuple_cat(std::declval<std::tuple<Context&>>(), std::declval<Lent>()))>;

  decltype(auto) operator()([[maybe_unused]] Record& self) {
    return std::apply(
        [&](const auto&... argument) -> decltype(auto) {
          if constexpr (kWantsContext) {
            Context context(self);
            return std::apply(repeatable.callable, std::tuple_cat(std::tuple<Context&>(context), lend(argument)...));
          } else {
            return std::apply(repeatable.callable, std::tuple_cat(lend(argument)...));
          }
        },
        std::as_const(arguments));
  }
};

/// As run_body(), but a body that throws stays.
template <class Body, class Result>
Record* run_repeatable(void* storage, Record& self) {
  Body& body = *body_in<Body>(storage);
  if constexpr (std::is_void_v<Result>) {
    body(self);
    destroy_body_in<Body>(storage);
  } else {
    using Kept = Stored<Result>;
    const auto call = [&]() -> Kept {
      if constexpr (std::is_reference_v<Result>) {
        return &body(self);
      } else {
        return body(self);
      }
    };
    if constexpr (kInlineResult<Kept>) {
      Kept result = call();
      destroy_body_in<Body>(storage);
      ::new (storage) Kept(std::move(result));
    } else {
      auto boxed = std::make_unique<Kept>(call());
      destroy_body_in<Body>(storage);
      Kept* const kept = boxed.release();
      std::memcpy(storage, &kept, sizeof(kept));
    }
  }
  return nullptr;
}

template <class Body, class Result>
inline constexpr BodyOps kRepeatableOps{&run_repeatable<Body, Result>, &destroy_body_in<Body>,
                                        result_destructor<Result>(), result_type<Result>()};

template <class T>
inline constexpr bool kIsCoro = false;
template <class T>
inline constexpr bool kIsCoro<Coro<T>> = true;

template <class Callable, class... Arguments, class Value>
  requires(!kIsCoro<Value>)
struct BodyOf<BoundBody<Repeatable<Callable>, Arguments...>, Value> {
  using Body = BoundBody<Repeatable<Callable>, Arguments...>;
  using Result = Value;
  static constexpr const BodyOps& kOps = kRepeatableOps<Body, Value>;
};

template <class T>
inline constexpr bool kIsRepeatable = false;
template <class Callable>
inline constexpr bool kIsRepeatable<Repeatable<Callable>> = true;

}  // namespace polyreme::detail
