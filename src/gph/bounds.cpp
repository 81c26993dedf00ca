#include "gph/bounds.hpp"

#include "gph/order.hpp"
#include "gph/work.hpp"

#include <algorithm>
#include <vector>

namespace polyreme::gph {

double Bounds::makespan_us(std::uint32_t workers) const noexcept {
  return std::max({critical_path_us, core_us / workers, lock_us});
}

Bounds cpu_bounds(const Graph& graph) {
  Bounds bounds;
  std::vector<double> earliest_end(graph.task_count(), 0.0);
  for (const TaskIndex task : topological_order(graph)) {
    const CpuWork work = cpu_work(graph, task);
    const double time = work.total_us();
    double start = 0.0;
    for (const TaskIndex dependency : graph.dependencies(task))
      start = std::max(start, earliest_end[dependency]);
    earliest_end[task] = start + time;
    bounds.critical_path_us = std::max(bounds.critical_path_us, start + time);
    bounds.work_us += time;
    bounds.core_us += time * work.cores;
    bounds.lock_us += work.total_held_us();
    bounds.widest_task = std::max(bounds.widest_task, work.cores);
  }
  return bounds;
}

}  // namespace polyreme::gph
