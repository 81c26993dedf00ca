#include "check/checker.hpp"

#include "check/rules.hpp"
#include "gph/data_order.hpp"
#include "gph/reader.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace polyreme::check {
namespace {

void sum_up(const Trace& trace, const History& history, Report& report) {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  for (TaskIndex task = 0; task < trace.tasks.size(); ++task) {
    const TaskHistory& life = history[task];
    report.tasks += trace.tasks[task].spawns > 0 ? 1U : 0U;
    report.failed += life.failed ? 1U : 0U;
    report.cancelled += life.cancelled ? 1U : 0U;
    if (trace.tasks[task].spawns > 0) first = std::min(first, trace.tasks[task].spawned_ns);
    if (!life.ran) continue;
    first = std::min(first, life.start_ns);
    last = std::max(last, life.end_ns);
  }
  report.workers = trace.workers;
  report.makespan_ns = last > first ? last - first : 0;
}

}  // namespace

Report check_trace(const Trace& trace, const gph::Graph* graph) {
  const History history(trace);
  Report report;
  sum_up(trace, history, report);
  check_complete(trace, report);
  check_exactly_once(trace, history, report);
  check_order(trace, history, report);
  check_failure(trace, history, report);
  check_slots(trace, report);
  check_workers(trace, report);
  if (graph != nullptr) check_graph(trace, history, *graph, report);
  return report;
}

Report check_files(const std::filesystem::path& trace, const std::filesystem::path& graph, bool data_order) {
  std::optional<gph::Graph> expected;
  if (!graph.empty()) expected = gph::read_file(graph);
  if (expected && data_order) expected = gph::with_data_order(*expected);
  return check_trace(read_trace(trace), expected ? &*expected : nullptr);
}

}  // namespace polyreme::check
