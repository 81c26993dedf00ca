// A lane: the queues, block cache and counters that one thread uses at a time without sharing.
//
// Each slot has one, which goes with the slot from holder to holder; each foreign thread that spawns has one, too.
// Lanes are made on demand, kept until the runtime's end and listed in a table that thieves scan.
//
// Owners. All members are the owner's, but: queues may be stolen from by anyone; counters are written by the owner
// alone and read by anyone. A lane passes from owner to owner under a lock (the slot pool's, or the table's).
#pragma once

#include "base/layout.hpp"
#include "base/slab.hpp"
#include "launch/back_pressure.hpp"
#include "launch/task_queues.hpp"
#include "sync/atomic.hpp"

#include <cstdint>
#include <memory>
#include <mutex>

namespace polyreme::trace {
class Tap;
}

namespace polyreme::launch {

/// A counter with one writer at a time.
class OwnedCounter {
 public:
  void add(std::uint64_t amount) noexcept {
    // Release: who reads the count sees what was done before it (Counters::quiescent).
    value_.store(value_.load(sync::memory_order_relaxed) + amount, sync::memory_order_release);
  }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(sync::memory_order_acquire); }

 private:
  sync::Atomic<std::uint64_t> value_{0};
};

struct alignas(base::kCacheLine) Lane {
  explicit Lane(base::BlockDepot& depot, std::uint32_t lane_index) : blocks(depot), index(lane_index) {}

  TaskQueues queues;
  base::BlockCache blocks;
  const std::uint32_t index;
  std::uint32_t slot = ~0U;   ///< the slot it belongs to, or ~0 for a foreign thread's
  std::uint64_t next_id = 0;  ///< ids are handed out in ranges; see Engine::next_id
  std::uint64_t id_end = 0;
  trace::Tap* trace = nullptr;  ///< null unless somebody wants to know what happens

  alignas(base::kCacheLine) OwnedCounter spawned;  ///< tasks that entered the graph here
  OwnedCounter completed;                          ///< tasks that were completed here
  OwnedCounter taken;                              ///< blocks allocated here
  OwnedCounter freed;                              ///< blocks freed here
  OwnedCounter steals;                             ///< successful steals by the holder
  OwnedCounter interpreter_enters;                 ///< how often the holder entered the interpreter
  OwnedCounter interpreter_wait;                   ///< ticks that this took

  alignas(base::kCacheLine) BackPressure back_pressure;  ///< of a foreign thread's lane
};

/// All lanes of a runtime: first the slots', then those of foreign threads. Append-only.
class LaneTable {
 public:
  static constexpr std::uint32_t kCapacity = 4096;

  /// @throws std::runtime_error when kCapacity threads spawn at once.
  Lane& add(base::BlockDepot& depot, std::uint32_t slot);

  [[nodiscard]] std::uint32_t size() const noexcept {
    // seq_cst: part of the sleeper's last look; partner is add().
    return size_.load(sync::memory_order_seq_cst);
  }
  [[nodiscard]] Lane& operator[](std::uint32_t index) const noexcept { return *lanes_[index]; }

  template <class Fn>
  [[nodiscard]] std::uint64_t sum(OwnedCounter Lane::* counter, Fn&& extra) const noexcept {
    std::uint64_t total = extra();
    for (std::uint32_t i = 0, n = size(); i < n; ++i)
      total += (lanes_[i].get()->*counter).get();
    return total;
  }
  [[nodiscard]] std::uint64_t sum(OwnedCounter Lane::* counter) const noexcept {
    return sum(counter, [] { return std::uint64_t{0}; });
  }

  /// True if at some moment during the call every spawned task was completed. `completed` is summed first: each term is
  /// at most its value at the end of that sum, each term of `spawned` at least its value then; so equal sums mean that
  /// both were equal at that moment (completed never exceeds spawned). Mattern's counting argument (1987).
  [[nodiscard]] bool quiescent() const noexcept {
    const std::uint64_t done = sum(&Lane::completed);
    return done == sum(&Lane::spawned);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<std::unique_ptr<Lane>[]> lanes_ = std::make_unique<std::unique_ptr<Lane>[]>(kCapacity);
  sync::Atomic<std::uint32_t> size_{0};
};

}  // namespace polyreme::launch
