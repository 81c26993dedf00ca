// Dependencies from the data sections, for graphs whose files name what tasks touch but not in which order.
#pragma once

#include "gph/model.hpp"

namespace polyreme::gph {

// The same graph with these dependencies added, where `before` means earlier in topological_order(): a task
// comes after the last one before it that wrote or updated a block it touches, and one that writes or updates
// a block also after those that read it since. Dependencies that are there already are not repeated.
[[nodiscard]] Graph with_data_order(const Graph& graph);

}  // namespace polyreme::gph
