// How fast a graph could run on CPU cores, whoever schedules it.
#pragma once

#include "gph/model.hpp"

#include <cstdint>

namespace polyreme::gph {

struct Bounds {
  double critical_path_us = 0.0;  // the longest chain of dependent tasks
  double work_us = 0.0;           // time of all tasks
  double core_us = 0.0;           // the same, each task times the cores it holds
  double lock_us = 0.0;           // time with the GIL of all tasks; one at a time holds it
  std::uint32_t widest_task = 0;  // most cores that one task holds

  // No run on this many cores ends sooner. `workers` must be positive.
  [[nodiscard]] double makespan_us(std::uint32_t workers) const noexcept;
};

// Of the CPU alternatives, with dependencies as in the graph. Throws NoCpuAlternative (work.hpp) if a task
// has none and std::invalid_argument for a graph with a cycle. Start-up, overhead and data transfers count as
// nothing.
[[nodiscard]] Bounds cpu_bounds(const Graph& graph);

}  // namespace polyreme::gph
