// Back-pressure: a foreign thread that spawns faster than the slots run sleeps until they have caught up.
//
// It counts what is ready and not started in the thread's own lane, never tasks that wait for others: those may wait
// for something that this very thread has yet to spawn. Bodies are never held back.
//
// Protocol. The owner of a lane finds more than `limit` tasks in it, sets asleep_ (seq_cst) to the number of this
// sleep, looks at the length again, and parks. A thief that has taken from the lane (seq_cst on the deque's range)
// reads asleep_ (seq_cst); if it is set and the lane is down to half the limit, whoever swaps that number back to 0
// wakes the owner. In the total order of the four operations either the owner's second look sees the steal, or the
// thief sees asleep_: the steal that brings the lane down to half wakes. A thief that is late with its swap meets the
// number of another sleep, over a lane that may be full again, and leaves it alone.
#pragma once

#include "sync/atomic.hpp"
#include "sync/parker.hpp"

#include <cstdint>

namespace polyreme::launch {

class BackPressure {
 public:
  /// Owner only. Sleeps until at most half of `limit` tasks are in the lane. `length()` is a seq_cst snapshot;
  /// `park(parker)` returns once it has the parker's token.
  template <class Length, class Park>
  void sleep_while_full(std::uint32_t limit, Length&& length, Park&& park) {
    if (++sleep_ == 0) ++sleep_;
    asleep_.store(sleep_, sync::memory_order_seq_cst);
    if (length() <= limit / 2) {
      // Nobody needs to wake this thread any more; if someone has begun to, its token is on the way.
      if (asleep_.exchange(0, sync::memory_order_seq_cst) != 0) return;
    }
    park(parker_);
  }

  /// A thief, after it has taken from the lane.
  template <class Length>
  void taken(std::uint32_t limit, Length&& length) {
    std::uint32_t sleep = asleep_.load(sync::memory_order_seq_cst);
    if (sleep == 0 || length() > limit / 2) return;
    if (asleep_.compare_exchange_strong(sleep, 0, sync::memory_order_seq_cst, sync::memory_order_relaxed)) {
      parker_.unpark();
    }
  }

 private:
  sync::Atomic<std::uint32_t> asleep_{0};  ///< the number of the owner's sleep; 0: awake
  std::uint32_t sleep_ = 0;                ///< owner-private: the number of its last sleep
  sync::Parker parker_;
};

}  // namespace polyreme::launch
