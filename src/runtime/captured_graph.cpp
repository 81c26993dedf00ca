#include "runtime/captured_graph.hpp"

#include <polyreme/errors.hpp>

#include "base/stored_pointer.hpp"
#include "runtime/threads.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace polyreme::runtime {

namespace {

std::atomic<std::uint64_t> next_serial{1};

/// The body of a node that runs another graph.
struct InnerGraph {
  std::shared_ptr<CapturedGraph> graph;
};

bool run_inner(const void* body, std::byte* /*values*/, std::byte* /*result*/, tasks::Record& run) {
  const auto* const inner = base::stored_pointer<InnerGraph>(body);
  return !Engine::of(run).start_inner_run(*inner->graph, run_of(run), this_thread.replay->node);
}

void destroy_inner(void* body) noexcept {
  delete base::stored_pointer<InnerGraph>(body);
}

constexpr detail::NodeOps kInnerOps{&run_inner,    nullptr, &destroy_inner,         nullptr,
                                    &typeid(void), 0,       detail::Domain::kNative};

}  // namespace

CapturedGraph::CapturedGraph(Engine& engine, std::string name)
    : engine_(engine), serial_(next_serial.fetch_add(1)), name_(std::move(name)), anchor_(engine.make()) {}

CapturedGraph::~CapturedGraph() {
  resting_.clear();
  engine_.release(anchor_);
}

void CapturedGraph::check(const detail::NodeReference& reference) const {
  if (reference.graph == serial_) return;
  if (reference.graph == 0) {
    throw UsageError("polyreme: an empty handle of a node or an argument; assign it from Graph::spawn() or argument()");
  }
  throw UsageError("polyreme: a node or an argument of another graph than this " + title() +
                   "; nodes depend on nodes of their own graph");
}

void CapturedGraph::check_resting_locked() const {
  if (in_flight_ != 0) {
    throw UsageError("polyreme: the " + title() + " cannot be changed while " + std::to_string(in_flight_) +
                     (in_flight_ == 1 ? " run of it is" : " runs of it are") + " in flight; wait for them first");
  }
}

detail::NodeReference CapturedGraph::add(const detail::NodeOps& ops, void* body,
                                         std::span<const detail::NodeReference> predecessors,
                                         const detail::NodeSite& site, std::string_view name) {
  std::vector<graph::NodeIndex> indices;
  indices.reserve(predecessors.size());
  for (const detail::NodeReference& one : predecessors) {
    check(one);
    indices.push_back(one.index);
  }
  const std::lock_guard lock(mutex_);
  check_resting_locked();
  const graph::NodeIndex index = plan_.add(ops, body, indices, site, name);
  return {serial_, index, plan_.nodes()[index].result};
}

detail::NodeReference CapturedGraph::add_argument(const detail::ArgumentOps& ops, void* initial) {
  const std::lock_guard lock(mutex_);
  check_resting_locked();
  const std::uint32_t index = plan_.add_argument(ops, initial);
  return {serial_, index, plan_.arguments()[index].place};
}

bool CapturedGraph::contains(const CapturedGraph& other) const {
  if (this == &other) return true;
  std::vector<std::shared_ptr<CapturedGraph>> inner;
  {
    const std::lock_guard lock(mutex_);
    inner = inner_;
  }
  return std::ranges::any_of(inner, [&](const auto& one) { return one->contains(other); });
}

detail::NodeReference CapturedGraph::add_graph(const std::shared_ptr<CapturedGraph>& inner,
                                               std::span<const detail::NodeReference> predecessors,
                                               const detail::NodeSite& site, std::string_view name) {
  if (&inner->engine_ != &engine_) {
    throw UsageError("polyreme: the " + inner->title() + " belongs to another runtime than the " + title());
  }
  if (inner->contains(*this)) throw UsageError("polyreme: the " + title() + " cannot be a node of itself");
  auto body = std::make_unique<InnerGraph>(InnerGraph{inner});
  {
    const std::lock_guard lock(mutex_);
    check_resting_locked();
    inner_.push_back(inner);
  }
  std::array<std::byte, detail::kInlineNodeBytes> storage{};
  base::store_pointer(storage.data(), body.get());
  const detail::NodeReference reference = add(kInnerOps, storage.data(), predecessors, site, name);
  static_cast<void>(body.release());  // NOLINT(bugprone-unused-return-value): the node owns it now
  return reference;
}

std::string CapturedGraph::name_of(graph::NodeIndex node) const {
  const std::lock_guard lock(mutex_);
  return plan_.name_of(node);
}

std::size_t CapturedGraph::size() const noexcept {
  const std::lock_guard lock(mutex_);
  return plan_.bodies();
}

GraphRun& CapturedGraph::take(std::span<detail::Binding> bindings) {
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    check(bindings[i].argument);
    const auto same = [&](const detail::Binding& other) { return other.argument.index == bindings[i].argument.index; };
    if (std::ranges::any_of(bindings.first(i), same))
      throw UsageError("polyreme: an argument of the " + title() + " is bound twice in one run");
  }
  std::unique_ptr<GraphRun> run;
  {
    const std::lock_guard lock(mutex_);
    plan_.seal();
    if (!resting_.empty() && !resting_.back()->fits()) resting_.clear();  // the graph has grown since
    if (!resting_.empty()) {
      run = std::move(resting_.back());
      resting_.pop_back();
    }
    if (run == nullptr) run = std::make_unique<GraphRun>(plan_);
    ++in_flight_;
  }
  run->owner = shared_from_this();
  try {
    bind(*run, bindings);
  } catch (...) {
    const std::shared_ptr<CapturedGraph> self = std::move(run->owner);
    note_ended();
    throw;
  }
  return *run.release();
}

void CapturedGraph::bind(GraphRun& run, std::span<detail::Binding> bindings) {
  const std::vector<graph::Plan::Argument>& arguments = run.values().arguments;
  std::size_t made = 0;
  try {
    for (; made < arguments.size(); ++made) {
      const auto bound =
          std::ranges::find(bindings, made, [](const detail::Binding& one) { return one.argument.index; });
      if (bound != bindings.end()) {
        bound->construct(run.value(arguments[made].place), bound->value);
      } else {
        arguments[made].ops->copy(run.value(arguments[made].place), arguments[made].initial);
      }
    }
  } catch (...) {
    destroy_arguments(run, made);
    throw;
  }
  run.arguments = made;
}

void CapturedGraph::destroy_arguments(GraphRun& run, std::size_t count) noexcept {
  const std::vector<graph::Plan::Argument>& arguments = run.values().arguments;
  for (std::size_t i = 0; i < count; ++i) {
    if (arguments[i].ops->destroy_value != nullptr) arguments[i].ops->destroy_value(run.value(arguments[i].place));
  }
}

void CapturedGraph::note_ended() noexcept {
  const std::lock_guard lock(mutex_);
  --in_flight_;
}

void CapturedGraph::give_back(GraphRun& run) noexcept {
  std::unique_ptr<GraphRun> own(&run);
  const std::shared_ptr<CapturedGraph> graph = std::move(run.owner);
  destroy_arguments(run, run.arguments);
  for (tasks::Record* inner : run.inner)
    graph->engine_.release(*inner);
  run.inner.clear();
  run.reset();
  run.record = nullptr;
  run.parent = nullptr;
  run.reported = false;
  run.first_id = 0;
  const std::lock_guard lock(graph->mutex_);
  if (!run.fits()) return;
  try {
    graph->resting_.push_back(std::move(own));
  } catch (const std::bad_alloc&) {
    return;  // the next run makes a new one
  }
}

GraphRun& run_of(const tasks::Record& record) noexcept {
  return *base::stored_pointer<GraphRun>(record.body);
}

}  // namespace polyreme::runtime

// ---- include/polyreme/detail/graph_abi.hpp

namespace polyreme::detail {

using runtime::CapturedGraph;
using runtime::Engine;

GraphHandle make_graph(Engine& engine, std::string name) {
  engine.check_open();
  return std::make_shared<CapturedGraph>(engine, std::move(name));
}

NodeReference add_node(CapturedGraph& graph, const NodeOps& ops, void* body,
                       std::span<const NodeReference> predecessors, const NodeSite& site, std::string_view name) {
  try {
    return graph.add(ops, body, predecessors, site, name);
  } catch (...) {
    if (ops.destroy_body != nullptr) ops.destroy_body(body);
    throw;
  }
}

NodeReference add_argument(CapturedGraph& graph, const ArgumentOps& ops, void* initial) {
  return graph.add_argument(ops, initial);
}

NodeReference add_graph(CapturedGraph& graph, const GraphHandle& inner, std::span<const NodeReference> predecessors,
                        const NodeSite& site, std::string_view name) {
  return graph.add_graph(inner, predecessors, site, name);
}

Record& run_graph(CapturedGraph& graph, std::span<Binding> bindings, std::source_location site, bool wait) {
  return graph.engine().run_graph(graph, bindings, site, wait);
}

void check_node(const CapturedGraph& graph, const NodeReference& node) {
  graph.check(node);
}

const void* node_result(Record& record, const NodeReference& node) {
  if ((tasks::flags_of(record) & tasks::state::kGraphRun) == 0)
    throw UsageError("polyreme: the graph had no nodes in this run; ask a later one");
  runtime::GraphRun& run = runtime::run_of(record);
  run.owner->check(node);
  Engine& engine = run.owner->engine();
  static_cast<void>(engine.wait_done(record, -1, nullptr));
  if (node.index >= run.bodies()) {
    throw UsageError("polyreme: " + run.owner->name_of(node.index) + " was added to the graph after this run");
  }
  const std::uint32_t cause = run.trouble.load(sync::memory_order_relaxed) == 0
                                  ? 0
                                  : run.place(node.index).cause.load(sync::memory_order_relaxed);
  if (cause == graph::kOnRequest) {
    throw TaskCancelled("polyreme: " + run.owner->name_of(node.index) + " did not run, because the run was cancelled");
  }
  if (cause != 0) {
    const graph::CapturedRun::NodeFailure& failure = run.failures[cause - 1];
    std::rethrow_exception(failure.node == node.index ? failure.error : failure.for_dependents);
  }
  return run.value(node.place);
}

std::size_t graph_size(const CapturedGraph& graph) noexcept {
  return graph.size();
}

}  // namespace polyreme::detail
