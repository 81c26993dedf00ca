// Tasks that become ready at a time: one thread, made when the first is asked for, that sleeps until the next is due.
//
// The list is a heap under a mutex. The thread takes what is due out of it and hands it over without the mutex; who
// adds an earlier time than all others, or stops, wakes it. A task in the list that was cancelled stays until it is
// due, or until stop(): its entry has the engine's reference, as an entry in a queue has.
#pragma once

#include "task/record.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace polyreme::runtime {

class Timers {
 public:
  using Clock = std::chrono::steady_clock;

  /// `due(self, record)` is called on the thread, for each; it takes the reference over.
  Timers(void (*due)(void* self, tasks::Record& record), void* self) noexcept : due_(due), self_(self) {}
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;
  ~Timers() { POLYREME_CHECK(!thread_.joinable()); }

  /// @throws std::system_error if the thread cannot be made, std::bad_alloc; nothing is added then.
  void add(Clock::time_point when, tasks::Record& record);
  /// True: the record was not due, and is the caller's again.
  [[nodiscard]] bool remove(const tasks::Record& record);
  /// From now on there is no thread, and the clock is the caller's: nothing is due before fire_next(). Before add().
  void use_by_hand() noexcept { by_hand_ = true; }
  /// When the next is due; Clock::time_point::max() if there is none.
  [[nodiscard]] Clock::time_point next();
  /// Hands the next over, due or not. There is one.
  void fire_next();
  /// Everything is due now, and so is what is added until as many calls of resume() have followed.
  void expire();
  void resume() noexcept;
  /// Ends the thread. Nothing may be in the list, or be added afterwards.
  void stop();

 private:
  struct Entry {
    Clock::time_point when;
    tasks::Record* record;
    /// For a heap whose top is the earliest.
    bool operator<(const Entry& other) const noexcept { return when > other.when; }
  };

  void run();
  [[nodiscard]] tasks::Record& pop_locked();

  void (*const due_)(void* self, tasks::Record& record);
  void* const self_;
  bool by_hand_ = false;
  std::mutex mutex_;
  std::condition_variable earlier_;
  std::vector<Entry> entries_;  ///< a heap
  std::uint32_t expired_ = 0;   ///< calls of expire() without one of resume()
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace polyreme::runtime
