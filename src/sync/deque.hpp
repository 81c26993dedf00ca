// A work-stealing deque: the owner pushes and pops at the bottom, thieves take half from the top.
//
// Purpose. One per lane and domain. The owner works depth first (newest first), which keeps memory bounded in recursive
// programs; thieves take the oldest half in one go, so that a steal pays for many tasks. After the circular growable
// array of Chase and Lev (SPAA 2005), with both ends in one word and steal-half in the spirit of Hendler and Shavit
// (PODC 2002).
//
// Fields and owners.
//   range_        both ends in one word: bottom in the high half (so that its carry falls off), top in the low half.
//                 Entries [top, bottom) are in the deque. Indices count modulo 2^32; a ring index is index & mask.
//                 Only the owner changes bottom. Only the holder of thief_ changes top. Both by read-modify-write.
//   ring_         the current ring. Written by the owner alone (growth). Old rings live until the deque dies: a thief
//   may
//                 still read one. Their sizes double, so together they are no larger than the current one.
//   thief_        1 while a thief is inside. At most one thief at a time; others go to another victim.
//   drained_      entries before this index have been read by their thief: their places in the ring may be written
//   again.
//                 Written by the holder of thief_. drained_ <= top always; they are equal when no thief is inside.
//   owner_drained_, owner-private: the last value of drained_ that the owner saw.
//
// Why it is safe.
//   - Every entry leaves the range exactly once, because both ways out are a read-modify-write of one word.
//   - A thief claims first (range_) and reads afterwards. What it claimed can neither be popped (it is outside the
//   range)
//     nor overwritten (push waits for drained_, or grows). So a claim does not depend on what the entries hold, and a
//     range value that recurs (push and pop in between) is harmless. top cannot recur while a thief is inside.
//   - Orderings: push publishes the entry and the ring by a release on range_; the claim acquires it. The thief's
//   release of
//     drained_ orders its reads before the owner's overwriting writes (acquire in make_room).
//   - push ends in a seq_cst read-modify-write of range_, and looks_empty() is a seq_cst load: a pusher that afterwards
//     loads the idle word (seq_cst) and a sleeper that announced itself there before its last look cannot both miss
//     each other (launch/idle.hpp has the argument).
#pragma once

#include "base/checks.hpp"
#include "base/layout.hpp"
#include "sync/atomic.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace polyreme::sync {

/// What a thief met.
enum class Steal : std::uint8_t {
  kTook,   ///< at least one entry is in the buffer
  kEmpty,  ///< there was nothing to take
  kBusy,   ///< another thief is inside: the deque may hold work, and that thief will see to it
};

/// T is a pointer or another trivially copyable word. kInitialCapacity is a power of two.
template <class T, std::uint32_t kInitialCapacity = kModelChecked ? 2 : 256>
class StealDeque {
  static_assert((kInitialCapacity & (kInitialCapacity - 1)) == 0 && kInitialCapacity > 0);

 public:
  StealDeque() {
    rings_.push_back(std::make_unique<Ring>(kInitialCapacity));
    ring_.store(rings_.back().get(), memory_order_relaxed);
  }
  StealDeque(const StealDeque&) = delete;
  StealDeque& operator=(const StealDeque&) = delete;
  ~StealDeque() = default;

  /// Owner only. Adds `item` at the bottom.
  /// @throws std::bad_alloc when the ring must grow and cannot; the deque is unchanged then.
  void push(T item) {
    const std::uint32_t bottom = bottom_of(range_.load(memory_order_relaxed));
    Ring& ring = make_room(bottom, 1);
    ring.at(bottom).store(item, memory_order_relaxed);
    // seq_cst: partner is the sleeper's last look (launch/idle.hpp); the release half publishes the entry to steal().
    range_.fetch_add(kOneBottom, memory_order_seq_cst);
  }

  /// Owner only. Adds the items so that items[0] is popped first.
  void push_reversed(std::span<const T> items) {
    if (items.empty()) return;
    const std::uint32_t bottom = bottom_of(range_.load(memory_order_relaxed));
    const auto count = static_cast<std::uint32_t>(items.size());
    Ring& ring = make_room(bottom, count);
    for (std::uint32_t i = 0; i < count; ++i) {
      ring.at(bottom + i).store(items[count - 1 - i], memory_order_relaxed);
    }
    range_.fetch_add(kOneBottom * count, memory_order_seq_cst);
  }

  /// Owner only. Takes the newest entry; false when empty.
  [[nodiscard]] bool pop(T& item) noexcept {
    std::uint64_t range = range_.load(memory_order_relaxed);
    while (bottom_of(range) != top_of(range)) {
      const std::uint32_t newest = bottom_of(range) - 1;
      // Relaxed: the owner wrote this entry itself; the claim needs atomicity only.
      if (range_.compare_exchange_weak(range, pack(newest, top_of(range)), memory_order_relaxed,
                                       memory_order_relaxed)) {
        item = ring_.load(memory_order_relaxed)->at(newest).load(memory_order_relaxed);
        return true;
      }
    }
    return false;
  }

  /// Any thread but the owner (the owner may, too, but gains nothing). Takes the older half, at most out.size(), oldest
  /// first; `count` says how many.
  [[nodiscard]] Steal steal_half(std::span<T> out, std::uint32_t& count) noexcept {
    count = 0;
    if (looks_empty()) return Steal::kEmpty;
    if (thief_.exchange(1, memory_order_acquire) != 0) return Steal::kBusy;
    std::uint64_t range = range_.load(memory_order_acquire);
    std::uint32_t top = 0;
    do {
      top = top_of(range);
      const std::uint32_t size = bottom_of(range) - top;
      count = std::min(size - size / 2, static_cast<std::uint32_t>(out.size()));
      if (count == 0) {
        thief_.store(0, memory_order_release);
        return Steal::kEmpty;
      }
      // seq_cst: partner is a producer that goes to sleep over a full lane (launch/back_pressure.hpp).
    } while (!range_.compare_exchange_weak(range, pack(bottom_of(range), top + count), memory_order_seq_cst,
                                           memory_order_acquire));
    // Loaded after the claim: at least as new as the ring that the claimed entries were written to.
    const Ring* ring = ring_.load(memory_order_acquire);
    for (std::uint32_t i = 0; i < count; ++i)
      out[i] = ring->at(top + i).load(memory_order_relaxed);
    drained_.store(top + count, memory_order_release);  // partner: make_room
    thief_.store(0, memory_order_release);              // partner: the next thief's exchange
    return Steal::kTook;
  }

  /// Any thread. A snapshot.
  [[nodiscard]] bool looks_empty() const noexcept {
    const std::uint64_t range = range_.load(memory_order_acquire);
    return bottom_of(range) == top_of(range);
  }

  /// Any thread. A snapshot of the number of entries; seq_cst because it is the sleeper's last look.
  [[nodiscard]] std::uint32_t size_hint() const noexcept {
    const std::uint64_t range = range_.load(memory_order_seq_cst);
    return bottom_of(range) - top_of(range);
  }

 private:
  class Ring {
   public:
    explicit Ring(std::uint32_t capacity) : mask_(capacity - 1), places_(new Atomic<T>[capacity]) {}
    [[nodiscard]] std::uint32_t capacity() const noexcept { return mask_ + 1; }
    [[nodiscard]] Atomic<T>& at(std::uint32_t index) const noexcept { return places_[index & mask_]; }

   private:
    std::uint32_t mask_;
    std::unique_ptr<Atomic<T>[]> places_;
  };

  static constexpr std::uint64_t kOneBottom = std::uint64_t{1} << 32;
  static constexpr std::uint32_t bottom_of(std::uint64_t range) noexcept {
    return static_cast<std::uint32_t>(range >> 32);
  }
  static constexpr std::uint32_t top_of(std::uint64_t range) noexcept { return static_cast<std::uint32_t>(range); }
  static constexpr std::uint64_t pack(std::uint32_t bottom, std::uint32_t top) noexcept {
    return (std::uint64_t{bottom} << 32) | top;
  }

  Ring& make_room(std::uint32_t bottom, std::uint32_t count) {
    Ring* ring = ring_.load(memory_order_relaxed);
    if (bottom - owner_drained_ + count <= ring->capacity()) [[likely]]
      return *ring;
    owner_drained_ = drained_.load(memory_order_acquire);  // partner: steal_half
    const std::uint32_t needed = bottom - owner_drained_ + count;
    if (needed <= ring->capacity()) return *ring;
    std::uint32_t capacity = ring->capacity();
    while (capacity < needed) {
      POLYREME_CHECK(capacity < (1U << 31));
      capacity *= 2;
    }
    auto grown = std::make_unique<Ring>(capacity);
    // From owner_drained_, not from top: a thief that is inside may look its claim up in the new ring.
    for (std::uint32_t i = owner_drained_; i != bottom; ++i) {
      grown->at(i).store(ring->at(i).load(memory_order_relaxed), memory_order_relaxed);
    }
    rings_.push_back(std::move(grown));
    ring = rings_.back().get();
    ring_.store(ring, memory_order_release);  // partner: steal_half
    return *ring;
  }

  alignas(base::kCacheLine) Atomic<std::uint64_t> range_{0};
  Atomic<Ring*> ring_{nullptr};
  std::uint32_t owner_drained_ = 0;
  std::vector<std::unique_ptr<Ring>> rings_;
  alignas(base::kCacheLine) Atomic<std::uint32_t> thief_{0};
  Atomic<std::uint32_t> drained_{0};
};

}  // namespace polyreme::sync
