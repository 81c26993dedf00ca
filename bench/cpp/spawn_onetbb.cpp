// oneTBB's flow graph: one continue_node a task, built and then started at its sources.
#include "harness.hpp"

#include <tbb/flow_graph.h>
#include <tbb/global_control.h>

#include <deque>
#include <memory>

namespace polyreme::bench {
namespace {

using Node = tbb::flow::continue_node<tbb::flow::continue_msg>;

class FlowGraph {
 public:
  static constexpr std::string_view kName = "oneTBB flow graph";
  static constexpr bool kHasDependencies = true;

  explicit FlowGraph(unsigned slots) : limit_(tbb::global_control::max_allowed_parallelism, slots) {}

  template <Graph G>
  [[nodiscard]] auto run(CheckedRun<G>& run) {
    auto built = std::make_unique<Built>();
    auto& nodes = built->nodes;
    const TaskIndex tasks = run.graph().size();
    for (TaskIndex task = 0; task < tasks; ++task) {
      nodes.emplace_back(built->graph, [&run, task](const tbb::flow::continue_msg&) { run.body(task); });
      for (const TaskIndex before : run.graph().predecessors(task)) {
        tbb::flow::make_edge(nodes[before], nodes.back());
      }
    }
    // An edge that is added after its source has run is lost, so sources start when the graph is
    // complete.
    for (TaskIndex task = 0; task < tasks; ++task) {
      if (run.graph().predecessors(task).size() == 0) nodes[task].try_put(tbb::flow::continue_msg());
    }
    built->graph.wait_for_all();
    return built;
  }

 private:
  struct Built {
    tbb::flow::graph graph;
    std::deque<Node> nodes;
  };

  tbb::global_control limit_;
};

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::measure_all<polyreme::bench::FlowGraph>);
}
