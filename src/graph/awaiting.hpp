// A body's wait by suspension, as seen from the graph: the listener that ends it, and where that one lives.
//
// The listener takes the place of the record's inline edges, which nobody needs once the body has begun: a wait
// allocates nothing. After an interruption that listener may still be in a list, for as long as the task lives that was
// awaited then; so each later wait of the same body takes one from the heap. task/awaiting.hpp has the protocol.
//
// Port is the runtime (or a model): resume(Record&) makes the record of a body ready whose wait has ended,
// release(Record&) drops a reference.
#pragma once

#include "graph/successors.hpp"
#include "task/awaiting.hpp"

#include <cstdint>
#include <new>

namespace polyreme::graph {

static_assert(sizeof(tasks::Record::edges) >= sizeof(Listener) && alignof(tasks::Edge) >= alignof(Listener));

/// The listener of a wait that begins after `interruptions` others of the same body were interrupted.
struct LateListener : Listener {
  std::uint32_t interruptions = 0;
};

enum class Suspension : std::uint8_t {
  kSuspended,    ///< the record belongs to others from now on
  kMet,          ///< the awaited task is done: the body goes on, which the caller sees to
  kInterrupted,  ///< it goes on; the caller says why in rare->interruption
  kNoMemory      ///< the same; happens after an interruption only
};

template <class Port>
class Awaiting {
 public:
  /// Suspends a body that has just left this thread's stack until `target` is done.
  [[nodiscard]] static Suspension suspend(tasks::Record& record, tasks::Record& target, bool elsewhere) noexcept {
    const std::uint32_t interruptions =
        record.pending.load(sync::memory_order_relaxed) & tasks::await_word::kInterruptions;
    Listener* const listener = make_listener(record, interruptions);
    if (!tasks::begin_linking(record, elsewhere)) {
      discard(listener);
      return Suspension::kInterrupted;
    }
    if (listener == nullptr || !push_listener(target, *listener)) {
      discard(listener);
      tasks::end_linking(record);
      return listener == nullptr ? Suspension::kNoMemory : Suspension::kMet;
    }
    switch (tasks::arm(record)) {
      case tasks::Armed::kSuspended:
        return Suspension::kSuspended;
      case tasks::Armed::kInterrupted:
        return Suspension::kInterrupted;
      default:
        return Suspension::kMet;
    }
  }

  /// The body that is suspended in this very wait, or null. Read by the deadlock search only, while nothing runs.
  [[nodiscard]] static tasks::Record* suspended_in(const Listener& listener) noexcept {
    std::uint32_t interruptions = 0;
    if (listener.notify == &end_late_wait) {
      interruptions = static_cast<const LateListener&>(listener).interruptions;
    } else if (listener.notify != &end_wait) {
      return nullptr;
    }
    using namespace tasks::await_word;
    const std::uint32_t seen = listener.waiting_body->pending.load(sync::memory_order_acquire);
    const bool current = (seen & kSuspended) != 0 && (seen & kInterruptions) == interruptions;
    return current ? listener.waiting_body : nullptr;
  }
  /// False for the listeners of other waits.
  [[nodiscard]] static bool is_awaiting(const Listener& listener) noexcept {
    return listener.notify == &end_wait || listener.notify == &end_late_wait;
  }

 private:
  /// Null: out of memory.
  static Listener* make_listener(tasks::Record& record, std::uint32_t interruptions) noexcept {
    if (interruptions == 0) {
      return ::new (static_cast<void*>(record.edges)) Listener{.next = 0, .notify = &end_wait, .waiting_body = &record};
    }
    auto* late = new (std::nothrow) LateListener;
    if (late == nullptr) return nullptr;
    late->notify = &end_late_wait;
    late->waiting_body = &record;
    late->interruptions = interruptions;
    return late;
  }

  static void discard(Listener* listener) noexcept {
    if (listener != nullptr && listener->notify == &end_late_wait) delete static_cast<LateListener*>(listener);
  }

  static void end_wait(Listener& self, tasks::Record& /*done*/) noexcept { end(*self.waiting_body, 0); }

  static void end_late_wait(Listener& self, tasks::Record& /*done*/) noexcept {
    const auto* late = static_cast<LateListener*>(&self);
    tasks::Record& record = *late->waiting_body;
    const std::uint32_t interruptions = late->interruptions;
    delete late;
    end(record, interruptions);
  }

  static void end(tasks::Record& record, std::uint32_t interruptions) noexcept {
    switch (tasks::meet(record, interruptions)) {
      case tasks::Met::kMine:
        Port::resume(record);
        break;
      case tasks::Met::kStale:
        Port::release(record);
        break;
      default:
        break;
    }
  }
};

}  // namespace polyreme::graph
