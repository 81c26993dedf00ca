#include "base/ticks.hpp"

#include <algorithm>

namespace polyreme::base {

namespace {

std::uint64_t measure() noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr auto kSpan = std::chrono::microseconds(200);
  const auto begin = Clock::now();
  const std::uint64_t first = ticks();
  auto now = begin;
  while (now - begin < kSpan)
    now = Clock::now();
  const std::uint64_t last = ticks();
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(now - begin).count();
  return std::max<std::uint64_t>(1, (last - first) / static_cast<std::uint64_t>(us));
}

}  // namespace

std::uint64_t ticks_per_us() noexcept {
  static const std::uint64_t value = measure();
  return value;
}

}  // namespace polyreme::base
