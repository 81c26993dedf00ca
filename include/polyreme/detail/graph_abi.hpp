// The seam between the front of captured graphs (templates) and the compiled engine. Not for users: no stability is
// promised.
//
// A value place is room for one value in every run of a graph: the result of a node, or an argument. Bodies know places
// by their distance from the beginning of a run's values, in units of kValueUnit.
#pragma once

#include <polyreme/detail/abi.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>

namespace polyreme::runtime {
class CapturedGraph;
}

namespace polyreme::detail {

/// A body up to this size lives inside its node; a larger one on the heap.
inline constexpr std::size_t kInlineNodeBytes = 32;
inline constexpr std::size_t kValueUnit = 16;

/// What the engine can do with the body of a node, which it knows nothing about. `body` has kInlineNodeBytes.
struct NodeOps {
  /// Runs the body; on success its result is at `result`, if it has one. Several runs may call it at a time. False: the
  /// node is not done yet, and will be finished by somebody else.
  bool (*run)(const void* body, std::byte* values, std::byte* result, Record& run);
  /// Moves the body and destroys what is left; null: the bytes can be copied.
  void (*relocate)(void* to, void* from) noexcept;
  void (*destroy_body)(void* body) noexcept;     ///< null: nothing to do
  void (*destroy_result)(void* place) noexcept;  ///< null: nothing to do
  const std::type_info* result_type;             ///< typeid(void): none
  std::uint32_t result_bytes;
  Domain domain;
};

struct ArgumentOps {
  void (*copy)(void* to, const void* from);
  void (*destroy_value)(void* value) noexcept;  ///< null: nothing to do
  void (*free_initial)(void* initial) noexcept;
  std::uint32_t bytes;
};

/// What a handle of a node or an argument knows. Serial numbers of graphs are never used again; 0: an empty handle.
struct NodeReference {
  std::uint64_t graph = 0;
  std::uint32_t index = 0;
  std::uint32_t place = 0;
};

/// A value for an argument in one run. `construct` makes it at `to` out of `value`, once.
struct Binding {
  NodeReference argument;
  void* value;
  void (*construct)(void* to, void* value);
};

/// Where a node was made, in C++ or, if `elsewhere` is set, in another language; that one outlives the graph.
struct NodeSite {
  std::source_location here;
  const SpawnSite* elsewhere = nullptr;
};

using GraphHandle = std::shared_ptr<runtime::CapturedGraph>;

[[nodiscard]] GraphHandle make_graph(runtime::Engine& engine, std::string name);
/// Takes the body over, also when it throws. @throws UsageError.
[[nodiscard]] NodeReference add_node(runtime::CapturedGraph& graph, const NodeOps& ops, void* body,
                                     std::span<const NodeReference> predecessors, const NodeSite& site,
                                     std::string_view name);
/// Takes `initial` over.
[[nodiscard]] NodeReference add_argument(runtime::CapturedGraph& graph, const ArgumentOps& ops, void* initial);
[[nodiscard]] NodeReference add_graph(runtime::CapturedGraph& graph, const GraphHandle& inner,
                                      std::span<const NodeReference> predecessors, const NodeSite& site,
                                      std::string_view name);
/// Starts a run, and with `wait` helps with it and sleeps until it is over; the caller gets a reference to its record.
/// Failures of a run that was waited for are the caller's to report.
[[nodiscard]] Record& run_graph(runtime::CapturedGraph& graph, std::span<Binding> bindings, std::source_location site,
                                bool wait);
/// @throws UsageError for a handle of another graph, or an empty one.
void check_node(const runtime::CapturedGraph& graph, const NodeReference& node);
/// Waits for the run; then the place of the node's result, rethrowing why there is none.
[[nodiscard]] const void* node_result(Record& run, const NodeReference& node);
[[nodiscard]] std::size_t graph_size(const runtime::CapturedGraph& graph) noexcept;

}  // namespace polyreme::detail
