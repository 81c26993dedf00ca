// The model-checking half of sync/mutex.hpp: the same names, on top of Relacy.
#pragma once

#include "sync/atomic_relacy.hpp"

namespace polyreme::sync {

class Mutex {
 public:
  class Guard {
   public:
    explicit Guard(Mutex& mutex, Where where = Where::current()) : mutex_(mutex.mutex_) { lock(where); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
      if (locked_) unlock();
    }
    void unlock(Where where = Where::current()) {
      mutex_.unlock(debug_info(where));
      locked_ = false;
    }
    void lock(Where where = Where::current()) {
      mutex_.lock(debug_info(where));
      locked_ = true;
    }

   private:
    friend class Condition;
    rl::mutex& mutex_;
    bool locked_ = false;
  };

 private:
  rl::mutex mutex_;
};

/// Wakes spuriously, too.
class Condition {
 public:
  void wait(Mutex::Guard& guard, Where where = Where::current()) { condition_.wait(guard.mutex_, debug_info(where)); }
  /// The deadline passes whenever the checker likes.
  [[nodiscard]] bool wait_until(Mutex::Guard& guard, std::chrono::steady_clock::time_point /*deadline*/,
                                Where where = Where::current()) {
    return condition_.wait_for(guard.mutex_, 0, debug_info(where));
  }
  void notify_one(Where where = Where::current()) { condition_.notify_one(debug_info(where)); }

 private:
  rl::condition_variable condition_;
};

}  // namespace polyreme::sync
