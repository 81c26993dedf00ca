// From one format to the other, for graphs that both can state.
#pragma once

#include "gph/model.hpp"

namespace polyreme::gph {

// The same graph, its times stated as format 1 states them. Whether format 1 can state the rest (named
// spaces, several alternatives, gangs, memory) is the writer's to tell. A graph of format 1 stays as it is.
[[nodiscard]] Graph as_format1(const Graph& graph);

}  // namespace polyreme::gph
