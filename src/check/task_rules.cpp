#include "check/rules.hpp"

#include <algorithm>

namespace polyreme::check {
namespace {

// The parts of one body: 0, 1, 2, … one after the other, of which only the final one is marked as the last.
void check_parts(const Trace& trace, TaskIndex task, std::span<const Slice> parts, Report& report) {
  constexpr std::string_view kRule = "exactly-once";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].duration_ns < 0)
      report.add(kRule, [&] {
        return describe(trace, task) + " ended before it started, at " + describe_time(parts[i].end_ns()) + " and " +
               describe_time(parts[i].start_ns);
      });
    if (i > 0 && parts[i].part == parts[i - 1].part) {
      report.add(kRule, [&] {
        return describe(trace, task) + " ran more than once: at " + describe_time(parts[i - 1].start_ns) + " and at " +
               describe_time(parts[i].start_ns);
      });
      return;
    }
    if (parts[i].part != static_cast<std::int64_t>(i)) {
      report.add(kRule, [&] {
        return "part " + std::to_string(i) + " of the body of " + describe(trace, task) + " is missing";
      });
      return;
    }
    if (i > 0 && parts[i].start_ns < parts[i - 1].end_ns())
      report.add(kRule, [&] {
        return describe(trace, task) + " resumed at " + describe_time(parts[i].start_ns) +
               ", before it was suspended at " + describe_time(parts[i - 1].end_ns());
      });
    const bool is_final = i + 1 == parts.size();
    if (parts[i].last && !is_final)
      report.add(kRule, [&] {
        return describe(trace, task) + " went on after its last part, at " + describe_time(parts[i + 1].start_ns);
      });
    if (!parts[i].last && is_final)
      report.add(kRule, [&] {
        return describe(trace, task) + " was suspended at " + describe_time(parts[i].end_ns()) + " and never ended";
      });
  }
}

// Which tasks are cancelled with a cause: the user's request, or one before them that failed or has a cause
// itself.
std::vector<bool> caused_cancellations(const Trace& trace, const History& history) {
  const std::size_t count = trace.tasks.size();
  std::vector<std::size_t> begin(count + 1, 0);
  for (const Edge& edge : trace.edges)
    ++begin[edge.after + 1];
  for (std::size_t task = 0; task < count; ++task)
    begin[task + 1] += begin[task];
  std::vector<std::size_t> next(begin.begin(), begin.end() - 1);
  std::vector<TaskIndex> successors(trace.edges.size());
  for (const Edge& edge : trace.edges)
    successors[next[edge.after]++] = edge.task;

  std::vector<bool> caused(count, false);
  std::vector<TaskIndex> open;
  for (const Cancellation& cancellation : trace.cancellations) {
    if (!cancellation.requested || caused[cancellation.task]) continue;
    caused[cancellation.task] = true;
    open.push_back(cancellation.task);
  }
  for (TaskIndex task = 0; task < count; ++task)
    if (history[task].failed) open.push_back(task);
  while (!open.empty()) {
    const TaskIndex task = open.back();
    open.pop_back();
    for (std::size_t i = begin[task]; i < begin[task + 1]; ++i) {
      const TaskIndex successor = successors[i];
      if (!history[successor].cancelled || caused[successor]) continue;
      caused[successor] = true;
      open.push_back(successor);
    }
  }
  return caused;
}

}  // namespace

void check_complete(const Trace& trace, Report& report) {
  if (trace.dropped != 0)
    report.add("complete", [&] {
      return "the trace is incomplete: " + std::to_string(trace.dropped) +
             " events were dropped for lack of memory; give the recorder more";
    });
  const auto spawned = std::ranges::count_if(trace.tasks, [](const Task& task) { return task.spawns > 0; });
  if (spawned != trace.declared_tasks)
    report.add("complete", [&] {
      return "the runtime counted " + std::to_string(trace.declared_tasks) + " tasks, but the trace has " +
             std::to_string(spawned);
    });
}

void check_exactly_once(const Trace& trace, const History& history, Report& report) {
  constexpr std::string_view kRule = "exactly-once";
  std::vector<std::uint32_t> cancellations(trace.tasks.size(), 0);
  for (const Cancellation& cancellation : trace.cancellations)
    ++cancellations[cancellation.task];

  for (TaskIndex task = 0; task < trace.tasks.size(); ++task) {
    const TaskHistory& life = history[task];
    const std::uint32_t spawns = trace.tasks[task].spawns;
    if (spawns == 0) report.add(kRule, [&] { return describe(trace, task) + " is mentioned, but was never spawned"; });
    if (spawns > 1)
      report.add(kRule, [&] { return describe(trace, task) + " was spawned " + std::to_string(spawns) + " times"; });
    if (spawns > 0 && !life.ran && !life.cancelled)
      report.add(kRule, [&] {
        return describe(trace, task) + " was spawned at " + describe_time(trace.tasks[task].spawned_ns) +
               ", but never ran and was not cancelled";
      });
    if (life.ran && life.cancelled)
      report.add(kRule,
                 [&] { return describe(trace, task) + " was cancelled, but ran at " + describe_time(life.start_ns); });
    if (cancellations[task] > 1)
      report.add(kRule, [&] {
        return describe(trace, task) + " was cancelled " + std::to_string(cancellations[task]) + " times";
      });
    check_parts(trace, task, history.slices(task), report);
  }
}

void check_order(const Trace& trace, const History& history, Report& report) {
  constexpr std::string_view kRule = "order";
  for (TaskIndex task = 0; task < trace.tasks.size(); ++task) {
    const std::int64_t spawned = trace.tasks[task].spawned_ns;
    if (trace.tasks[task].spawns > 0 && history[task].ran && history[task].start_ns < spawned)
      report.add(kRule, [&] {
        return describe(trace, task) + " started at " + describe_time(history[task].start_ns) +
               ", before it was spawned at " + describe_time(spawned);
      });
  }
  for (const Edge& edge : trace.edges) {
    const TaskHistory& task = history[edge.task];
    const TaskHistory& before = history[edge.after];
    if (!task.ran || before.cancelled) continue;
    if (!before.ran)
      report.add(kRule, [&] {
        return describe(trace, edge.task) + " started at " + describe_time(task.start_ns) + ", but " +
               describe(trace, edge.after) + ", which it depends on, never ran";
      });
    else if (task.start_ns < before.end_ns)
      report.add(kRule, [&] {
        return describe(trace, edge.task) + " started at " + describe_time(task.start_ns) + ", before " +
               describe(trace, edge.after) + ", which it depends on, ended at " + describe_time(before.end_ns);
      });
  }
}

void check_failure(const Trace& trace, const History& history, Report& report) {
  constexpr std::string_view kRule = "failure";
  for (const Edge& edge : trace.edges) {
    const TaskHistory& before = history[edge.after];
    if (history[edge.task].ran && (before.failed || before.cancelled))
      report.add(kRule, [&] {
        return describe(trace, edge.task) + " ran at " + describe_time(history[edge.task].start_ns) + " although " +
               describe(trace, edge.after) + ", which it depends on, " + (before.failed ? "failed" : "was cancelled");
      });
  }
  if (trace.cancellations.empty()) return;

  const std::vector<bool> caused = caused_cancellations(trace, history);
  for (const Cancellation& cancellation : trace.cancellations) {
    if (!caused[cancellation.task])
      report.add(kRule, [&] {
        return describe(trace, cancellation.task) + " was cancelled at " + describe_time(cancellation.time_ns) +
               " without a cause: nothing it depends on failed, and nobody asked for it";
      });
    if (cancellation.cause == kNoTask) continue;
    const TaskHistory& cause = history[cancellation.cause];
    if (!cause.failed && !cause.cancelled)
      report.add(kRule, [&] {
        return describe(trace, cancellation.task) + " was cancelled because of " + describe(trace, cancellation.cause) +
               ", which did not fail";
      });
    else if (cause.failed && cancellation.time_ns < cause.end_ns)
      report.add(kRule, [&] {
        return describe(trace, cancellation.task) + " was cancelled at " + describe_time(cancellation.time_ns) +
               ", before its cause " + describe(trace, cancellation.cause) + " failed at " +
               describe_time(cause.end_ns);
      });
  }
}

}  // namespace polyreme::check
