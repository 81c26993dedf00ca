// Mutex and condition variable of the facade (sync/atomic.hpp says why there is one).
#pragma once

#ifdef POLYREME_SYNC_RELACY
#include "sync/mutex_relacy.hpp"
#else

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace polyreme::sync {

class Mutex {
 public:
  class Guard {
   public:
    explicit Guard(Mutex& mutex) : lock_(mutex.mutex_) {}
    void unlock() { lock_.unlock(); }
    void lock() { lock_.lock(); }

   private:
    friend class Condition;
    std::unique_lock<std::mutex> lock_;
  };

 private:
  std::mutex mutex_;
};

class Condition {
 public:
  void wait(Mutex::Guard& guard) { condition_.wait(guard.lock_); }
  /// False: the deadline passed.
  [[nodiscard]] bool wait_until(Mutex::Guard& guard, std::chrono::steady_clock::time_point deadline) {
    return condition_.wait_until(guard.lock_, deadline) == std::cv_status::no_timeout;
  }
  void notify_one() noexcept { condition_.notify_one(); }

 private:
  std::condition_variable condition_;
};

}  // namespace polyreme::sync

#endif
