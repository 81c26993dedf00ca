#include "launch/slot_pool.hpp"

#include <algorithm>

namespace polyreme::launch {

SlotPool::SlotPool(std::uint32_t slots) : slots_(slots) {
  POLYREME_CHECK(slots > 0 && slots < 0x8000U);
  free_.reserve(slots);
  for (std::uint32_t slot = slots; slot-- > 0;)
    free_.push_back(slot);
  idle_.store(slots * kOneFree, sync::memory_order_relaxed);
}

bool SlotPool::try_begin_search() noexcept {
  std::uint32_t idle = idle_.load(sync::memory_order_relaxed);
  do {
    // Half of those awake may search: more of them only take lines from each other (Go's scheduler has the same rule).
    if (2 * searching_of(idle) >= slots_ - free_of(idle)) return false;
  } while (
      !idle_.compare_exchange_weak(idle, idle + kOneSearching, sync::memory_order_seq_cst, sync::memory_order_relaxed));
  return true;
}

bool SlotPool::end_search() noexcept {
  // seq_cst: partner is should_wake of a pusher that left its task to this searcher.
  return searching_of(idle_.fetch_sub(kOneSearching, sync::memory_order_seq_cst)) == 1;
}

void SlotPool::wake_one() {
  Seat* seat = nullptr;
  {
    const sync::Mutex::Guard guard(mutex_);
    // With nobody parked, a thread is on its way to join(), where it finds the free slot and looks for work.
    if (free_.empty() || parked_.empty() || searching_of(idle_.load(sync::memory_order_relaxed)) != 0) return;
    seat = parked_.back();
    remove_parked(*seat);
    seat->slot.set(take_locked());
    ++counts_.wakes;
  }
  seat->parker.unpark();
}

std::uint32_t SlotPool::join(Seat& seat) {
  {
    const sync::Mutex::Guard guard(mutex_);
    if (stopping_) return kNoSlot;
    if (!granted_.empty()) {
      auto* const granted = static_cast<Request*>(granted_.pop_front());
      seat.granted.set(granted);
      return granted->slots.front();
    }
    if (!free_.empty()) return take_locked();
    add_parked(seat);
  }
  return await_slot(seat);
}

std::uint32_t SlotPool::try_take() {
  const sync::Mutex::Guard guard(mutex_);
  if (free_.empty()) return kNoSlot;
  return take_locked();
}

std::uint32_t SlotPool::resume(Seat& seat) {
  {
    const sync::Mutex::Guard guard(mutex_);
    if (!free_.empty()) {
      const std::uint32_t slot = free_.back();
      free_.pop_back();
      idle_.fetch_sub(kOneFree, sync::memory_order_seq_cst);
      return slot;
    }
    if (std::uint32_t slot = kNoSlot; collector_.take_back(slot)) return slot;
    resumers_.push_back(&seat);
    wanted_.fetch_add(1, sync::memory_order_relaxed);
  }
  return await_slot(seat);
}

bool SlotPool::yield_slot(std::uint32_t slot, bool joins) {
  const sync::Mutex::Guard guard(mutex_);
  if (!resumers_.empty()) {
    hand_over_locked(slot);
    return true;
  }
  if (!collector_.wants()) return false;
  collector_.offer(slot);
  settle_locked(joins);
  return true;
}

void SlotPool::collect(Request& request) {
  const sync::Mutex::Guard guard(mutex_);
  collector_.add(request);
  settle_locked(false);
}

std::uint32_t SlotPool::resume_with(Request& request) {
  {
    const sync::Mutex::Guard guard(mutex_);
    collector_.add(request);
    settle_locked(false);
  }
  return await_slot(*request.resumer);
}

SlotPool::Request* SlotPool::abandon_request() noexcept {
  const sync::Mutex::Guard guard(mutex_);
  return static_cast<Request*>(granted_.pop_front());
}

void SlotPool::stop() {
  std::vector<Seat*> leaving;
  {
    const sync::Mutex::Guard guard(mutex_);
    // A resumer may be left, in a destructor after the last task was counted: who parks now hands over to it first.
    stopping_ = true;
    leaving.swap(parked_);
    for (Seat* seat : leaving) {
      seat->parked = false;
      seat->slot.set(kNoSlot);
    }
    abandon_tasks_locked();
  }
  for (Seat* seat : leaving)
    seat->parker.unpark();
}

std::size_t SlotPool::parked_threads() {
  const sync::Mutex::Guard guard(mutex_);
  return parked_.size();
}

std::uint32_t SlotPool::take_locked() {
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  // One operation: a pusher sees the free slot or the searcher, never neither.
  idle_.fetch_add(kOneSearching - kOneFree, sync::memory_order_seq_cst);
  return slot;
}

void SlotPool::hand_over_locked(std::uint32_t slot) {
  Seat* seat = resumers_.front();
  resumers_.erase(resumers_.begin());
  wanted_.fetch_sub(1, sync::memory_order_relaxed);
  seat->slot.set(slot);
  seat->parker.unpark();
}

/// Gives the slot to the thread that parked last.
void SlotPool::wake_locked(std::uint32_t slot, Request* granted) {
  ++counts_.wakes;
  Seat* const seat = parked_.back();
  remove_parked(*seat);
  seat->slot.set(slot);
  seat->granted.set(granted);
  seat->parker.unpark();
}

/// Moves free slots to whoever collects, and hands out what that completes. `caller_joins`: the calling thread will
/// join() at once, and spares another one the wake.
void SlotPool::settle_locked(bool caller_joins) {
  while (true) {
    while (collector_.wants() && !free_.empty()) {
      idle_.fetch_sub(kOneFree, sync::memory_order_seq_cst);
      collector_.offer(free_.back());
      free_.pop_back();
    }
    auto* const request = static_cast<Request*>(collector_.take_complete());
    if (request == nullptr) break;
    if (request->resumer != nullptr) {
      request->resumer->slot.set(request->slots.front());
      request->resumer->parker.unpark();
    } else if (parked_.empty() || caller_joins) {
      granted_.push_back(*request);
    } else {
      wake_locked(request->slots.front(), request);
    }
  }
  if (collector_.wants() != collecting_) {
    collecting_ = !collecting_;
    wanted_.fetch_add(collecting_ ? kSomeoneCollects : 0U - kSomeoneCollects, sync::memory_order_relaxed);
  }
}

/// All tasks are done, so those that wait for slots were cancelled. A body may wait for slots still: all are for it.
void SlotPool::abandon_tasks_locked() {
  const auto set_free = [this](std::uint32_t slot) {
    free_.push_back(slot);
    idle_.fetch_add(kOneFree, sync::memory_order_seq_cst);
  };
  for (const Collecting* granted = granted_.front(); granted != nullptr; granted = granted->next)
    std::ranges::for_each(granted->slots, set_free);
  while (Collecting* const task = collector_.abandon_task())
    granted_.push_back(*task);
  for (std::uint32_t slot = kNoSlot; collector_.take_back(slot);)
    set_free(slot);
  settle_locked(false);
}

SlotPool::Counts SlotPool::counts() {
  const sync::Mutex::Guard guard(mutex_);
  return counts_;
}

void SlotPool::add_parked(Seat& seat) {
  ++counts_.parks;
  seat.parked = true;
  seat.slot.set(kNoSlot);
  seat.granted.set(nullptr);
  parked_.push_back(&seat);
}

void SlotPool::remove_parked(Seat& seat) {
  seat.parked = false;
  parked_.erase(std::ranges::find(parked_, &seat));
}

std::uint32_t SlotPool::leave_locked(Seat& seat) {
  remove_parked(seat);
  return kNoSlot;
}

std::uint32_t SlotPool::await_slot(Seat& seat) {
  seat.parker.park();
  return seat.slot.get();
}

}  // namespace polyreme::launch
