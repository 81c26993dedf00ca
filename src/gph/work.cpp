#include "gph/work.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace polyreme::gph {
namespace {

std::string describe(const Graph& graph, TaskIndex task) {
  std::string text = "task " + graph.name(task);
  if (graph.line(task) != 0) text += " on line " + std::to_string(graph.line(task));
  text += " cannot run on the CPU: it accepts only ";
  for (std::size_t i = 0; i < graph.alternative_count(task); ++i) {
    if (i != 0) text += " or ";
    text += to_string(graph.alternative(task, i).targets);
  }
  return text + "; give it an alternative for the CPU";
}

std::optional<Demand> demand_on(const Graph& graph, TaskIndex task, std::int32_t target) {
  for (std::size_t i = 0; i < graph.alternative_count(task); ++i) {
    const Alternative alternative = graph.alternative(task, i);
    if (alternative.targets.size() == 1 && alternative.targets[0] == target) return alternative.demand;
  }
  return std::nullopt;
}

}  // namespace

NoCpuAlternative::NoCpuAlternative(const Graph& graph, TaskIndex task)
    : std::runtime_error(describe(graph, task)), task_(task), line_(graph.line(task)) {}

CpuWork cpu_work(const Graph& graph, TaskIndex task) {
  std::optional<Demand> demand = demand_on(graph, task, kAnyCpu);
  if (!demand) demand = demand_on(graph, task, kAnyDevice);
  if (!demand) throw NoCpuAlternative(graph, task);

  CpuWork work;
  work.cores = static_cast<std::uint32_t>(std::ceil(demand->share));
  work.memory_bytes = demand->memory_bytes;
  if (demand->gil_accesses == 0) {
    work.free_us = demand->time_us;
    return work;
  }
  work.accesses = demand->gil_accesses;
  const double per_access = demand->time_us / static_cast<double>(demand->gil_accesses);
  if (graph.format() == Format::one) {
    work.free_us = per_access;
    work.held_us = demand->gil;
  } else {
    work.free_us = per_access * (1.0 - demand->gil);
    work.held_us = per_access * demand->gil;
  }
  return work;
}

}  // namespace polyreme::gph
