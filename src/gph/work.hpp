// What a task does on the CPU, the same for both formats.
#pragma once

#include "gph/model.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace polyreme::gph {

// The body repeats `accesses` times: busy without the GIL, then busy with it. At least one access, so that a
// body without GIL accesses is one access with held_us 0.
struct CpuWork {
  double free_us = 0.0;  // without the GIL, in each access
  double held_us = 0.0;  // with the GIL, in each access
  std::uint64_t accesses = 1;
  std::uint32_t cores = 1;
  std::uint64_t memory_bytes = 0;

  [[nodiscard]] double total_us() const noexcept { return (free_us + held_us) * static_cast<double>(accesses); }
  [[nodiscard]] double total_held_us() const noexcept { return held_us * static_cast<double>(accesses); }
};

// A task accepts no device set that is just the CPU. what() names its line and what it accepts instead.
class NoCpuAlternative : public std::runtime_error {
 public:
  NoCpuAlternative(const Graph& graph, TaskIndex task);

  [[nodiscard]] TaskIndex task() const noexcept { return task_; }
  [[nodiscard]] std::uint32_t line() const noexcept { return line_; }

 private:
  TaskIndex task_;
  std::uint32_t line_;
};

// By the first alternative for the CPU, else the first for any device. Throws NoCpuAlternative.
[[nodiscard]] CpuWork cpu_work(const Graph& graph, TaskIndex task);

}  // namespace polyreme::gph
