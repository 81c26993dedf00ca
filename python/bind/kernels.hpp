// Busy work of a known length: the bodies of the tasks of a graph file.
//
// The work is counted, not timed: a kernel of 100 us runs as many steps as take 100 us on a core that it has
// to itself. Preemption, or a core shared with others, makes it take longer and never makes it do less, as
// with a real kernel. Each step needs the result of the one before and little else of the core, so that a
// second hardware thread of the core hardly slows it.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>

namespace polyreme::python {

// Spins for this many steps, or until `*stop` is seen to be true, which is looked at about every millisecond.
void spin(std::uint64_t steps, const std::atomic<bool>& stop) noexcept;

// How fast this machine spins.
class SpinRate {
 public:
  // Measures, for some 10 to 40 ms of the calling thread.
  [[nodiscard]] static SpinRate measure() noexcept;

  [[nodiscard]] double steps_per_us() const noexcept { return steps_per_us_; }

  // What a spin took that was to take 1 us, measured after the rate was. Near 1 unless the machine is so
  // busy, or its clock so unsteady, that the rate is not to be trusted.
  [[nodiscard]] double verified_us() const noexcept { return verified_us_; }

  [[nodiscard]] std::uint64_t steps(double time_us) const noexcept {
    return static_cast<std::uint64_t>(std::round(time_us * steps_per_us_));
  }

 private:
  SpinRate(double steps_per_us, double verified_us) : steps_per_us_(steps_per_us), verified_us_(verified_us) {}

  double steps_per_us_;
  double verified_us_;
};

}  // namespace polyreme::python
