#include "check/rules.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace polyreme::check {
namespace {

constexpr std::string_view kRule = "graph";

// Names are compared without spaces: "T[1, 2]" and "T[1,2]" are the same task.
std::string compact(std::string_view name) {
  std::string text;
  text.reserve(name.size());
  std::ranges::copy_if(name, std::back_inserter(text), [](char c) { return c != ' '; });
  return text;
}

std::string describe(const gph::Graph& graph, gph::TaskIndex task) {
  std::string text = graph.name(task);
  if (graph.line(task) != 0) text += " (line " + std::to_string(graph.line(task)) + " of the graph)";
  return text;
}

// For each task of the graph, the one of the trace with its name; tells of names that are missing, unknown or
// double.
std::vector<TaskIndex> match(const Trace& trace, const gph::Graph& graph, Report& report) {
  std::unordered_map<std::string, gph::TaskIndex> by_name;
  by_name.reserve(graph.task_count());
  for (gph::TaskIndex task = 0; task < graph.task_count(); ++task)
    by_name.emplace(compact(graph.name(task)), task);

  std::vector<TaskIndex> matches(graph.task_count(), kNoTask);
  for (TaskIndex task = 0; task < trace.tasks.size(); ++task) {
    if (trace.tasks[task].spawns == 0) continue;
    const auto found = by_name.find(compact(trace.name(task)));
    if (found == by_name.end())
      report.add(kRule, [&] { return describe(trace, task) + " is in the trace, but not in the graph"; });
    else if (matches[found->second] != kNoTask)
      report.add(kRule, [&] { return describe(trace, task) + " is in the trace more than once"; });
    else
      matches[found->second] = task;
  }
  for (gph::TaskIndex task = 0; task < graph.task_count(); ++task)
    if (matches[task] == kNoTask) report.add(kRule, [&] { return describe(graph, task) + " is not in the trace"; });
  return matches;
}

}  // namespace

void check_graph(const Trace& trace, const History& history, const gph::Graph& graph, Report& report) {
  const std::vector<TaskIndex> matches = match(trace, graph, report);
  for (gph::TaskIndex task = 0; task < graph.task_count(); ++task) {
    if (matches[task] == kNoTask || !history[matches[task]].ran) continue;
    const std::int64_t start = history[matches[task]].start_ns;
    for (const gph::TaskIndex other : graph.dependencies(task)) {
      if (matches[other] == kNoTask) continue;
      const TaskHistory& before = history[matches[other]];
      if (!before.ran || before.failed)
        report.add(kRule, [&] {
          return describe(graph, task) + " ran at " + describe_time(start) + ", but " + graph.name(other) +
                 ", which it depends on, " + (before.ran ? "failed" : "did not run");
        });
      else if (start < before.end_ns)
        report.add(kRule, [&] {
          return describe(graph, task) + " started at " + describe_time(start) + ", before " + graph.name(other) +
                 ", which it depends on, ended at " + describe_time(before.end_ns);
        });
    }
  }
}

}  // namespace polyreme::check
