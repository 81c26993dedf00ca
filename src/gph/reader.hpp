// Reads graph files of both formats; docs/reference/graph-files.md describes them.
#pragma once

#include "gph/model.hpp"
#include "gph/parse_error.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace polyreme::gph {

// The memory of a graph grows with its text and its tasks, and these bound both.
struct ReadLimits {
  std::uint64_t bytes = (std::uint64_t{1} << 32) - 1;
  std::uint64_t tasks = 100'000'000;
};

// Reads a whole file. Ids may be named before their line; every dependency exists, and there is no cycle.
// Throws ParseError for what the text says, std::system_error if the file cannot be read.
[[nodiscard]] Graph read_file(const std::filesystem::path& path, const ReadLimits& limits = {});

// The same for text in memory; `name` stands for the file in messages.
[[nodiscard]] Graph read_text(std::string_view text, std::string_view name = "<text>", const ReadLimits& limits = {});

}  // namespace polyreme::gph
