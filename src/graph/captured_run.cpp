#include "graph/captured_run.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

namespace polyreme::graph {

CapturedRun::CapturedRun(const Plan& of)
    : plan(of), bodies_(of.bodies()), size_(of.size()), values_of_plan_(of.values()) {
  static_assert(sizeof(PlaceHeader) == 16);
  constexpr std::align_val_t kAlignment{std::max(alignof(NodePlace), alignof(PlaceHeader))};
  auto* const memory =
      static_cast<std::byte*>(::operator new(sizeof(NodePlace) * (std::size_t{size_} + 1), kAlignment));
  // The header ends where the places begin.
  auto* const first = reinterpret_cast<NodePlace*>(memory + sizeof(NodePlace));
  ::new (reinterpret_cast<PlaceHeader*>(first) - 1) PlaceHeader{this, nullptr};
  places_ = {first, FreePlaces{size_}};
  for (NodeIndex i = 0; i < size_; ++i) {
    NodePlace& place = *::new (first + i) NodePlace();
    const PlanNode& node = plan.nodes()[i];
    place.pending.store(node.predecessors, sync::memory_order_relaxed);
    place.domain = node.ops == nullptr ? detail::Domain::kNative : node.ops->domain;
    place.scalar_result = false;
    place.flags = tasks::kGraphNode;
    place.index = i;
    place.cause.store(0, sync::memory_order_relaxed);
  }
  values_.reset(static_cast<std::byte*>(
      ::operator new(detail::kValueUnit * std::max(of.value_units(), 1U), std::align_val_t{detail::kValueUnit})));
  for (const detail::Domain domain : {detail::Domain::kNative, detail::Domain::kInterpreter}) {
    Sources& one = sources(domain);
    one.pending.store(0, sync::memory_order_relaxed);
    one.domain = domain;
    one.scalar_result = false;
    one.flags = tasks::kGraphSources;
    one.run = this;
    one.next = 0;
  }
}

void CapturedRun::FreePlaces::operator()(NodePlace* places) const noexcept {
  std::destroy_n(places, size);
  constexpr std::align_val_t kAlignment{std::max(alignof(NodePlace), alignof(PlaceHeader))};
  ::operator delete(reinterpret_cast<std::byte*>(places) - sizeof(NodePlace), kAlignment);
}

std::uint32_t CapturedRun::fail(NodeIndex node, std::exception_ptr error, std::exception_ptr for_dependents) {
  std::uint32_t cause = 0;
  {
    const sync::Mutex::Guard guard(mutex);
    failures.push_back({node, std::move(error), std::move(for_dependents)});
    cause = static_cast<std::uint32_t>(failures.size());
  }
  trouble.fetch_or(kFailedNode, sync::memory_order_relaxed);  // published with the causes
  place(node).cause.store(cause, sync::memory_order_relaxed);
  return cause;
}

std::uint32_t CapturedRun::why_not(NodeIndex node, bool cancelling) noexcept {
  std::uint32_t cause = place(node).cause.load(sync::memory_order_relaxed);
  if (cause == 0) {
    if (!cancelling && (trouble.load(sync::memory_order_relaxed) & kCancelledRun) == 0) return 0;
    cancel_node(node);
    return kOnRequest;
  }
  cancelled.fetch_add(1, sync::memory_order_relaxed);
  return cause;
}

void CapturedRun::cancel_node(NodeIndex node) noexcept {
  trouble.fetch_or(kCancelledRun, sync::memory_order_relaxed);
  place(node).cause.store(kOnRequest, sync::memory_order_relaxed);
  cancelled.fetch_add(1, sync::memory_order_relaxed);
}

void CapturedRun::reset() noexcept {
  const bool in_trouble = trouble.load(sync::memory_order_relaxed) != 0;
  for (const Plan::Values::Result& one : values().results) {
    if (in_trouble && place(one.node).cause.load(sync::memory_order_relaxed) != 0) continue;
    one.destroy(value(one.place));
  }
  sources(detail::Domain::kNative).next = 0;
  sources(detail::Domain::kInterpreter).next = 0;
  if (!in_trouble) return;
  for (NodeIndex i = 0; i < size_; ++i)
    place(i).cause.store(0, sync::memory_order_relaxed);
  cancelled.store(0, sync::memory_order_relaxed);
  trouble.store(0, sync::memory_order_relaxed);
  failures.clear();
}

}  // namespace polyreme::graph
