// Takes the place of src/base/ticks.hpp in the models: time passes when the checker likes.
#pragma once

#include "support/model.hpp"

#include <cstdint>

namespace polyreme::base {

/// Either no time has passed since the last call, or more than any search or hold may last.
[[nodiscard]] inline std::uint64_t ticks() noexcept {
  static std::uint64_t now = 0;
  now += model::choose(2) * 1000;
  return now;
}

[[nodiscard]] inline std::uint64_t ticks_per_us() noexcept {
  return 1;
}

}  // namespace polyreme::base
