// Writes graph files; reading the result gives an equal graph.
#pragma once

#include "gph/model.hpp"

#include <filesystem>
#include <iosfwd>
#include <string>

namespace polyreme::gph {

// Both write the format of the graph. Throws std::invalid_argument if a task of a format 1 graph cannot be
// said in it (a named space, several alternatives, a gang, memory).
void write(const Graph& graph, std::ostream& out);
[[nodiscard]] std::string to_text(const Graph& graph);

// Throws std::system_error if the file cannot be written.
void write_file(const Graph& graph, const std::filesystem::path& path);

}  // namespace polyreme::gph
