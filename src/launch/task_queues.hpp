// The ready tasks of a lane, by domain and priority.
//
// Priority 0 has its queues from the start. The owner makes those of 1 and -1 at the first such task and publishes them
// by one pointer; they stay for as long as the lane. So a program without priorities pays for a look at that pointer,
// and no memory. Within one queue, the order is the deque's: newest first for the owner, oldest first for thieves.
//
// Owner: pushes and pops. Any thread: steals and looks.
#pragma once

#include "sync/atomic.hpp"
#include "sync/deque.hpp"
#include "task/entry.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace polyreme::launch {

using TaskQueue = sync::StealDeque<tasks::Entry*>;

inline constexpr std::array<int, 3> kHighestFirst{1, 0, -1};
inline constexpr std::array<int, 3> kLowestFirst{-1, 0, 1};

class TaskQueues {
 public:
  TaskQueues() = default;
  TaskQueues(const TaskQueues&) = delete;
  TaskQueues& operator=(const TaskQueues&) = delete;
  ~TaskQueues() { delete others_.load(sync::memory_order_relaxed); }

  // ---- The owner.

  /// Where an entry belongs. @throws std::bad_alloc
  [[nodiscard]] TaskQueue& of(const tasks::Entry& entry) {
    if ((entry.flags & tasks::kPrioritised) == 0) [[likely]]
      return plain(entry.domain);
    return of(entry.domain, tasks::priority_of(entry));
  }
  [[nodiscard]] TaskQueue& of(detail::Domain domain, int priority) {
    if (priority == 0) return plain(domain);
    Others* others = others_.load(sync::memory_order_relaxed);
    if (others == nullptr) {
      others = new Others;
      // seq_cst: partner is ready(). A sleeper's last look must not miss the queue that a task is pushed to next.
      others_.store(others, sync::memory_order_seq_cst);
    }
    return others->queue(domain, priority);
  }
  /// There has been a task with a priority.
  [[nodiscard]] bool has_priorities() const noexcept { return others_.load(sync::memory_order_relaxed) != nullptr; }
  /// A task of priority 1 is ready.
  [[nodiscard]] bool urgent_ready() const noexcept {
    const Others* const others = others_.load(sync::memory_order_relaxed);
    return others != nullptr && !(others->high[0].looks_empty() && others->high[1].looks_empty());
  }
  /// The newest task of the highest priority in one domain; false when there is none.
  [[nodiscard]] bool pop(detail::Domain domain, tasks::Entry*& entry) noexcept {
    if (!has_priorities()) [[likely]]
      return plain(domain).pop(entry);
    for (const int priority : kHighestFirst) {
      if (if_any(domain, priority)->pop(entry)) return true;
    }
    return false;
  }

  // ---- Any thread.

  /// The queue of priority 0.
  [[nodiscard]] TaskQueue& plain(detail::Domain domain) noexcept { return plain_[static_cast<std::size_t>(domain)]; }
  /// Null if there has been no task with a priority.
  [[nodiscard]] TaskQueue* if_any(detail::Domain domain, int priority) noexcept {
    if (priority == 0) return &plain(domain);
    Others* const others = others_.load(sync::memory_order_acquire);  // partner: of
    return others == nullptr ? nullptr : &others->queue(domain, priority);
  }
  /// How many tasks are ready in one domain: a snapshot, and part of the sleeper's last look.
  [[nodiscard]] std::uint32_t ready(detail::Domain domain) const noexcept {
    const auto at = static_cast<std::size_t>(domain);
    const std::uint32_t plain = plain_[at].size_hint();
    const Others* const others = others_.load(sync::memory_order_seq_cst);  // partner: of
    if (others == nullptr) [[likely]]
      return plain;
    return plain + others->high[at].size_hint() + others->low[at].size_hint();
  }
  /// The same in both domains.
  [[nodiscard]] std::uint32_t ready() const noexcept {
    if (others_.load(sync::memory_order_seq_cst) == nullptr) [[likely]]
      return plain_[0].size_hint() + plain_[1].size_hint();
    return ready(detail::Domain::kNative) + ready(detail::Domain::kInterpreter);
  }
  template <class Fn>
  void for_each(Fn&& fn) {
    for (const detail::Domain domain : {detail::Domain::kNative, detail::Domain::kInterpreter}) {
      for (const int priority : kHighestFirst) {
        if (TaskQueue* const queue = if_any(domain, priority); queue != nullptr) fn(*queue);
      }
    }
  }

 private:
  using Pair = std::array<TaskQueue, 2>;  ///< by domain
  struct Others {
    [[nodiscard]] TaskQueue& queue(detail::Domain domain, int priority) noexcept {
      return (priority > 0 ? high : low)[static_cast<std::size_t>(domain)];
    }
    Pair high;
    Pair low;
  };

  Pair plain_;
  sync::Atomic<Others*> others_{nullptr};
};

}  // namespace polyreme::launch
