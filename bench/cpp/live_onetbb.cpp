// What an unfinished node of a oneTBB flow graph occupies: a million of them behind one gate node.
#include "harness.hpp"
#include "memory.hpp"

#include <tbb/flow_graph.h>

#include <deque>

namespace polyreme::bench {
namespace {

using Node = tbb::flow::continue_node<tbb::flow::continue_msg>;

void live_nodes(const Options& options) {
  const TaskIndex tasks = 1'000'000 / options.divide;
  tbb::flow::graph graph;
  std::atomic<TaskIndex> ran{0};
  Node gate(graph, [](const tbb::flow::continue_msg&) {});
  std::deque<Node> nodes;

  const std::size_t before = resident_bytes();
  for (TaskIndex task = 0; task < tasks; ++task) {
    nodes.emplace_back(graph, [&ran](const tbb::flow::continue_msg&) { ran.fetch_add(1); });
    tbb::flow::make_edge(gate, nodes.back());
  }
  const std::size_t after = resident_bytes();

  gate.try_put(tbb::flow::continue_msg());
  graph.wait_for_all();
  if (ran.load() != tasks) throw std::runtime_error("not every node ran once");
  print_live("oneTBB flow graph", tasks, before, after);
}

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::live_nodes);
}
