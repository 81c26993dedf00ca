// A cheap clock for decisions that need no exact time: how long a hold has lasted, how long to spin.
#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace polyreme::base {

/// Monotonic per core, of unspecified unit; see ticks_per_us().
[[nodiscard]] inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// Measured once, at the first call (about 0.2 ms).
[[nodiscard]] std::uint64_t ticks_per_us() noexcept;

}  // namespace polyreme::base
