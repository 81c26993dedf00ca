// How a callable and its arguments become the body of a node. Not for users.
//
// A body is called by every run, perhaps by several at a time, so it and its arguments are const, and the values of
// other nodes come from the values of the run.
#pragma once

#include <polyreme/context.hpp>
#include <polyreme/detail/body.hpp>
#include <polyreme/detail/graph_abi.hpp>
#include <polyreme/task.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace polyreme {

template <class T>
class Node;
template <class T>
class Argument;
template <class T>
class Coro;

namespace detail {

template <class T>
inline constexpr bool kIsCoroutine = false;
template <class T>
inline constexpr bool kIsCoroutine<Coro<T>> = true;

/// Values that want more alignment than a place has are boxed.
template <class T>
inline constexpr bool kInlineValue = alignof(T) <= kValueUnit;

template <class T>
inline constexpr std::uint32_t kValueBytes = static_cast<std::uint32_t>(kInlineValue<T> ? sizeof(T) : sizeof(T*));

/// Makes a value at `place` of what `make` returns.
template <class T, class Make>
void construct_value(void* place, Make&& make) {
  if constexpr (kInlineValue<T>) {
    ::new (place) T(make());
  } else {
    T* const boxed = new T(make());
    std::memcpy(place, &boxed, sizeof(boxed));
  }
}

template <class T>
[[nodiscard]] T* value_at(void* place) noexcept {
  if constexpr (kInlineValue<T>) {
    return std::launder(static_cast<T*>(place));
  } else {
    T* boxed = nullptr;
    std::memcpy(&boxed, place, sizeof(boxed));
    return boxed;
  }
}

template <class T>
void destroy_value_at(void* place) noexcept {
  if constexpr (kInlineValue<T>) {
    std::destroy_at(value_at<T>(place));
  } else {
    delete value_at<T>(place);
  }
}

template <class T>
constexpr auto value_destructor() noexcept -> void (*)(void*) noexcept {
  if constexpr (kInlineValue<T> && std::is_trivially_destructible_v<T>) {
    return nullptr;
  } else {
    return &destroy_value_at<T>;
  }
}

/// The value of a node or an argument, as a body stores it. T as in Node<T>.
template <class T>
struct Input {
  std::uint32_t place;
  [[nodiscard]] const std::remove_reference_t<T>& get(std::byte* values) const noexcept {
    const Stored<T>& stored = *value_at<Stored<T>>(values + kValueUnit * place);
    if constexpr (std::is_reference_v<T>) {
      return *stored;
    } else {
      return stored;
    }
  }
};
template <>
struct Input<void> {};

template <class T>
struct StoredArgumentOf {
  using Type = T;
};
template <class T>
struct StoredArgumentOf<Node<T>> {
  using Type = Input<T>;
};
template <class T>
struct StoredArgumentOf<Argument<T>> {
  using Type = Input<T>;
};
template <class T>
using StoredArgument = typename StoredArgumentOf<std::decay_t<T>>::Type;

template <class T>
inline constexpr bool kIsInput = false;
template <class T>
inline constexpr bool kIsInput<Input<T>> = true;

/// What a stored argument is passed as: the value of a node or an argument, nothing for a node without one, all else by
/// const reference.
template <class Stored>
auto pass(const Stored& argument, [[maybe_unused]] std::byte* values) {
  if constexpr (std::is_same_v<Stored, Input<void>>) {
    return std::tuple<>();
  } else if constexpr (kIsInput<Stored>) {
    return std::tuple<decltype(argument.get(values))>(argument.get(values));
  } else {
    return std::tuple<const Stored&>(argument);
  }
}

template <class Callable, class... Arguments>
struct NodeBody {
  [[no_unique_address]] Callable callable;
  [[no_unique_address]] std::tuple<Arguments...> arguments;

  using Passed = decltype(std::tuple_cat(pass(std::declval<const Arguments&>(), nullptr)...));
  static constexpr bool kWantsContext =
      !kCallableWith<const Callable&, Passed> &&
      kCallableWith<const Callable&,
                    decltype(std::tuple_cat(std::declval<std::tuple<Context&>>(), std::declval<Passed>()))>;
  static_assert(kCallableWith<const Callable&, Passed> || kWantsContext,
                "the body of a node is called by every run, perhaps by several at once: it must be callable as const, "
                "with its arguments by const reference");

  decltype(auto) operator()([[maybe_unused]] std::byte* values, [[maybe_unused]] Record& run) const {
    return std::apply(
        [&](const auto&... argument) -> decltype(auto) {
          if constexpr (kWantsContext) {
            Context context(run);
            return std::apply(callable, std::tuple_cat(std::tuple<Context&>(context), pass(argument, values)...));
          } else {
            return std::apply(callable, std::tuple_cat(pass(argument, values)...));
          }
        },
        arguments);
  }
};

template <class Body>
inline constexpr bool kInlineNode =
    sizeof(Body) <= kInlineNodeBytes && alignof(Body) <= 16 && std::is_nothrow_move_constructible_v<Body>;

template <class Body>
Body* node_body_in(void* storage) noexcept {
  if constexpr (kInlineNode<Body>) {
    return std::launder(static_cast<Body*>(storage));
  } else {
    Body* boxed = nullptr;
    std::memcpy(&boxed, storage, sizeof(boxed));
    return boxed;
  }
}

template <class Body, class Result>
bool run_node_body(const void* storage, std::byte* values, [[maybe_unused]] std::byte* result, Record& run) {
  const Body& body = *node_body_in<Body>(const_cast<void*>(storage));
  if constexpr (std::is_void_v<Result>) {
    body(values, run);
  } else if constexpr (std::is_reference_v<Result>) {
    construct_value<Stored<Result>>(result, [&] { return &body(values, run); });
  } else {
    construct_value<Result>(result, [&]() -> Result { return body(values, run); });
  }
  return true;
}

template <class Body>
void relocate_node_body(void* to, void* from) noexcept {
  Body* const body = node_body_in<Body>(from);
  ::new (to) Body(std::move(*body));
  std::destroy_at(body);
}

template <class Body>
void destroy_node_body(void* storage) noexcept {
  if constexpr (kInlineNode<Body>) {
    std::destroy_at(node_body_in<Body>(storage));
  } else {
    delete node_body_in<Body>(storage);
  }
}

template <class Body, class Result>
constexpr NodeOps make_node_ops() noexcept {
  static_assert(!kIsCoroutine<Result>, "a node cannot be a coroutine; spawn one in its body and wait for that");
  NodeOps ops{&run_node_body<Body, Result>, nullptr, nullptr, nullptr, result_type<Result>(), 0, Domain::kNative};
  if constexpr (kInlineNode<Body> && !std::is_trivially_copyable_v<Body>) ops.relocate = &relocate_node_body<Body>;
  if constexpr (!kInlineNode<Body> || !std::is_trivially_destructible_v<Body>)
    ops.destroy_body = &destroy_node_body<Body>;
  if constexpr (!std::is_void_v<Result>) {
    ops.destroy_result = value_destructor<Stored<Result>>();
    ops.result_bytes = kValueBytes<Stored<Result>>;
  }
  return ops;
}

template <class Body, class Result>
inline constexpr NodeOps kNodeOps = make_node_ops<Body, Result>();

template <class Body, class... Parts>
void construct_node_body(void* storage, Parts&&... parts) {
  if constexpr (kInlineNode<Body>) {
    ::new (storage) Body{std::forward<Parts>(parts)...};
  } else {
    auto* boxed = new Body{std::forward<Parts>(parts)...};
    std::memcpy(storage, &boxed, sizeof(boxed));
  }
}

template <class T>
void copy_initial(void* to, const void* from) {
  construct_value<T>(to, [&]() -> const T& { return *static_cast<const T*>(from); });
}
template <class T>
void free_initial(void* initial) noexcept {
  delete static_cast<T*>(initial);
}
template <class T>
void move_binding(void* to, void* value) {
  construct_value<T>(to, [&]() -> T&& { return std::move(*static_cast<T*>(value)); });
}
template <class T>
inline constexpr ArgumentOps kArgumentOps{&copy_initial<T>, value_destructor<T>(), &free_initial<T>, kValueBytes<T>};

}  // namespace detail
}  // namespace polyreme
