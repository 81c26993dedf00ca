// Makes graphs of well-known shapes, for measurements and studies.
//
//     Graph g = generate("stencil-1d", {{"width", "16"}, {"steps", "100"}, {"time_us", "50"}});
//
// kinds() lists the shapes and their options with defaults and ranges. All graphs are of format 2, their
// tasks in a valid spawn order, each with one alternative for the CPU.
#pragma once

#include "gph/model.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace polyreme::gph {

struct OptionInfo {
  std::string_view name;
  std::string_view help;
  double default_value = 0.0;
  double low = 0.0;  // smallest and largest value allowed
  double high = 0.0;
  bool whole = true;  // whole numbers only
};

struct KindInfo {
  std::string_view name;
  std::string_view summary;
  std::vector<OptionInfo> options;  // its own first, then those of every kind
};

// In the order in which to show them. The views stay valid.
[[nodiscard]] std::span<const KindInfo> kinds();

// Names and values as text, as they come from a command line.
using Options = std::map<std::string, std::string, std::less<>>;

// what() names the option or kind, the value, and what is allowed.
class BadOption : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Most tasks, and most dependencies, that a generated graph may have.
inline constexpr std::uint64_t kMaxGenerated = 20'000'000;

// Throws BadOption for an unknown kind or option, a value out of range, or a graph over kMaxGenerated.
[[nodiscard]] Graph generate(std::string_view kind, const Options& options = {});

}  // namespace polyreme::gph
