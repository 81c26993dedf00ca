// Where one thread sleeps until another one calls it. A token of one: an unpark before the park is not lost.
//
// A mutex and a condition variable rather than a bare futex: portable, timed, and seen by every sanitizer. The few
// nanoseconds more disappear beside the wake itself (5-17 us).
#pragma once

#include "sync/mutex.hpp"

#include <chrono>

namespace polyreme::sync {

class Parker {
 public:
  /// Owner only. Blocks until a token is there; takes it.
  void park() {
    Mutex::Guard guard(mutex_);
    while (!token_)
      condition_.wait(guard);
    token_ = false;
  }

  /// Owner only. False: the time came first, no token was taken.
  [[nodiscard]] bool park_until(std::chrono::steady_clock::time_point deadline) {
    Mutex::Guard guard(mutex_);
    while (!token_) {
      if (!condition_.wait_until(guard, deadline) && !token_) return false;
    }
    token_ = false;
    return true;
  }

  /// Any thread. Notifies under the lock: the parked thread may destroy the parker as soon as it has the token.
  void unpark() {
    Mutex::Guard guard(mutex_);
    token_ = true;
    condition_.notify_one();
  }

 private:
  Mutex mutex_;
  Condition condition_;
  bool token_ = false;
};

}  // namespace polyreme::sync
