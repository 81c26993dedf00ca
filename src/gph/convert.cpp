#include "gph/convert.hpp"

#include "gph/builder.hpp"

namespace polyreme::gph {
namespace {

// Format 2 has one time, and the fraction of it with the GIL in all; format 1 has the time without the GIL in
// all, and the time with it in each access.
Demand demand1(Demand demand) noexcept {
  if (demand.gil_accesses == 0) return demand;
  const double held_us = demand.time_us * demand.gil;
  demand.time_us -= held_us;
  demand.gil = held_us / static_cast<double>(demand.gil_accesses);
  return demand;
}

}  // namespace

Graph as_format1(const Graph& graph) {
  if (graph.format() == Format::one) return graph;
  GraphBuilder out(Format::one);
  for (const Block& block : graph.blocks())
    out.add_block(block);
  for (TaskIndex task = 0; task < graph.task_count(); ++task) {
    static_cast<void>(out.try_begin_task(graph.id(task), graph.line(task)));
    for (std::size_t i = 0; i < graph.alternative_count(task); ++i) {
      const Alternative alternative = graph.alternative(task, i);
      out.add_alternative(alternative.targets, demand1(alternative.demand));
    }
    for (const TaskIndex dependency : graph.dependencies(task))
      static_cast<void>(out.add_dependency(dependency));
    for (const std::uint32_t block : graph.reads(task))
      out.add_read(block);
    for (const std::uint32_t block : graph.writes(task))
      out.add_write(block);
    for (const std::uint32_t block : graph.updates(task))
      out.add_update(block);
  }
  return std::move(out).finish();
}

}  // namespace polyreme::gph
