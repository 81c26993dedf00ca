// The deck: what all sessions of a runtime share. Slots, lanes, the gate of the interpreter; and how a ready task gets
// into a queue so that somebody comes for it.
#pragma once

#include "launch/domain.hpp"
#include "launch/lane.hpp"
#include "launch/slot_pool.hpp"
#include "launch/victims.hpp"
#include "task/entry.hpp"

#include <cstdint>
#include <vector>

namespace polyreme::launch {

/// What all sessions of a runtime share.
struct Deck {
  explicit Deck(std::uint32_t slots) : pool(slots) {}

  /// Before the first worker starts.
  void use(Interpreter* with) noexcept {
    interpreter = with;
    if (with != nullptr && !with->exclusive()) gate.open_for_all();
  }

  SlotPool pool;
  LaneTable lanes;
  InterpreterGate gate;
  std::vector<VictimOrder> victims;    ///< by slot: whom to steal from first; empty: from anybody
  std::uint32_t max_ready = 0;         ///< ready tasks in the lane of a foreign thread over which it sleeps
  Interpreter* interpreter = nullptr;  ///< see use()

  /// The last look: is there a task that a thread without one could run?
  [[nodiscard]] bool any_work() const noexcept {
    for (std::uint32_t i = 0, n = lanes.size(); i < n; ++i) {
      const TaskQueues& queues = lanes[i].queues;
      if (queues.ready(detail::Domain::kNative) != 0) return true;
      if (queues.ready(detail::Domain::kInterpreter) != 0 && !gate.someone_queues()) return true;
    }
    return false;
  }

  /// Makes a ready task visible in `lane` (owned by the caller) and sees to it that someone comes.
  void push(Lane& lane, tasks::Entry& entry) {
    lane.queues.of(entry).push(&entry);
    see_to(entry.domain);
  }
  /// The same for a task without a priority.
  void push_plain(Lane& lane, tasks::Entry& entry) {
    const detail::Domain domain = entry.domain;
    lane.queues.plain(domain).push(&entry);
    see_to(domain);
  }

 private:
  void see_to(detail::Domain domain) {
    if (!pool.should_wake()) return;
    // Whoever queues for the interpreter looks for more once it is inside.
    if (domain == detail::Domain::kInterpreter && gate.someone_queues()) return;
    pool.wake_one();
  }
};

}  // namespace polyreme::launch
