// A captured graph as the engine knows it: its plan, and the runs that wait to be used again.
//
// Owners. The mutex guards the plan while it changes and the list of resting runs. While a run is in flight the plan
// does not change, so runs read it without the lock; when it is over, they only use what they keep of it. A graph lives
// as long as a handle of it, a run in flight or a handle of a run; it keeps a block of its engine, so that the engine
// is there as long (runtime/shutdown.cpp).
//
// A run belongs to the record of its task, which holds its address as its body, and rests again when that record is
// freed: until then its results can be read.
#pragma once

#include "graph/captured_run.hpp"
#include "runtime/engine.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace polyreme::runtime {

/// A run, and what the engine knows of it besides.
struct GraphRun : graph::CapturedRun {
  using CapturedRun::CapturedRun;

  std::shared_ptr<CapturedGraph> owner;  ///< while it does not rest
  tasks::Record* record = nullptr;
  GraphRun* outermost = nullptr;      ///< itself, unless it is that of a node
  GraphRun* parent = nullptr;         ///< the run whose node this run is …
  graph::NodeIndex parent_node = 0;   ///< … and the node
  std::size_t arguments = 0;          ///< that are there
  bool reported = false;              ///< failures reach the user by whoever waits for the run
  std::uint64_t first_id = 0;         ///< of node 0 in a trace; 0: not traced
  std::vector<tasks::Record*> inner;  ///< under `mutex`: runs of nodes, with a reference to each
};

class CapturedGraph : public std::enable_shared_from_this<CapturedGraph> {
 public:
  CapturedGraph(Engine& engine, std::string name);
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;
  ~CapturedGraph();

  [[nodiscard]] Engine& engine() const noexcept { return engine_; }
  [[nodiscard]] const graph::Plan& plan() const noexcept { return plan_; }
  [[nodiscard]] std::string title() const { return name_.empty() ? "captured graph" : "captured graph " + name_; }

  detail::NodeReference add(const detail::NodeOps& ops, void* body, std::span<const detail::NodeReference> predecessors,
                            const detail::NodeSite& site, std::string_view name);
  detail::NodeReference add_argument(const detail::ArgumentOps& ops, void* initial);
  detail::NodeReference add_graph(const std::shared_ptr<CapturedGraph>& inner,
                                  std::span<const detail::NodeReference> predecessors, const detail::NodeSite& site,
                                  std::string_view name);
  /// @throws UsageError for a handle of another graph.
  void check(const detail::NodeReference& reference) const;
  /// True if a run of this graph runs `other`, or is it.
  [[nodiscard]] bool contains(const CapturedGraph& other) const;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::string name_of(graph::NodeIndex node) const;

  /// A run with its arguments, counted as in flight.
  [[nodiscard]] GraphRun& take(std::span<detail::Binding> bindings);
  /// All nodes of the run are finished, or it never began.
  void note_ended() noexcept;
  /// Nobody needs the run any more.
  static void give_back(GraphRun& run) noexcept;

 private:
  void check_resting_locked() const;
  static void bind(GraphRun& run, std::span<detail::Binding> bindings);
  static void destroy_arguments(GraphRun& run, std::size_t count) noexcept;

  Engine& engine_;
  const std::uint64_t serial_;
  const std::string name_;
  tasks::Record& anchor_;
  mutable std::mutex mutex_;
  graph::Plan plan_;
  std::vector<std::unique_ptr<GraphRun>> resting_;
  std::vector<std::shared_ptr<CapturedGraph>> inner_;
  std::uint32_t in_flight_ = 0;
};

/// The run that a record is the task of.
[[nodiscard]] GraphRun& run_of(const tasks::Record& record) noexcept;

/// The failures of a run that is over, as TaskErrors.
[[nodiscard]] std::exception_ptr errors_of(GraphRun& run);

/// Where a thread stands in a run. On the stack of Engine::replay; ThreadContext::replay is the innermost.
struct ReplayFrame {
  GraphRun* run;
  ReplayFrame* outer;
  graph::NodeIndex node = 0;  ///< whose body runs
  // Sources that this thread has taken up and not begun.
  const graph::NodeIndex* next = nullptr;
  const graph::NodeIndex* end = nullptr;
};

}  // namespace polyreme::runtime
