// oneTBB's flow graph for the benchmarks of graphs that are run again: one continue_node a task, started at the
// sources.
#pragma once

#include "graphs.hpp"

#include <tbb/flow_graph.h>
#include <tbb/global_control.h>

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace polyreme::bench {

class CapturedFlowGraph {
 public:
  static constexpr std::string_view kName = "oneTBB flow graph";

  explicit CapturedFlowGraph(unsigned slots) : limit_(tbb::global_control::max_allowed_parallelism, slots) {}

  template <class G, class Body>
  [[nodiscard]] auto capture(const G& graph, Body body) {
    auto captured = std::make_unique<Captured>();
    for (TaskIndex task = 0; task < graph.size(); ++task) {
      captured->nodes.emplace_back(captured->graph, [body, task](const tbb::flow::continue_msg&) { body(task); });
      const Predecessors predecessors = graph.predecessors(task);
      for (const TaskIndex before : predecessors)
        tbb::flow::make_edge(captured->nodes[before], captured->nodes.back());
      if (predecessors.size() == 0) captured->sources.push_back(&captured->nodes.back());
    }
    return captured;
  }

 private:
  using Node = tbb::flow::continue_node<tbb::flow::continue_msg>;
  struct Captured {
    tbb::flow::graph graph;
    std::deque<Node> nodes;
    std::vector<Node*> sources;

    void run() {
      for (Node* source : sources)
        source->try_put(tbb::flow::continue_msg());
      graph.wait_for_all();
    }
  };

  tbb::global_control limit_;
};

}  // namespace polyreme::bench
