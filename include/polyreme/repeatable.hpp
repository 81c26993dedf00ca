// repeatable(): a body that may run again when it throws.
#pragma once

#include <type_traits>
#include <utility>

namespace polyreme {

/// Made by repeatable().
template <class Callable>
struct Repeatable {
  Callable callable;
};

/// Declares that a body may be called again, with the same arguments, when it has thrown:
///
///   rt.spawn({.retries = 3, .backoff = 10ms}, polyreme::repeatable(download), url);
///
/// Its arguments arrive by const reference.
template <class Callable>
[[nodiscard]] Repeatable<std::decay_t<Callable>> repeatable(Callable&& callable) {
  return {std::forward<Callable>(callable)};
}

}  // namespace polyreme
