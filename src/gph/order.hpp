// An order in which every task comes after those it depends on.
#pragma once

#include "gph/model.hpp"

#include <string>
#include <vector>

namespace polyreme::gph {

// Either all tasks in order, or one cycle: each task of it depends on the next, the last on the first.
struct Ordering {
  std::vector<TaskIndex> order;
  std::vector<TaskIndex> cycle;
};

// Keeps the order of the file wherever that is one; O(tasks + dependencies).
[[nodiscard]] Ordering find_order(const Graph& graph);

// The order in which to spawn the tasks. Throws std::invalid_argument that names the tasks of a cycle, which
// a graph made by hand may have; one that was read or generated has none.
[[nodiscard]] std::vector<TaskIndex> topological_order(const Graph& graph);

// "T[0] -> T[2] -> T[1] -> T[0]", the middle of a long cycle left out.
[[nodiscard]] std::string describe_cycle(const Graph& graph, const std::vector<TaskIndex>& cycle);

}  // namespace polyreme::gph
