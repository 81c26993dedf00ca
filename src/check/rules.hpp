// The single rules; checker.cpp calls them all. Each adds what it finds to the report.
#pragma once

#include "check/history.hpp"
#include "check/report.hpp"
#include "check/trace.hpp"
#include "gph/model.hpp"

namespace polyreme::check {

// task_rules.cpp
void check_complete(const Trace& trace, Report& report);
void check_exactly_once(const Trace& trace, const History& history, Report& report);
void check_order(const Trace& trace, const History& history, Report& report);
void check_failure(const Trace& trace, const History& history, Report& report);

// slot_rules.cpp
void check_slots(const Trace& trace, Report& report);
void check_workers(const Trace& trace, Report& report);

// graph_rule.cpp
void check_graph(const Trace& trace, const History& history, const gph::Graph& graph, Report& report);

}  // namespace polyreme::check
