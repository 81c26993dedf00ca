// One run of a captured graph: its counters, its values, and what went wrong in it.
//
// Purpose. Several runs of one graph may be in flight, so what changes in a run stands apart from the plan
// (captured_plan.hpp): 16 bytes a node, which later runs use again.
//
// Fields and owners.
//   place(i).pending   predecessors of node i that have not finished. Counted down by whoever finishes one; whoever
//                      counts the last one sets it back to the number of predecessors and owns the node. So the
//                      counters are as they were once the run is over, however it went: a node that fails or is not run
//                      is finished like any other. Of a node with one predecessor the count is never touched.
//   place(i).cause     why the node did not run to its end, or 0. Written by predecessors before they count down (any
//                      cause of theirs will do), and by the owner.
//   trouble            marks; while it is 0, nobody looks at causes. Set before the first cause, and by cancellation.
//   values             of a node: its owner, then whoever runs after it
//   sources_           of a domain: whoever has taken their entry from a queue, until it is pushed again
//   failures           under mutex, until the run is over
//   plan               read until the run is over; then it may grow, and only values() tells of it
//   all others         whoever starts the run, before; then nobody changes them until it is over
//
// Who sees what. A count-down releases and the last one acquires, as in successors.hpp: a body sees what the bodies
// before it wrote, in the values as well. Nodes that go through a queue are published by it. The end of the run is the
// last count-down of the root gather, so it sees all of the run, and the next run of this object, which begins after
// somebody saw that end, sees the counters that were set back.
//
// The model is tests/model/captured_run.cpp.
#pragma once

#include "base/checks.hpp"
#include "graph/captured_plan.hpp"
#include "sync/atomic.hpp"
#include "sync/mutex.hpp"
#include "task/entry.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

namespace polyreme::graph {

class CapturedRun;

/// A node's place in a run. The first one of a run follows the address of the run (PlaceHeader).
struct NodePlace : tasks::Entry {
  NodeIndex index;
  sync::Atomic<std::uint32_t> cause;
};
static_assert(sync::kModelChecked || sizeof(NodePlace) == 16);

struct Sources : tasks::Entry {
  CapturedRun* run;
  NodeIndex next;  ///< position in Plan::sources of this domain
};

inline constexpr std::uint32_t kFailedNode = 1;  ///< in CapturedRun::trouble
inline constexpr std::uint32_t kCancelledRun = 2;
/// A cause is 1 + the position in `failures`, or this.
inline constexpr std::uint32_t kOnRequest = ~0U;

class CapturedRun {
 public:
  explicit CapturedRun(const Plan& plan);
  CapturedRun(const CapturedRun&) = delete;
  CapturedRun& operator=(const CapturedRun&) = delete;
  ~CapturedRun() = default;

  [[nodiscard]] NodePlace& place(NodeIndex index) noexcept { return places_[index]; }
  [[nodiscard]] std::byte* value(std::uint32_t place) noexcept { return values_.get() + detail::kValueUnit * place; }
  [[nodiscard]] Sources& sources(detail::Domain domain) noexcept { return sources_[static_cast<std::size_t>(domain)]; }
  [[nodiscard]] static CapturedRun& of(NodePlace& place) noexcept {
    return *reinterpret_cast<PlaceHeader*>(&place - place.index)[-1].run;
  }
  /// True if the plan is still what it was when this object was made.
  [[nodiscard]] bool fits() const noexcept { return plan.sealed() && plan.values() == values_of_plan_; }
  [[nodiscard]] const Plan::Values& values() const noexcept { return *values_of_plan_; }
  [[nodiscard]] NodeIndex bodies() const noexcept { return bodies_; }

  const Plan& plan;
  sync::Atomic<std::uint32_t> trouble{0};
  sync::Atomic<std::uint64_t> cancelled{0};  ///< nodes that did not run

  struct NodeFailure {
    NodeIndex node;
    std::exception_ptr error;
    std::exception_ptr for_dependents;
  };
  sync::Mutex mutex;
  std::vector<NodeFailure> failures;

  /// The node's body has failed. Returns the cause for its successors.
  std::uint32_t fail(NodeIndex node, std::exception_ptr error, std::exception_ptr for_dependents);
  /// The node whose body failed for that cause.
  [[nodiscard]] NodeIndex failed_node(std::uint32_t cause) {
    const sync::Mutex::Guard guard(mutex);
    return failures[cause - 1].node;
  }
  /// The node was asked to stop, and did.
  void cancel_node(NodeIndex node) noexcept;
  /// While there is trouble: why the node must not run, or 0. `cancelling`: because nothing must.
  [[nodiscard]] std::uint32_t why_not(NodeIndex node, bool cancelling) noexcept;
  /// The run is over and nobody needs its values any more: makes it ready for the next one.
  void reset() noexcept;

 private:
  struct PlaceHeader {
    CapturedRun* run;
    void* unused;
  };
  struct FreePlaces {
    NodeIndex size;
    void operator()(NodePlace* places) const noexcept;
  };
  struct FreeValues {
    void operator()(std::byte* values) const noexcept {
      ::operator delete(values, std::align_val_t{detail::kValueUnit});
    }
  };

  const NodeIndex bodies_;
  const NodeIndex size_;
  const std::shared_ptr<const Plan::Values> values_of_plan_;
  std::unique_ptr<NodePlace[], FreePlaces> places_;
  std::unique_ptr<std::byte[], FreeValues> values_;
  std::array<Sources, 2> sources_;
};

/// Nodes of one gather that have finished and are not counted yet: a thread counts them when it meets another gather,
/// or has nothing more to do for the run.
class Gathering {
 public:
  /// True: the run is over.
  [[nodiscard]] bool add(CapturedRun& run, NodeIndex gather) noexcept {
    bool over = false;
    if (gather != gather_ && count_ != 0) over = flush(run);
    gather_ = gather;
    ++count_;
    return over;
  }
  [[nodiscard]] bool flush(CapturedRun& run) noexcept;
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

 private:
  NodeIndex gather_ = 0;
  std::uint32_t count_ = 0;
};

/// Counts `count` predecessors of a node. True: they were the last; the count is set back, the caller owns the node.
template <class Pending>
[[nodiscard]] inline bool count_down_and_reset(Pending& pending, std::uint32_t count, std::uint32_t all) noexcept {
  // Nobody else is left to count: no read-modify-write is needed. Acquire: the others' count-downs.
  if (pending.load(sync::memory_order_acquire) != count &&
      pending.fetch_sub(count, sync::memory_order_acq_rel) != count) {
    return false;
  }
  // Relaxed: the next to count comes in the next run, which begins after this one is over.
  pending.store(all, sync::memory_order_relaxed);
  return true;
}

inline bool Gathering::flush(CapturedRun& run) noexcept {
  const Plan& plan = run.plan;
  while (count_ != 0) {
    const PlanNode& gather = plan.nodes()[gather_];
    if (!count_down_and_reset(run.place(gather_).pending, count_, gather.predecessors)) {
      count_ = 0;
      return false;
    }
    count_ = gather.degree;  // 1, or 0 of the root
    if (count_ == 0) return true;
    gather_ = gather.successors[0] & kEdgeIndex;
  }
  return false;
}

/// After a node has run to its end, or will not run: tells its successors. `cause` is 0 after success. `ready(index)`
/// takes over each node that became ready. True: the run is over.
template <class Ready>
[[nodiscard]] inline bool finish_node(CapturedRun& run, const PlanNode& node, std::uint32_t cause, Gathering& gathering,
                                      Ready&& ready) noexcept {
  bool over = false;
  for (const std::uint32_t edge : run.plan.edges_of(node)) {
    const NodeIndex index = edge & kEdgeIndex;
    if ((edge & kToGather) != 0) {
      over |= gathering.add(run, index);
      continue;
    }
    // Relaxed: published by the count-down, or with the node itself.
    if (cause != 0) [[unlikely]]
      run.place(index).cause.store(cause, sync::memory_order_relaxed);
    if ((edge & kSolePredecessor) != 0 ||
        count_down_and_reset(run.place(index).pending, 1, run.plan.nodes()[index].predecessors)) {
      ready(index);
    }
  }
  return over;
}

}  // namespace polyreme::graph
