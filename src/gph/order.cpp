#include "gph/order.hpp"

#include <algorithm>
#include <stdexcept>

namespace polyreme::gph {
namespace {

constexpr std::size_t kShownCycle = 10;

enum class Mark : std::uint8_t { unseen, open, done };

struct Visit {
  TaskIndex task;
  std::size_t next_dependency;
};

}  // namespace

Ordering find_order(const Graph& graph) {
  Ordering result;
  result.order.reserve(graph.task_count());
  std::vector<Mark> marks(graph.task_count(), Mark::unseen);
  std::vector<Visit> path;

  // Depth first, dependencies before their task, tasks in the order of the file.
  for (TaskIndex root = 0; root < graph.task_count(); ++root) {
    if (marks[root] != Mark::unseen) continue;
    marks[root] = Mark::open;
    path.push_back({root, 0});
    while (!path.empty()) {
      Visit& top = path.back();
      const std::span<const TaskIndex> dependencies = graph.dependencies(top.task);
      if (top.next_dependency == dependencies.size()) {
        marks[top.task] = Mark::done;
        result.order.push_back(top.task);
        path.pop_back();
        continue;
      }
      const TaskIndex dependency = dependencies[top.next_dependency++];
      if (marks[dependency] == Mark::unseen) {
        marks[dependency] = Mark::open;
        path.push_back({dependency, 0});
      } else if (marks[dependency] == Mark::open) {
        const auto first = std::ranges::find_if(path, [&](const Visit& visit) { return visit.task == dependency; });
        for (auto visit = first; visit != path.end(); ++visit)
          result.cycle.push_back(visit->task);
        result.order.clear();
        return result;
      }
    }
  }
  return result;
}

std::vector<TaskIndex> topological_order(const Graph& graph) {
  Ordering found = find_order(graph);
  if (!found.cycle.empty())
    throw std::invalid_argument("the tasks wait for one another: " + describe_cycle(graph, found.cycle));
  return std::move(found.order);
}

std::string describe_cycle(const Graph& graph, const std::vector<TaskIndex>& cycle) {
  std::string text;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if (cycle.size() > kShownCycle && i == kShownCycle - 1) {
      text += "... (" + std::to_string(cycle.size()) + " tasks) -> ";
      i = cycle.size() - 1;
    }
    text += graph.name(cycle[i]) + " -> ";
  }
  return text + graph.name(cycle.front());
}

}  // namespace polyreme::gph
