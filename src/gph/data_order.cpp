#include "gph/data_order.hpp"

#include "gph/builder.hpp"
#include "gph/order.hpp"

#include <algorithm>
#include <limits>

namespace polyreme::gph {
namespace {

constexpr TaskIndex kNone = std::numeric_limits<TaskIndex>::max();

struct BlockHistory {
  TaskIndex last_writer = kNone;
  std::vector<TaskIndex> readers_since;
};

using Predecessors = std::vector<std::vector<TaskIndex>>;

Predecessors data_predecessors(const Graph& graph) {
  std::vector<BlockHistory> history(graph.blocks().size());
  Predecessors after(graph.task_count());
  for (const TaskIndex task : topological_order(graph)) {
    const auto come_after = [&](TaskIndex other) {
      if (other != kNone && other != task) after[task].push_back(other);
    };
    const auto write = [&](std::uint32_t block) {
      BlockHistory& past = history[block];
      // Those who read since the last writer come after it themselves.
      if (past.readers_since.empty()) come_after(past.last_writer);
      for (const TaskIndex reader : past.readers_since)
        come_after(reader);
      past.readers_since.clear();
      past.last_writer = task;
    };
    for (const std::uint32_t block : graph.reads(task)) {
      come_after(history[block].last_writer);
      history[block].readers_since.push_back(task);
    }
    for (const std::uint32_t block : graph.writes(task))
      write(block);
    for (const std::uint32_t block : graph.updates(task))
      write(block);
  }
  return after;
}

}  // namespace

Graph with_data_order(const Graph& graph) {
  Predecessors added = data_predecessors(graph);
  GraphBuilder result(graph.format());
  for (const Block& block : graph.blocks())
    result.add_block(block);
  for (TaskIndex task = 0; task < graph.task_count(); ++task) {
    static_cast<void>(result.try_begin_task(graph.id(task), graph.line(task)));
    for (std::size_t i = 0; i < graph.alternative_count(task); ++i) {
      const Alternative alternative = graph.alternative(task, i);
      result.add_alternative(alternative.targets, alternative.demand);
    }
    const std::span<const TaskIndex> stated = graph.dependencies(task);
    for (const TaskIndex dependency : stated)
      result.add_dependency(dependency);
    std::vector<TaskIndex>& more = added[task];
    std::ranges::sort(more);
    more.erase(std::ranges::unique(more).begin(), more.end());
    for (const TaskIndex dependency : more)
      if (std::ranges::find(stated, dependency) == stated.end()) result.add_dependency(dependency);
    for (const std::uint32_t block : graph.reads(task))
      result.add_read(block);
    for (const std::uint32_t block : graph.writes(task))
      result.add_write(block);
    for (const std::uint32_t block : graph.updates(task))
      result.add_update(block);
  }
  return std::move(result).finish();
}

}  // namespace polyreme::gph
