// Runs the graph of a file on a runtime, every task as busy work of the length that the file states.
//
// Which road a task takes. A task of a graph file repeats: busy without the GIL, then busy with it.
//   - No time with the GIL: a native body. It never meets the interpreter.
//   - No time without it: an interpreter body, under the worker's one hold. Others that wait for the
//   interpreter meanwhile
//     do so in a queue and leave their slots to native work.
//   - Both: a native body that takes the GIL for each part that needs it. As an interpreter body it would
//   have to own the
//     GIL before it may begin its first part, which needs none: two such tasks would start one after the
//     other, and a task could not start while another one is in its part with the GIL. A native body starts
//     at once and meets the lock only where the file says so, which is what the lower bound max(critical
//     path, work / workers, lock) assumes.
#pragma once

#include "gph/model.hpp"
#include "kernels.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace polyreme::runtime {
class Engine;
}

namespace polyreme::python {

// A task asks for what no run can give it so far. what() names the task, its line, and what it asks for.
class NotRunnable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A graph made ready to be spawned again and again.
class GraphPlan {
 public:
  // Throws gph::NoCpuAlternative and NotRunnable. The graph must outlive the plan.
  GraphPlan(const gph::Graph& graph, const SpinRate& rate);

  // Spawns all tasks. Outside the interpreter, on a runtime that is kept open. `stop` ends bodies early and must
  // outlive them.
  void spawn(runtime::Engine& engine, const std::atomic<bool>& stop) const;

 private:
  struct Work {
    std::uint64_t free_steps;
    std::uint64_t held_steps;
    std::uint64_t accesses;
  };

  const gph::Graph& graph_;
  std::vector<gph::TaskIndex> order_;
  std::vector<Work> work_;
  std::vector<std::uint32_t> dependents_;  // how often a task is named as a dependency
};

void add_graph_run(nanobind::module_& module);

}  // namespace polyreme::python
