// The successor list of a task: who waits for it to be done.
//
// A lock-free stack (Treiber) whose head completion swaps with kClosed, once. Whoever finds it closed learns that the
// task is done: a dependency counts as met, a waiter need not sleep.
//
// Members are told apart by the low bits of their address:
//   inline edge (0)   an Edge inside the successor's own record; the record is the address rounded down to 128
//   block edge  (2)   a BlockEdge for tasks with more than three predecessors
//   listener    (4)   a waiter or callback; called once
//
// Ownership. A member belongs to its successor (or listener) and may be reused as soon as that one has been notified.
// So the walk reads `next` before it notifies. The head is shared; `next` is written before the push and read after the
// swap (release / acquire on the head).
#pragma once

#include "task/record.hpp"

#include <cstdint>

namespace polyreme::graph {

inline constexpr std::uintptr_t kBlockEdge = 2;
inline constexpr std::uintptr_t kListener = 4;
inline constexpr std::uintptr_t kTagBits = 7;

struct BlockEdge {
  std::uintptr_t next;
  tasks::Record* successor;
};

/// Something to be told once, when a task is done. `notify` runs on the completing thread, must not block and may
/// destroy the listener.
struct alignas(8) Listener {
  std::uintptr_t next = 0;
  void (*notify)(Listener& self, tasks::Record& done) noexcept = nullptr;
  /// The task whose body sleeps in this wait; null for others. Read by the deadlock search only.
  tasks::Record* waiting_body = nullptr;
};

/// Pushes a member whose tagged address is `member`. False: the task is done, nothing was pushed.
template <class Head>
[[nodiscard]] inline bool push_member(Head& head, std::uintptr_t& next, std::uintptr_t member) noexcept {
  // Acquire: on "closed" the caller goes on to read the result. Partner: close_list.
  std::uintptr_t old = head.load(sync::memory_order_acquire);
  do {
    if (old == tasks::kClosed) return false;
    next = old;
    // Release: publishes `next` (and the successor behind it) to close_list.
  } while (!head.compare_exchange_weak(old, member, sync::memory_order_release, sync::memory_order_acquire));
  return true;
}

/// Closes the list and returns its former head. Release: results become visible to whoever sees "closed"; acquire: the
/// members become visible here.
template <class Head>
[[nodiscard]] inline std::uintptr_t close_list(Head& head) noexcept {
  return head.exchange(tasks::kClosed, sync::memory_order_acq_rel);
}

[[nodiscard]] inline bool push_inline_edge(tasks::Record& predecessor, tasks::Edge& edge) noexcept {
  return push_member(predecessor.successors, edge.next, reinterpret_cast<std::uintptr_t>(&edge));
}

[[nodiscard]] inline bool push_block_edge(tasks::Record& predecessor, BlockEdge& edge) noexcept {
  return push_member(predecessor.successors, edge.next, reinterpret_cast<std::uintptr_t>(&edge) | kBlockEdge);
}

/// False: the task is done; the listener will not be called.
[[nodiscard]] inline bool push_listener(tasks::Record& task, Listener& listener) noexcept {
  return push_member(task.successors, listener.next, reinterpret_cast<std::uintptr_t>(&listener) | kListener);
}

/// One step of a walk over the members. Takes the tagged address, moves it on, returns the successor or null and the
/// listener or null. Reads the member before it returns, so the caller may notify at once.
struct Member {
  tasks::Record* successor = nullptr;
  Listener* listener = nullptr;
};

[[nodiscard]] inline Member next_member(std::uintptr_t& cursor) noexcept {
  const std::uintptr_t address = cursor & ~kTagBits;
  switch (cursor & kTagBits) {
    case kBlockEdge: {
      auto* edge = reinterpret_cast<BlockEdge*>(address);
      cursor = edge->next;
      return {edge->successor, nullptr};
    }
    case kListener: {
      auto* listener = reinterpret_cast<Listener*>(address);
      cursor = listener->next;
      return {nullptr, listener};
    }
    default: {
      cursor = reinterpret_cast<tasks::Edge*>(address)->next;
      return {reinterpret_cast<tasks::Record*>(address & ~(std::uintptr_t{sizeof(tasks::Record)} - 1)), nullptr};
    }
  }
}

/// Counts one met dependency of a waiting task. True: it was the last; the caller must make the task ready.
template <class Pending>
[[nodiscard]] inline bool count_down(Pending& pending) noexcept {
  // A count of 1 means that the caller is the only one left to count: no read-modify-write is needed. Acquire: partner
  // is the release of the other predecessors' count-downs (their effects must be visible to the body).
  if (pending.load(sync::memory_order_acquire) == 1) {
    // Release: partner is try_claim, which may read 0 in a helping waiter.
    pending.store(0, sync::memory_order_release);
    return true;
  }
  return pending.fetch_sub(1, sync::memory_order_acq_rel) == 1;
}

}  // namespace polyreme::graph
