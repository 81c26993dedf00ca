#include "graph_run_check.hpp"

#include "check/checker.hpp"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace polyreme::python {
namespace {

namespace nb = nanobind;

// A trace that was judged.
class CheckedTrace {
 public:
  CheckedTrace(const std::filesystem::path& path, const gph::Graph* graph)
      : trace_(check::read_trace(path)), report_(check::check_trace(trace_, graph)) {}

  [[nodiscard]] const check::Report& report() const noexcept { return report_; }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> violations() const {
    std::vector<std::pair<std::string, std::string>> pairs;
    pairs.reserve(report_.violations.size());
    for (const check::Violation& violation : report_.violations)
      pairs.emplace_back(violation.rule, violation.message);
    return pairs;
  }

  // Tasks that ended on each slot, and how long it ran bodies.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::int64_t>> slots() const {
    std::vector<std::pair<std::uint64_t, std::int64_t>> rows(
        static_cast<std::size_t>(std::max<std::int64_t>(trace_.workers, 0)));
    for (const check::Slice& slice : trace_.slices) {
      if (slice.slot < 0 || slice.slot >= trace_.workers) continue;  // the report tells of it
      auto& [tasks, busy_ns] = rows[static_cast<std::size_t>(slice.slot)];
      tasks += slice.last ? 1 : 0;
      busy_ns += slice.duration_ns;
    }
    return rows;
  }

  using Row = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::string>;
  [[nodiscard]] std::vector<Row> slices() const {
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (const check::Task& task : trace_.tasks)
      if (task.spawns != 0) first = std::min(first, task.spawned_ns);
    for (const check::Slice& slice : trace_.slices)
      first = std::min(first, slice.start_ns);
    std::vector<Row> rows;
    rows.reserve(trace_.slices.size());
    for (const check::Slice& slice : trace_.slices)
      rows.emplace_back(slice.slot, slice.start_ns - first, slice.duration_ns, trace_.name(slice.task));
    return rows;
  }

 private:
  check::Trace trace_;
  check::Report report_;
};

template <typename Value>
auto fact(Value check::Report::* member) {
  return [member](const CheckedTrace& trace) { return trace.report().*member; };
}

}  // namespace

void add_graph_run_check(nb::module_& module) {
  const nb::exception<check::UnreadableTrace> error(module, "TraceFileError", PyExc_ValueError);
  nb::class_<CheckedTrace>(module, "CheckedTrace", "The trace of a run, and what the checker found in it.")
      .def_prop_ro("verified", [](const CheckedTrace& trace) { return trace.report().verified(); })
      .def_prop_ro("tasks", fact(&check::Report::tasks))
      .def_prop_ro("failed", fact(&check::Report::failed))
      .def_prop_ro("cancelled", fact(&check::Report::cancelled))
      .def_prop_ro("workers", fact(&check::Report::workers))
      .def_prop_ro("makespan_ns", fact(&check::Report::makespan_ns), "From the first spawn to the last end.")
      .def_prop_ro("violation_count", fact(&check::Report::violation_count))
      .def_prop_ro("violations", &CheckedTrace::violations, "The first of them: the rule, and what is against it.")
      .def_prop_ro("slots", &CheckedTrace::slots, "For each slot the tasks that ended there and its busy time in ns.")
      .def("slices", &CheckedTrace::slices,
           "Return slot, start and duration in ns, and task name of each time that a slot was busy.\n\n"
           "Times count from the first spawn.");
  module.def(
      "check_trace",
      [](const std::filesystem::path& path, const gph::Graph* graph) { return CheckedTrace(path, graph); },
      nb::arg("path"), nb::arg("graph") = nb::none(), nb::call_guard<nb::gil_scoped_release>(),
      nb::sig("def check_trace(path: str | os.PathLike[str], graph: Graph | None = None) -> CheckedTrace"),
      "Judge the trace of a run, and compare it with a graph if there is one.\n\n"
      "Raises:\n    TraceFileError: the file is no trace, or cannot be read.");
}

}  // namespace polyreme::python
