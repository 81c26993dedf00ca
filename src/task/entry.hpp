// What a queue holds: the part that everything has which a slot can take up and run.
//
// A task record has an Entry, and so do the nodes of a captured graph in each of its runs (graph/captured_run.hpp).
// Queues, sessions and slots know no more of either than this.
#pragma once

#include <polyreme/detail/abi.hpp>

#include "sync/atomic.hpp"

#include <cstdint>

namespace polyreme::tasks {

struct Entry {
  /// Predecessors that are not done; a task's may be kUncommitted, and is the await word once the body has begun
  /// (task/awaiting.hpp).
  sync::Atomic<std::uint32_t> pending;
  detail::Domain domain;
  bool scalar_result;   ///< said at a task's spawn: the result, if the body succeeds, is a number in its first bytes
  std::uint16_t flags;  ///< what it is, and a task's kFullRoad …
};

inline constexpr std::uint16_t kUrgent = 32;   ///< priority 1
inline constexpr std::uint16_t kPatient = 64;  ///< priority -1
inline constexpr std::uint16_t kPrioritised = kUrgent | kPatient;

[[nodiscard]] inline int priority_of(const Entry& entry) noexcept {
  if ((entry.flags & kPrioritised) == 0) return 0;
  return (entry.flags & kUrgent) != 0 ? 1 : -1;
}

// Neither: the entry is a Record.
inline constexpr std::uint16_t kGraphNode = 1U << 14;     ///< a node of a captured graph, in one of its runs
inline constexpr std::uint16_t kGraphSources = 1U << 15;  ///< the nodes that a run begins with and nobody has taken up

}  // namespace polyreme::tasks
