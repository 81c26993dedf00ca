#include "harness.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <stdexcept>

namespace polyreme::bench {
namespace {

constexpr std::array kGraphs = {Independent::kName, Chain::kName,  Tree::kName,      Reduction::kName,
                                Wavefront::kName,   Random::kName, RandomFar::kName, Stencil::kName};

unsigned parse_count(std::string_view option, std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) {
    throw std::invalid_argument(std::string(option) + " needs a positive number, not '" + std::string(text) + "'");
  }
  return value;
}

void print_list(std::ostream& out, std::string_view key, const std::vector<double>& values) {
  out << R"(, ")" << key << R"(": [)";
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3f", values[i]);
    out << (i == 0 ? "" : ", ") << text.data();
  }
  out << ']';
}

}  // namespace

bool Options::wants(std::string_view graph) const {
  return graphs.empty() || std::ranges::find(graphs, graph) != graphs.end();
}

Options parse_options(int argc, const char* const* argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) throw std::invalid_argument("nothing follows " + std::string(option));
    const std::string_view value = argv[i + 1];
    if (option == "--graph") {
      if (std::ranges::find(kGraphs, value) == kGraphs.end()) {
        throw std::invalid_argument("there is no graph '" + std::string(value) + "'");
      }
      options.graphs.emplace_back(value);
    } else if (option == "--repeats") {
      options.repeats = parse_count(option, value);
    } else if (option == "--slots") {
      options.slots = parse_count(option, value);
    } else if (option == "--divide") {
      options.divide = parse_count(option, value);
    } else {
      throw std::invalid_argument("unknown option '" + std::string(option) +
                                  "'; there are --graph, --repeats, --slots and --divide");
    }
  }
  return options;
}

void print_json(std::ostream& out, const Measurement& measurement) {
  out << R"({"runtime": ")" << measurement.runtime << R"(", "graph": ")" << measurement.graph << R"(", "tasks": )"
      << measurement.tasks << R"(, "slots": )" << measurement.slots;
  print_list(out, "ns_per_task", measurement.ns_per_task);
  print_list(out, "release_ns_per_task", measurement.release_ns_per_task);
  out << "}\n" << std::flush;
}

int guarded_main(int argc, const char* const* argv, void (*program)(const Options&)) {
  try {
    program(parse_options(argc, argv));
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 1;
  }
}

}  // namespace polyreme::bench
