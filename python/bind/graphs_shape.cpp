#include "graphs_shape.hpp"

#include "gph/order.hpp"
#include "gph/work.hpp"

#include <algorithm>

namespace polyreme::python {

using gph::TaskIndex;

std::vector<std::uint32_t> levels(const gph::Graph& graph) {
  std::vector<std::uint32_t> level(graph.task_count(), 0);
  for (const TaskIndex task : gph::topological_order(graph))
    for (const TaskIndex other : graph.dependencies(task))
      level[task] = std::max(level[task], level[other] + 1);
  return level;
}

std::vector<double> times_us(const gph::Graph& graph) {
  std::vector<double> times(graph.task_count());
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    times[task] = gph::cpu_work(graph, task).total_us();
  return times;
}

std::vector<TaskIndex> critical_path(const gph::Graph& graph) {
  constexpr TaskIndex kNone = ~TaskIndex{0};
  const std::vector<double> times = times_us(graph);
  std::vector<double> end(graph.task_count(), 0.0);
  std::vector<TaskIndex> before(graph.task_count(), kNone);
  TaskIndex last = kNone;
  for (const TaskIndex task : gph::topological_order(graph)) {
    double start = -1.0;
    for (const TaskIndex other : graph.dependencies(task)) {
      if (end[other] <= start) continue;
      start = end[other];
      before[task] = other;
    }
    end[task] = std::max(start, 0.0) + times[task];
    if (last == kNone || end[task] > end[last]) last = task;
  }
  std::vector<TaskIndex> path;
  for (; last != kNone; last = before[last])
    path.push_back(last);
  std::ranges::reverse(path);
  return path;
}

}  // namespace polyreme::python
