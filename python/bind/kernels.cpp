#include "kernels.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace polyreme::python {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::atomic<bool> kNeverStop{false};

// About a millisecond on any machine of today.
constexpr std::uint64_t kStepsBetweenLooks = 1 << 20;

void spin_on(std::uint64_t steps) noexcept {
  // One multiplication and one addition, each waiting for the last (the generator is Knuth's MMIX). The
  // empty asm keeps the compiler from computing several steps at once.
  std::uint64_t value = steps;
  for (std::uint64_t i = 0; i < steps; ++i) {
    value = value * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(value));
  }
}

double time_us(std::uint64_t steps) noexcept {
  const Clock::time_point begin = Clock::now();
  spin(steps, kNeverStop);
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// The shortest of several windows: everything that disturbs a window makes it longer. More windows are taken
// for as long as they find a shorter one, so that a busy machine gets more time and a quiet one is done soon.
double shortest_us(std::uint64_t steps) noexcept {
  constexpr int kCalm = 24;
  constexpr int kMost = 200;
  constexpr double kShorter = 0.998;
  double shortest = std::numeric_limits<double>::infinity();
  for (int window = 0, calm = 0; window < kMost && calm < kCalm; ++window) {
    const double taken = time_us(steps);
    calm = taken < shortest * kShorter ? 0 : calm + 1;
    shortest = std::min(shortest, taken);
  }
  return shortest;
}

}  // namespace

void spin(std::uint64_t steps, const std::atomic<bool>& stop) noexcept {
  while (steps > kStepsBetweenLooks) {
    spin_on(kStepsBetweenLooks);
    steps -= kStepsBetweenLooks;
    if (stop.load(std::memory_order_relaxed)) return;
  }
  spin_on(steps);
}

SpinRate SpinRate::measure() noexcept {
  // Windows long against the clock's own cost, short against a time slice, so that some are undisturbed.
  constexpr double kWindowUs = 100.0;
  constexpr int kRounds = 4;
  constexpr double kGood = 0.01;

  std::uint64_t steps = 1 << 12;
  while (time_us(steps) < kWindowUs)
    steps *= 2;
  double steps_per_us = static_cast<double>(steps) / shortest_us(steps);
  double verified_us = 0.0;
  for (int round = 0; round < kRounds; ++round) {
    const auto window = static_cast<std::uint64_t>(steps_per_us * kWindowUs);
    verified_us = shortest_us(window) / kWindowUs;
    if (verified_us > 1.0 - kGood) break;
    // The core sped up meanwhile, as cores do when they begin to work.
    steps_per_us /= verified_us;
  }
  return {steps_per_us, verified_us};
}

}  // namespace polyreme::python
