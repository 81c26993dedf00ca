#include "check/command.hpp"

#include "check/checker.hpp"

#include <exception>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace polyreme::check {
namespace {

constexpr int kVerified = 0;
constexpr int kViolated = 1;
constexpr int kUnusable = 2;

constexpr std::size_t kShown = 20;

constexpr std::string_view kUsage =
    "usage: polyreme-check TRACE [--graph GRAPH [--data-order]] [--json]\n"
    "\n"
    "Checks the trace of a polyreme run: that every task ran exactly once (or was cancelled with a\n"
    "cause), after all it depends on, on a slot of its own, and never more at a time than there are\n"
    "workers.\n"
    "\n"
    "  --graph GRAPH  also compare with this graph file: the same tasks, every dependency respected\n"
    "  --data-order   with --graph: also the order in which its tasks touch data\n"
    "  --json         print one JSON object instead of text\n"
    "\n"
    "Exit status: 0 verified, 1 violated, 2 misuse or an unreadable file.\n";

struct Arguments {
  std::string trace;
  std::string graph;
  bool data_order = false;
  bool json = false;
  bool help = false;
};

class Misuse : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

Arguments parse(std::span<const char* const> words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--json") {
      arguments.json = true;
    } else if (word == "--data-order") {
      arguments.data_order = true;
    } else if (word == "--help" || word == "-h") {
      arguments.help = true;
    } else if (word == "--graph") {
      ++i;
      if (i == words.size() || words[i][0] == '\0') throw Misuse("--graph needs the name of a graph file");
      arguments.graph = words[i];
    } else if (word.starts_with('-') && word.size() > 1) {
      throw Misuse("there is no option '" + std::string(word) + "'");
    } else if (!arguments.trace.empty()) {
      throw Misuse("one trace at a time, but '" + arguments.trace + "' and '" + std::string(word) + "' are given");
    } else {
      arguments.trace = word;
    }
  }
  if (arguments.trace.empty() && !arguments.help) throw Misuse("the name of a trace file is missing");
  if (arguments.data_order && arguments.graph.empty()) throw Misuse("--data-order needs --graph GRAPH");
  return arguments;
}

void print_json(const Report& report, std::ostream& out) {
  nlohmann::ordered_json object{{"verified", report.verified()},
                                {"tasks", report.tasks},
                                {"failed", report.failed},
                                {"cancelled", report.cancelled},
                                {"workers", report.workers},
                                {"makespan_s", static_cast<double>(report.makespan_ns) * 1e-9},
                                {"violation_count", report.violation_count},
                                {"violations", nlohmann::ordered_json::array()}};
  for (const auto& violation : report.violations)
    object["violations"].push_back({{"rule", violation.rule}, {"message", violation.message}});
  out << object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void print_text(const Report& report, bool with_graph, std::ostream& out) {
  if (report.verified()) {
    out << "verified: " << report.tasks << " tasks on " << report.workers << " workers in " << std::fixed
        << std::setprecision(3) << static_cast<double>(report.makespan_ns) * 1e-6
        << " ms; each ran once, in order, on a slot of its own" << (with_graph ? ", as in the graph" : "");
    if (report.failed != 0 || report.cancelled != 0)
      out << "; " << report.failed << " failed, " << report.cancelled << " cancelled";
    out << '\n';
    return;
  }
  out << "violated: " << report.violation_count << " violations in " << report.tasks << " tasks\n";
  for (std::size_t i = 0; i < report.violations.size() && i < kShown; ++i)
    out << "  " << report.violations[i].rule << ": " << report.violations[i].message << '\n';
  if (report.violation_count > kShown) out << "  and " << report.violation_count - kShown << " more\n";
}

}  // namespace

int run_command(std::span<const char* const> words, std::ostream& out, std::ostream& errors) {
  try {
    const Arguments arguments = parse(words);
    if (arguments.help) {
      out << kUsage;
      return kVerified;
    }
    const Report report = check_files(arguments.trace, arguments.graph, arguments.data_order);
    if (arguments.json)
      print_json(report, out);
    else
      print_text(report, !arguments.graph.empty(), out);
    return report.verified() ? kVerified : kViolated;
  } catch (const Misuse& error) {
    errors << "polyreme-check: " << error.what() << "\n\n" << kUsage;
  } catch (const std::exception& error) {
    errors << "polyreme-check: " << error.what() << '\n';
  }
  return kUnusable;
}

}  // namespace polyreme::check
