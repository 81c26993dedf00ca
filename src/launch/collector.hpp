// Who gets several slots at once: the decision alone, without threads or a lock.
//
// Requests wait in the order of their rank, first come first served within one. Slots that holders give up are offered
// and put on one pile; the head of the queue is granted its slots, all at once, as soon as the pile has as many. The
// pile belongs to whoever is head: a request that comes ahead of a waiting one may find enough there. So one request
// collects at a time, none holds part of its slots while another waits for them, and the pile never has as many slots
// as its head wants: there is nothing to deadlock over.
//
// Owner: the slot pool's lock.
#pragma once

#include "base/checks.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace polyreme::launch {

/// A wish for `count` slots. Stays where it is until it is granted.
struct Collecting {
  std::uint32_t count = 1;
  int rank = 0;                      ///< higher goes first: a task's priority, or kResumes
  std::vector<std::uint32_t> slots;  ///< once granted
  Collecting* next = nullptr;        ///< in a list
};

/// First come, first served. Links what it holds, and so allocates nothing.
class CollectingList {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] Collecting* front() const noexcept { return first_; }
  void push_back(Collecting& one) noexcept {
    one.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &one;
    last_ = &one;
  }
  /// Null: it is empty.
  Collecting* pop_front() noexcept {
    Collecting* const one = first_;
    if (one != nullptr) first_ = one->next;
    return one;
  }

 private:
  Collecting* first_ = nullptr;
  Collecting* last_ = nullptr;
};

class Collector {
 public:
  static constexpr int kResumes = 2;  ///< a body that waited goes ahead of every task

  void add(Collecting& request) {
    POLYREME_CHECK(request.count > 0 && request.rank >= kLowest && request.rank <= kResumes);
    queue_of(request.rank).push_back(request);
  }

  /// Must be true before each offer().
  [[nodiscard]] bool wants() const noexcept {
    const Collecting* const first = head();
    return first != nullptr && pile_.size() < first->count;
  }
  void offer(std::uint32_t slot) {
    POLYREME_CHECK(wants());
    pile_.push_back(slot);
  }
  /// A slot of the pile, for somebody who cannot wait. False: there is none.
  [[nodiscard]] bool take_back(std::uint32_t& slot) noexcept {
    if (pile_.empty()) return false;
    slot = pile_.back();
    pile_.pop_back();
    return true;
  }
  /// Grants the head its slots, or returns null. To be called until it does, after each add() and offer().
  [[nodiscard]] Collecting* take_complete() {
    Collecting* const first = head();
    if (first == nullptr || pile_.size() < first->count) return nullptr;
    static_cast<void>(queue_of(first->rank).pop_front());
    const auto begin = pile_.end() - static_cast<std::ptrdiff_t>(first->count);
    first->slots.assign(begin, pile_.end());
    pile_.erase(begin, pile_.end());
    POLYREME_CHECK(pile_.empty() || head() != nullptr);
    return first;
  }
  /// Removes the first of the tasks, whatever it wants; null: there is none. For the end: the pile may be left over.
  [[nodiscard]] Collecting* abandon_task() noexcept {
    Collecting* const first = head(kResumes - 1);
    return first != nullptr ? queue_of(first->rank).pop_front() : nullptr;
  }
  [[nodiscard]] std::size_t piled() const noexcept { return pile_.size(); }

 private:
  static constexpr int kLowest = -1;

  [[nodiscard]] CollectingList& queue_of(int rank) noexcept {
    return queues_[static_cast<std::size_t>(kResumes - rank)];
  }
  [[nodiscard]] Collecting* head(int highest = kResumes) const noexcept {
    for (auto at = static_cast<std::size_t>(kResumes - highest); at < queues_.size(); ++at) {
      if (!queues_[at].empty()) return queues_[at].front();
    }
    return nullptr;
  }

  std::array<CollectingList, 4> queues_;  ///< highest rank first
  std::vector<std::uint32_t> pile_;
};

}  // namespace polyreme::launch
