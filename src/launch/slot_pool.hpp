// Slots, and the threads that hold them: parking, waking, hand-off.
//
// Purpose. A runtime has a fixed number of slots. A thread runs bodies only while it holds one. Threads that may hold a
// slot: workers, spares (workers beyond the number of slots, made when a body blocks) and waiters that help. This class
// decides who holds what and who sleeps; what a holder does with its slot is not its business.
//
// Fields and owners. All lists belong to mutex_. One atomic word, idle_, repeats what the hot paths must know:
//   free       (low half)  number of free slots. Changes under mutex_ only.
//   searching  (high half) number of holders that found no work and look for some. Any holder changes its own part.
// wanted_ repeats for holders between two tasks how long the resumers' list is, and whether somebody collects slots.
//
// Collecting. Who needs several slots makes a request; what holders give up goes to it, once no resumer is left, until
// it has as many as it needs (launch/collector.hpp). A granted task then goes to one parked thread; if there is none,
// to the next that joins: there were as many threads as slots. A body that waited and held several slots is a request,
// too.
//
// Who is where. A thread is holding, parked (in parked_: has no slot and no business), resuming (in resumers_: its body
// waited, may go on, and needs a slot), or outside (blocked in a body's wait, or foreign). A slot is held or in free_.
//   free_ is empty whenever resumers_ is not, and whenever somebody collects.
//   There are at least as many threads that are parked, or about to join(), as slots that are free or collected: a
//   worker that blocks makes a spare first.
//
// No wake-up is lost. A pusher makes a task visible by a seq_cst read-modify-write of its deque, then loads idle_
// (seq_cst): if a slot is free and nobody searches, it wakes one. A thread that gives up its slot announces that in
// idle_ by a seq_cst read-modify-write, then takes a last look at all deques (seq_cst loads). In the total order of
// these four operations either the pusher's load follows the announcement, and it wakes, or the last look follows the
// push, and it finds the task. A pusher that saw a searcher leaves the task to it: a searcher that stops searching
// because it found *another* task looks again, after its announcement in idle_ (end_search), and wakes the next if
// anything is visible; one that stops because it found nothing takes the last look. A hand-over to a resumer needs no
// last look: then no slot is free, and every holder looks before it gives its slot up. The same goes for a slot that is
// collected: it comes back by give_back(), which looks.
//
// After the "idle" protocol of tokio and the sleep module of rayon, with a mutex on the slow side: everything under it
// happens beside a wake or a sleep, which cost a hundred times more.
#pragma once

#include "base/checks.hpp"
#include "base/layout.hpp"
#include "launch/collector.hpp"
#include "sync/atomic.hpp"
#include "sync/mutex.hpp"
#include "sync/parker.hpp"

#include <cstdint>
#include <limits>
#include <vector>

namespace polyreme::tasks {
struct Record;
}

namespace polyreme::launch {

inline constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

class SlotPool {
 public:
  /// A thread's place in the pool's lists. Lives as long as the thread takes part.
  struct Request;
  struct Seat {
    sync::Parker parker;
    sync::Shared<std::uint32_t> slot{kNoSlot};  ///< written by whoever gives the slot, before the unpark
    sync::Shared<Request*> granted{nullptr};    ///< the same: the task that the slot, and others, were collected for
    bool parked = false;                        ///< under mutex_: in parked_

    /// The seat's thread, once it has a slot: the task that this slot and others were collected for, or null.
    [[nodiscard]] Request* take_granted() {
      Request* const task = granted.get();
      if (task != nullptr) granted.set(nullptr);
      return task;
    }
  };

  /// A wish for several slots, of a task that is ready or of a body that waited.
  struct Request : Collecting {
    tasks::Record* task = nullptr;
    Seat* resumer = nullptr;
  };

  /// All slots begin free, no thread parked.
  explicit SlotPool(std::uint32_t slots);

  // ---- Hot paths.

  /// After a push: true if someone must be woken for it (call wake_one).
  [[nodiscard]] bool should_wake() const noexcept {
    const std::uint32_t idle = idle_.load(sync::memory_order_seq_cst);  // partner: give_up, park, end_search
    return free_of(idle) != 0 && searching_of(idle) == 0;
  }
  /// Between two tasks: true if a holder should hand its slot on (call yield_slot) …
  [[nodiscard]] bool slot_wanted() const noexcept { return wanted_.load(sync::memory_order_relaxed) != 0; }
  /// … and true if that cannot wait, because a body wants to go on with it.
  [[nodiscard]] bool resumer_waits() const noexcept {
    return wanted_.load(sync::memory_order_relaxed) % kSomeoneCollects != 0;
  }
  /// A hint unless the caller's earlier writes were read-modify-writes: then either it says so, or whoever makes the
  /// last slot free sees them.
  [[nodiscard]] bool all_idle() const noexcept { return free_of(idle_.load(sync::memory_order_seq_cst)) == slots_; }
  [[nodiscard]] std::uint32_t free_slots() const noexcept { return free_of(idle_.load(sync::memory_order_acquire)); }

  // ---- Searching. A thread that gets its slot by a wake or by try_take begins as a searcher.

  /// False: enough holders search already; the caller goes straight to its last look.
  [[nodiscard]] bool try_begin_search() noexcept;
  /// True: the caller was the last searcher. It found a task, so it must look at all deques once more and wake_one() if
  /// anything is visible.
  [[nodiscard]] bool end_search() noexcept;

  // ---- Slow paths.

  /// Wakes one parked thread for one free slot, unless there is none or someone searches.
  void wake_one();

  /// A holder found nothing: gives up the slot and sleeps until it is given one. `any_work` is the last look;
  /// `all_idle` is called under the lock when this made the last slot free. Returns the new slot, or kNoSlot when the
  /// pool stops.
  template <class AnyWork, class AllIdle>
  [[nodiscard]] std::uint32_t park(Seat& seat, std::uint32_t slot, bool searching, AnyWork&& any_work,
                                   AllIdle&& all_idle) {
    {
      sync::Mutex::Guard guard(mutex_);
      add_parked(seat);
      const bool released = release_locked(slot, searching, all_idle);
      if (stopping_) return leave_locked(seat);
      guard.unlock();
      if (released && any_work()) {
        guard.lock();
        // Retract, unless a waker chose this thread meanwhile (then its token is on the way) or all slots went to
        // others (then they are searchers, and look).
        if (seat.parked && !free_.empty()) {
          remove_parked(seat);
          return take_locked();
        }
      }
    }
    return await_slot(seat);
  }

  /// A worker without a slot (new, or its slot went to a resumer) takes a free one, as a searcher, or sleeps until it
  /// is given one. kNoSlot when the pool stops. With seat.granted it is no searcher, and holds all slots of that.
  [[nodiscard]] std::uint32_t join(Seat& seat);

  /// Gives up a slot without parking: a helping waiter that stops helping, a body that blocks.
  template <class AnyWork, class AllIdle>
  void give_up(std::uint32_t slot, bool searching, AnyWork&& any_work, AllIdle&& all_idle) {
    bool released = false;
    {
      const sync::Mutex::Guard guard(mutex_);
      released = release_locked(slot, searching, all_idle);
    }
    if (released && any_work()) wake_one();
  }

  /// Takes a free slot, as a searcher, or returns kNoSlot at once.
  [[nodiscard]] std::uint32_t try_take();

  /// Takes a slot ahead of everybody else, sleeping if need be. Not as a searcher: the caller has a body to go on with.
  [[nodiscard]] std::uint32_t resume(Seat& seat);

  /// A holder that saw slot_wanted(): hands its slot on and returns true; the caller then has no slot. `joins`: it will
  /// call join().
  [[nodiscard]] bool yield_slot(std::uint32_t slot, bool joins = false);

  // ---- Several slots.

  /// Some thread gets the request in its seat, once there are slots enough.
  void collect(Request& request);
  /// As resume(), for the slots of `request`, of which the first is returned.
  [[nodiscard]] std::uint32_t resume_with(Request& request);
  /// Gives up one of several slots. Work that is visible comes before the next who collects.
  template <class AnyWork, class AllIdle>
  void give_back(std::uint32_t slot, AnyWork&& any_work, AllIdle&& all_idle) {
    bool released = false;
    {
      const sync::Mutex::Guard guard(mutex_);
      if (resumers_.empty() && collector_.wants() && !parked_.empty() && any_work()) {
        idle_.fetch_add(kOneSearching, sync::memory_order_seq_cst);
        wake_locked(slot);
      } else {
        released = release_locked(slot, false, all_idle);
      }
    }
    if (!released || !any_work()) return;
    wake_one();
  }
  /// After stop(): the next of the tasks that were left, all of them cancelled while they waited, or null.
  [[nodiscard]] Request* abandon_request() noexcept;

  /// Wakes every parked thread with kNoSlot; from now on nobody parks.
  void stop();

  /// Runs `fn` while nobody can take or give up a slot; its argument says whether all slots are free.
  template <class Fn>
  decltype(auto) locked(Fn&& fn) {
    const sync::Mutex::Guard guard(mutex_);
    return fn(free_.size() == slots_);
  }

  [[nodiscard]] std::size_t parked_threads();

  /// How often since the start a thread went to sleep for want of work or of a slot, and how often one was woken for
  /// work.
  struct Counts {
    std::uint64_t parks = 0;
    std::uint64_t wakes = 0;
  };
  [[nodiscard]] Counts counts();

 private:
  static constexpr std::uint32_t kSomeoneCollects = 1U << 16;  ///< in wanted_
  static constexpr std::uint32_t kOneFree = 1;
  static constexpr std::uint32_t kOneSearching = 1U << 16;
  static constexpr std::uint32_t free_of(std::uint32_t idle) noexcept { return idle & 0xffffU; }
  static constexpr std::uint32_t searching_of(std::uint32_t idle) noexcept { return idle >> 16; }

  template <class AllIdle>
  bool release_locked(std::uint32_t slot, bool searching, AllIdle&& all_idle) {
    if (!resumers_.empty()) {
      if (searching) idle_.fetch_sub(kOneSearching, sync::memory_order_seq_cst);
      hand_over_locked(slot);
      return false;
    }
    if (collector_.wants()) {
      if (searching) idle_.fetch_sub(kOneSearching, sync::memory_order_seq_cst);
      collector_.offer(slot);
      settle_locked(false);
      return false;
    }
    free_.push_back(slot);
    // The announcement; partner: should_wake. One operation, so that no pusher sees neither the searcher nor the slot.
    idle_.fetch_add(kOneFree - (searching ? kOneSearching : 0U), sync::memory_order_seq_cst);
    if (free_.size() == slots_) all_idle();
    return true;
  }

  std::uint32_t take_locked();
  void hand_over_locked(std::uint32_t slot);
  void wake_locked(std::uint32_t slot, Request* granted = nullptr);
  void settle_locked(bool caller_joins);
  void abandon_tasks_locked();
  void add_parked(Seat& seat);
  void remove_parked(Seat& seat);
  std::uint32_t leave_locked(Seat& seat);
  std::uint32_t await_slot(Seat& seat);

  const std::uint32_t slots_;
  alignas(base::kCacheLine) sync::Atomic<std::uint32_t> idle_{0};
  alignas(base::kCacheLine) sync::Atomic<std::uint32_t> wanted_{0};
  alignas(base::kCacheLine) sync::Mutex mutex_;
  std::vector<std::uint32_t> free_;
  std::vector<Seat*> parked_;    ///< newest last: the warmest is woken first
  std::vector<Seat*> resumers_;  ///< oldest first
  Collector collector_;
  CollectingList granted_;   ///< tasks with their slots, for the next thread that joins; after stop(), abandoned
  bool collecting_ = false;  ///< as wanted_ says
  bool stopping_ = false;
  Counts counts_;
};

}  // namespace polyreme::launch
