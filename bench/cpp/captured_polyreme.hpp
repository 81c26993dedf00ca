// polyreme's captured graphs for the benchmarks: made once, run again and again.
#pragma once

#include <polyreme/graph.hpp>

#include "graphs.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace polyreme::bench {

class CapturedPolyreme {
 public:
  static constexpr std::string_view kName = "polyreme";

  explicit CapturedPolyreme(unsigned slots) : runtime_({.workers = slots}) {}

  template <class G, class Body>
  [[nodiscard]] auto capture(const G& graph, Body body) {
    auto captured = std::make_unique<polyreme::Graph>(runtime_);
    std::vector<Node<>> nodes;
    for (TaskIndex task = 0; task < graph.size(); ++task) {
      std::vector<Node<>> after;
      for (const TaskIndex before : graph.predecessors(task))
        after.push_back(nodes[before]);
      nodes.push_back(captured->spawn({.after = after}, [body, task] { body(task); }));
    }
    return captured;
  }

 private:
  Runtime runtime_;
};

}  // namespace polyreme::bench
