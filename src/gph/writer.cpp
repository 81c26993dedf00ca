#include "gph/writer.hpp"

#include "gph/grammar.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <concepts>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace polyreme::gph {
namespace {

constexpr std::size_t kFlushAt = std::size_t{1} << 20;

template <typename Number>
  requires std::integral<Number> || std::floating_point<Number>
void append(std::string& out, Number value) {
  std::array<char, 40> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), result.ptr);
}

template <typename Number>
void append_list(std::string& out, std::span<const Number> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) out += ", ";
    append(out, values[i]);
  }
}

// One number alone, several as a tuple.
template <typename Number>
void append_tuple(std::string& out, std::span<const Number> values) {
  if (values.size() > 1) out += '(';
  append_list(out, values);
  if (values.size() > 1) out += ')';
}

[[noreturn]] void refuse(const Graph& graph, TaskIndex task, const std::string& why) {
  throw std::invalid_argument("cannot write task " + graph.name(task) + ": " + why);
}

bool is_writable_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~' && c != '\'' && c != '"' && c != '\\'; });
}

void check_writable(const Graph& graph, TaskIndex task) {
  const TaskId id = graph.id(task);
  if (id.indices.empty()) refuse(graph, task, "its id has no index");
  if (!is_writable_name(id.space))
    refuse(graph, task, "the name of a space is printable ASCII without quotes and backslash");
  if (graph.alternative_count(task) == 0) refuse(graph, task, "it has no alternative");
  if (graph.format() == Format::two) return;

  if (id.space != kDefaultSpace) refuse(graph, task, "format 1 has no named spaces");
  if (graph.alternative_count(task) > 1) refuse(graph, task, "format 1 has one alternative a task");
  const Alternative only = graph.alternative(task, 0);
  if (only.targets.size() != 1) refuse(graph, task, "format 1 has no gangs");
  if (only.demand.memory_bytes != 0) refuse(graph, task, "format 1 cannot state memory");
  if (only.demand.share > 1) refuse(graph, task, "format 1 states shares as 1/n");
}

// Codes of the field `where` of format 1.
std::int32_t where_of(std::int32_t target) {
  switch (target) {
    case kAnyCpu:
      return 0;
    case kAnyGpu:
      return 1;
    case kAnyDevice:
      return 2;
    default:
      return target + 2;
  }
}

void append_blocks(std::string& out, const Graph& graph) {
  const auto append_block = [&](const Block& block) {
    if (graph.format() == Format::one) {
      append(out, block.elements);
      return;
    }
    out += '{';
    append(out, block.elements);
    out += " : ";
    append(out, block.home);
    out += '}';
  };
  if (graph.blocks().empty()) append_block({0, kHostHome});
  for (std::size_t i = 0; i < graph.blocks().size(); ++i) {
    if (i != 0) out += ", ";
    append_block(graph.blocks()[i]);
  }
  out += '\n';
}

// `named` says whether the space must be stated.
void append_id(std::string& out, const Graph& graph, const TaskId& id, bool named) {
  if (graph.format() == Format::one) {
    append_list(out, id.indices);
    return;
  }
  if (named) {
    out += "('";
    out += id.space;
    out += "', ";
  }
  append_tuple(out, id.indices);
  if (named) out += ')';
}

void append_demand1(std::string& out, const Alternative& alternative) {
  const Demand& demand = alternative.demand;
  append(out, demand.time_us);
  out += ", ";
  append(out, std::llround(1.0 / demand.share));
  out += ", ";
  append(out, where_of(alternative.targets[0]));
  out += ", ";
  append(out, demand.gil_accesses);
  out += ", ";
  append(out, demand.gil);
}

void append_demand2(std::string& out, const Alternative& alternative) {
  const Demand& demand = alternative.demand;
  out += '{';
  append_tuple(out, alternative.targets);
  out += " : ";
  append(out, demand.time_us);
  out += ", ";
  append(out, demand.share);
  out += ", ";
  append(out, demand.gil_accesses);
  out += ", ";
  append(out, demand.gil);
  out += ", ";
  append(out, demand.memory_bytes);
  out += '}';
}

void append_task(std::string& out, const Graph& graph, TaskIndex task) {
  check_writable(graph, task);
  const TaskId id = graph.id(task);
  const bool named = id.space != kDefaultSpace;
  append_id(out, graph, id, named);

  out += " | ";
  if (graph.format() == Format::one) {
    append_demand1(out, graph.alternative(task, 0));
  } else {
    for (std::size_t i = 0; i < graph.alternative_count(task); ++i) {
      if (i != 0) out += ", ";
      append_demand2(out, graph.alternative(task, i));
    }
  }

  out += " | ";
  const std::span<const TaskIndex> dependencies = graph.dependencies(task);
  for (std::size_t i = 0; i < dependencies.size(); ++i) {
    if (i != 0) out += " : ";
    const TaskId other = graph.id(dependencies[i]);
    append_id(out, graph, other, named || other.space != kDefaultSpace);
  }

  out += " | ";
  append_list(out, graph.reads(task));
  out += " : ";
  append_list(out, graph.writes(task));
  out += " : ";
  append_list(out, graph.updates(task));
  out += '\n';
}

}  // namespace

void write(const Graph& graph, std::ostream& out) {
  std::string pending;
  const auto flush = [&] {
    out.write(pending.data(), static_cast<std::streamsize>(pending.size()));
    pending.clear();
  };
  append_blocks(pending, graph);
  for (TaskIndex task = 0; task < graph.task_count(); ++task) {
    append_task(pending, graph, task);
    if (pending.size() >= kFlushAt) flush();
  }
  flush();
}

std::string to_text(const Graph& graph) {
  std::string text;
  append_blocks(text, graph);
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    append_task(text, graph, task);
  return text;
}

void write_file(const Graph& graph, const std::filesystem::path& path) {
  errno = 0;
  std::ofstream out(path, std::ios::binary);
  if (out) write(graph, out);
  out.close();
  if (!out)
    throw std::system_error(errno != 0 ? errno : EIO, std::generic_category(),
                            "cannot write graph file '" + path.string() + "'");
}

}  // namespace polyreme::gph
