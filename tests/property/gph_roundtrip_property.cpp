// Random graphs of both formats survive writing and reading; random edits of their text never do harm.
#include "gph/bounds.hpp"
#include "gph/builder.hpp"
#include "gph/data_order.hpp"
#include "gph/order.hpp"
#include "gph/reader.hpp"
#include "gph/work.hpp"
#include "gph/writer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace polyreme::gph {
namespace {

// A number as a file would hold it: often small and whole, sometimes with all its bits, never beyond `high`.
double number(double high) {
  const auto shape = *rc::gen::inRange(0, 3);
  if (shape == 0) return std::min(high, static_cast<double>(*rc::gen::inRange(0, 2000)));
  const auto bits = *rc::gen::arbitrary<std::uint64_t>();
  const double fraction = static_cast<double>(bits >> 11) * 0x1.0p-53;
  return shape == 1 ? fraction * std::min(high, 1.0) : fraction * high;
}

std::int64_t index() {
  return *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, 20), rc::gen::inRange<std::int64_t>(0, kMaxTaskNumber));
}

std::vector<std::int64_t> indices() {
  std::vector<std::int64_t> values(*rc::gen::inRange<std::size_t>(1, kMaxDimensions + 1));
  std::ranges::generate(values, index);
  return values;
}

std::string space(Format format) {
  if (format == Format::one) return "T";
  return *rc::gen::oneOf(rc::gen::just(std::string("T")),
                         rc::gen::element<std::string>("G", "P", "a name: (x, 1) | #"));
}

Demand demand(Format format, bool cpu_only) {
  Demand demand;
  demand.time_us = number(kMaxTimeUs);
  demand.gil_accesses = *rc::gen::inRange<std::uint64_t>(0, 5);
  if (format == Format::one) {
    demand.share = 1.0 / *rc::gen::inRange(1, 1'000'001);
    demand.gil = number(kMaxTimeUs);
    return demand;
  }
  demand.share = std::max(1e-6, number(cpu_only ? kMaxShare : 1.0));
  if (demand.gil_accesses > 0) demand.gil = number(1.0);
  demand.memory_bytes = *rc::gen::inRange<std::uint64_t>(0, kMaxBytes);
  return demand;
}

void add_alternatives(GraphBuilder& graph, Format format) {
  const auto target = rc::gen::inRange<std::int32_t>(kAnyDevice, 20);
  if (format == Format::one) {
    graph.add_alternative(*target, demand(format, false));
    return;
  }
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    std::vector<std::int32_t> gang{*target};
    for (int more = *rc::gen::inRange(0, 4); more > 0; --more)
      if (const std::int32_t next = *target; next == kAnyGpu || std::ranges::find(gang, next) == gang.end())
        gang.push_back(next);
    graph.add_alternative(gang, demand(format, gang == std::vector{kAnyCpu}));
  }
}

// Any graph that a file can say, with dependencies forwards and backwards but without cycles.
Graph random_graph(Format format) {
  GraphBuilder graph(format);
  const auto blocks = *rc::gen::inRange<std::uint32_t>(0, 5);
  for (std::uint32_t i = 0; i < blocks; ++i)
    graph.add_block({*rc::gen::inRange<std::uint64_t>(0, 3),
                     format == Format::one ? kHostHome : *rc::gen::inRange<std::int32_t>(kHostHome, 5)});

  const auto tasks = *rc::gen::inRange<TaskIndex>(0, 30);
  // A task may depend on those of a smaller rank, wherever they stand in the file.
  const auto ranks = *rc::gen::container<std::vector<std::uint32_t>>(tasks, rc::gen::arbitrary<std::uint32_t>());
  for (TaskIndex task = 0; task < tasks;) {
    const std::string name = space(format);
    const std::vector<std::int64_t> place = indices();
    if (!graph.try_begin_task({name, place})) continue;
    add_alternatives(graph, format);
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
      const auto other = *rc::gen::inRange<TaskIndex>(0, tasks);
      if (std::pair(ranks[other], other) < std::pair(ranks[task], task)) graph.add_dependency(other);
    }
    for (int i = *rc::gen::inRange(0, 4); blocks > 0 && i > 0; --i) {
      const auto block = *rc::gen::inRange<std::uint32_t>(0, blocks);
      switch (*rc::gen::inRange(0, 3)) {
        case 0:
          graph.add_read(block);
          break;
        case 1:
          graph.add_write(block);
          break;
        default:
          graph.add_update(block);
          break;
      }
    }
    ++task;
  }
  return std::move(graph).finish();
}

Format random_format() {
  return *rc::gen::element(Format::one, Format::two);
}

RC_GTEST_PROP(GphProperty, ReadingWhatWasWrittenGivesTheSameGraph, ()) {
  const Graph graph = random_graph(random_format());
  const std::string text = to_text(graph);
  const Graph again = read_text(text);
  RC_ASSERT(again == graph);
  RC_ASSERT(to_text(again) == text);
}

RC_GTEST_PROP(GphProperty, TheOrderRespectsEveryDependency, ()) {
  const Graph graph = random_graph(Format::two);
  const std::vector<TaskIndex> order = topological_order(graph);
  std::vector<TaskIndex> position(graph.task_count());
  RC_ASSERT(order.size() == position.size());
  for (TaskIndex i = 0; i < order.size(); ++i)
    position[order[i]] = i;
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    for (const TaskIndex other : graph.dependencies(task))
      RC_ASSERT(position[other] < position[task]);
}

// Data order is right if, of two tasks that touch a block and do not both only read it, one is before the
// other.
RC_GTEST_PROP(GphProperty, DataOrderOrdersEveryConflict, ()) {
  const Graph graph = with_data_order(random_graph(Format::two));
  std::vector<std::set<TaskIndex>> before(graph.task_count());
  for (const TaskIndex task : topological_order(graph)) {
    for (const TaskIndex other : graph.dependencies(task)) {
      before[task].insert(other);
      before[task].insert(before[other].begin(), before[other].end());
    }
  }
  const auto touches = [&](TaskIndex task, std::uint32_t block, bool writes_only) {
    const auto has = [&](std::span<const std::uint32_t> list) { return std::ranges::count(list, block) > 0; };
    return has(graph.writes(task)) || has(graph.updates(task)) || (!writes_only && has(graph.reads(task)));
  };
  for (TaskIndex a = 0; a < graph.task_count(); ++a)
    for (TaskIndex b = 0; b < a; ++b)
      for (std::uint32_t block = 0; block < graph.blocks().size(); ++block)
        if (touches(a, block, true) && touches(b, block, false))
          RC_ASSERT(before[a].contains(b) || before[b].contains(a));
}

// The longest path by brute force, and the bounds that follow from it.
RC_GTEST_PROP(GphProperty, BoundsAgreeWithABruteForceWalk, ()) {
  GraphBuilder builder(Format::two);
  const auto tasks = *rc::gen::inRange<TaskIndex>(1, 10);
  for (TaskIndex task = 0; task < tasks; ++task) {
    builder.begin_task("T", {task});
    builder.add_alternative(kAnyCpu, {.time_us = static_cast<double>(*rc::gen::inRange(0, 100))});
    for (TaskIndex other = 0; other < task; ++other)
      if (*rc::gen::inRange(0, 3) == 0) builder.add_dependency(other);
  }
  const Graph graph = std::move(builder).finish();
  double work = 0;
  double longest = 0;
  const auto walk = [&](const auto& self, TaskIndex task, double after) -> void {
    const double here = after + cpu_work(graph, task).total_us();
    longest = std::max(longest, here);
    for (const TaskIndex other : graph.dependencies(task))
      self(self, other, here);
  };
  for (TaskIndex task = 0; task < tasks; ++task) {
    work += cpu_work(graph, task).total_us();
    walk(walk, task, 0.0);
  }
  const Bounds bounds = cpu_bounds(graph);
  RC_ASSERT(bounds.critical_path_us == longest);
  RC_ASSERT(bounds.work_us == work);
  RC_ASSERT(bounds.makespan_us(3) == std::max(longest, work / 3));
}

RC_GTEST_PROP(GphProperty, AnEditedTextIsReadOrRefusedWithAPlace, ()) {
  std::string text = to_text(random_graph(random_format()));
  for (int edits = *rc::gen::inRange(1, 4); edits > 0 && !text.empty(); --edits) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        text.erase(at, *rc::gen::inRange<std::size_t>(1, 10));
        break;
      case 1:
        text.insert(at, 1, *rc::gen::element('0', '-', '9', ',', ':', '|', '(', ')', '{', '}', '\'', '\n', '#'));
        break;
      default:
        text[at] = *rc::gen::arbitrary<char>();
        break;
    }
  }
  const auto lines = 1 + std::ranges::count(text, '\n');
  try {
    const Graph graph = read_text(text, "edited.gph");
    RC_ASSERT(read_text(to_text(graph)) == graph);
  } catch (const ParseError& error) {
    RC_ASSERT(error.line() >= 1U);
    RC_ASSERT(error.line() <= lines);
    RC_ASSERT(error.column() >= 1U);
    RC_ASSERT(!error.reason().empty());
  }
}

}  // namespace
}  // namespace polyreme::gph
