// The parts of a line in which the two formats differ.
#pragma once

#include "gph/builder.hpp"
#include "gph/scanner.hpp"

#include <array>

namespace polyreme::gph {

// The space of an id that names none.
inline constexpr std::string_view kDefaultSpace = "T";

// An id as scanned; the name points into the text or at kDefaultSpace.
struct ParsedId {
  std::string_view space;
  std::array<std::int64_t, kMaxDimensions> indices{};
  std::size_t dimensions = 0;

  [[nodiscard]] TaskId view() const noexcept { return {space, std::span(indices).first(dimensions)}; }
};

struct Grammar {
  // The first line: adds the data blocks.
  void (*blocks)(LineScanner& in, GraphBuilder& graph);
  // An id; `space` is the space of an id that names none.
  ParsedId (*id)(LineScanner& in, std::string_view space);
  // The section after the id: adds the alternatives of the current task.
  void (*demand)(LineScanner& in, GraphBuilder& graph);
};

[[nodiscard]] const Grammar& grammar_of(Format format) noexcept;

extern const Grammar kGrammar1;
extern const Grammar kGrammar2;

// One or more whole numbers with commas between them; stops before anything else.
void scan_indices(LineScanner& in, ParsedId& id);

}  // namespace polyreme::gph
