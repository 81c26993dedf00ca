// The plan of a captured graph: what all its runs share.
//
// One node is one cache line: what its body is, where its result goes, and up to three successors; more stand in one
// array for the whole graph. Names, spawn sites and predecessors, which no run reads unless something fails, are apart.
//
// Phases. While a graph is being captured nodes are added, each with its predecessors: a node can only depend on
// earlier ones, so there are no cycles. seal() turns the edges round and adds what a run needs:
//   gathers   Nodes without a body that count the nodes at the ends of the graph, kFanIn each, and above them gathers
//             that count gathers, up to one root. When the root has counted, the run is over. So no counter is shared
//             by all tasks, and the end of a run costs what a dependency costs.
//   sources   The nodes without predecessors, by domain.
// A sealed plan is read by many threads and changed by none. unseal() takes the gathers away again.
//
// Not thread-safe; runtime/captured_graph.hpp sees to it that nobody changes a plan that a run uses.
#pragma once

#include <polyreme/detail/graph_abi.hpp>

#include "base/layout.hpp"
#include "sync/atomic.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace polyreme::graph {

using NodeIndex = std::uint32_t;

inline constexpr std::uint32_t kInlineSuccessors = 3;

// An edge is the index of the successor and these marks.
inline constexpr std::uint32_t kSolePredecessor = 1U << 31;  ///< ready with this edge: nothing needs to be counted
inline constexpr std::uint32_t kToGather = 1U << 30;
inline constexpr std::uint32_t kEdgeIndex = kToGather - 1;
inline constexpr std::size_t kMaxNodes = kEdgeIndex / 2;

struct alignas(base::kCacheLine) PlanNode {
  const detail::NodeOps* ops;                               ///< null: a gather
  std::array<std::uint32_t, kInlineSuccessors> successors;  ///< the edges; of more, [0] is where they begin
  std::uint32_t degree;
  std::uint32_t predecessors;
  std::uint32_t result;  ///< value place
  alignas(16) std::array<std::byte, detail::kInlineNodeBytes> body;
};
static_assert(sizeof(PlanNode) == base::kCacheLine);

class Plan {
 public:
  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan();

  // ---- capture
  /// Moves `body` into a new node. Nothing has changed when this throws.
  NodeIndex add(const detail::NodeOps& ops, void* body, std::span<const NodeIndex> predecessors,
                const detail::NodeSite& site, std::string_view name);
  /// Room for a value in every run.
  [[nodiscard]] std::uint32_t add_place(std::uint32_t bytes);
  struct Argument {
    const detail::ArgumentOps* ops;
    void* initial;
    std::uint32_t place;
  };
  std::uint32_t add_argument(const detail::ArgumentOps& ops, void* initial);

  /// What a run must know of its values when it is over and the plan may grow again.
  struct Values {
    struct Result {
      void (*destroy)(void* result) noexcept;
      NodeIndex node;
      std::uint32_t place;
    };
    std::vector<Argument> arguments;
    std::vector<Result> results;  ///< that have destructors
  };

  // ---- runs
  void seal();
  void unseal() noexcept;
  [[nodiscard]] bool sealed() const noexcept { return sealed_; }

  /// Nodes with a body.
  [[nodiscard]] NodeIndex bodies() const noexcept { return static_cast<NodeIndex>(cold_.size()); }
  /// All, gathers included. The last one is the root.
  [[nodiscard]] NodeIndex size() const noexcept { return size_; }
  [[nodiscard]] const PlanNode* nodes() const noexcept { return nodes_.get(); }
  [[nodiscard]] const std::uint32_t* edges() const noexcept { return edges_.data(); }
  [[nodiscard]] std::span<const std::uint32_t> edges_of(const PlanNode& node) const noexcept {
    return {node.degree <= kInlineSuccessors ? node.successors.data() : edges_.data() + node.successors[0],
            node.degree};
  }
  [[nodiscard]] const std::vector<NodeIndex>& sources(detail::Domain domain) const noexcept {
    return sources_[static_cast<std::size_t>(domain)];
  }
  [[nodiscard]] std::uint32_t value_units() const noexcept { return value_units_; }
  /// Never changed; another one after each change of the plan.
  [[nodiscard]] const std::shared_ptr<const Values>& values() const noexcept { return values_; }
  [[nodiscard]] const std::vector<Argument>& arguments() const noexcept { return arguments_; }

  [[nodiscard]] SpawnSite site_of(NodeIndex index) const;
  /// The user's name, or "node 7".
  [[nodiscard]] std::string name_of(NodeIndex index) const;
  [[nodiscard]] bool has_name(NodeIndex index) const { return names_.contains(index); }
  [[nodiscard]] std::span<const NodeIndex> predecessors_of(NodeIndex index) const noexcept {
    return {predecessors_.data() + cold_[index].first_predecessor, nodes_[index].predecessors};
  }

  /// Nodes that one gather counts.
  static constexpr std::uint32_t kFanIn = sync::kModelChecked ? 2 : 64;

 private:
  struct Cold {
    detail::NodeSite site;
    std::size_t first_predecessor;
  };
  struct FreeNodes {
    void operator()(PlanNode* nodes) const noexcept { ::operator delete(nodes, std::align_val_t{alignof(PlanNode)}); }
  };
  using Nodes = std::unique_ptr<PlanNode[], FreeNodes>;

  static Nodes allocate(std::size_t capacity);
  void reserve(std::size_t capacity);
  void add_gathers(const std::vector<std::uint32_t>& degrees);
  void connect(std::vector<std::uint32_t> degrees);

  Nodes nodes_;
  std::size_t capacity_ = 0;
  NodeIndex size_ = 0;
  std::vector<Cold> cold_;  ///< of the nodes with a body
  std::unordered_map<NodeIndex, std::string> names_;
  std::vector<NodeIndex> predecessors_;  ///< of all nodes with a body, one after the other
  std::vector<NodeIndex> gathered_;      ///< what the gathers count, in the order of the gathers
  std::vector<std::uint32_t> edges_;
  std::array<std::vector<NodeIndex>, 2> sources_;
  std::vector<NodeIndex> with_destructor_;
  std::vector<Argument> arguments_;
  std::shared_ptr<const Values> values_;
  std::uint32_t value_units_ = 0;
  bool sealed_ = false;
};

}  // namespace polyreme::graph
