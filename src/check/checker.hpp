// Judges the trace of a run. Nothing here is shared with the engine or with what wrote the trace.
//
// Rules, by the names that violations carry:
//   complete      nothing was dropped, and as many tasks were spawned as the engine counted
//   exactly-once  every task was spawned once and then ran once or was cancelled, not both; a body that was
//   suspended
//                 ran all its parts, one after the other
//   order         no task started before it was spawned, or before those it depends on had ended
//   failure       no task ran after one that failed or was cancelled; none was cancelled without such a cause
//   slot          no slot held two bodies at a time
//   workers       no slot beyond those of the runtime, and no more bodies at a time than it has workers
//   graph         the tasks of the graph file, and no others, ran in the order of its dependencies
#pragma once

#include "check/report.hpp"
#include "check/trace.hpp"
#include "gph/model.hpp"

#include <filesystem>

namespace polyreme::check {

// All rules but `graph`, or all of them if there is a graph.
[[nodiscard]] Report check_trace(const Trace& trace, const gph::Graph* graph = nullptr);

// The same for files; with `data_order`, the graph has the dependencies of gph::with_data_order too. Throws
// UnreadableTrace, and for an unreadable graph gph::ParseError or std::system_error.
[[nodiscard]] Report check_files(const std::filesystem::path& trace,
                                 const std::filesystem::path& graph = std::filesystem::path(), bool data_order = false);

}  // namespace polyreme::check
