// What a picture shows of a graph besides its text.
#pragma once

#include "gph/model.hpp"

#include <cstdint>
#include <vector>

namespace polyreme::python {

// For each task the length of the longest chain of tasks that must end before it starts, counted in tasks.
[[nodiscard]] std::vector<std::uint32_t> levels(const gph::Graph& graph);

// Time of each task on the CPU in microseconds. Throws gph::NoCpuAlternative.
[[nodiscard]] std::vector<double> times_us(const gph::Graph& graph);

// The tasks of a chain that takes longest on the CPU, first to last. Throws gph::NoCpuAlternative.
[[nodiscard]] std::vector<gph::TaskIndex> critical_path(const gph::Graph& graph);

}  // namespace polyreme::python
