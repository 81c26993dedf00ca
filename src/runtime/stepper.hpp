// The stepper: in place of the sessions' own choices, one thread at a time that runs, and a seed that says which.
//
// Purpose. Programs on the engine behave differently from run to run. For tests, a runtime can be opened so that one
// seed is one schedule, on any machine: nothing runs until the driving thread steps or waits; at each scheduling point,
// which is the begin, the end and each wait of a body, the seed picks uniformly among all that may go on next: every
// ready task, be it new or a suspended coroutine that may resume, and every body whose wait is over.
//
// How. The workers take no part in the slot pool; to the pool all slots are free for ever, and nobody is parked. The
// driver, which is whoever calls step(), collects what is in the lanes' queues, picks, lets one worker go and sleeps
// until that one is back: it has run its task (await_entry), or its body waits (block). A body that waits keeps its
// thread, as in production, and another worker serves the slot meanwhile. So a stack deadlock is none here either.
// Whether a body that waits for a ready task runs it in place, as it would in production, is drawn, too (flip).
//
// Time is virtual: a wait with a time limit times out, and the pause before a retry ends, when nothing else can go on,
// the earliest first.
//
// Who may touch what. One thread is active at a time: the driver between two steps, the worker that it let go during
// one. The active thread owns random_, ready_ and now_ns_; mutex_ passes them on, and guards the rest. Drivers take
// turns by driver_mutex_, between two steps; it is recursive because what a driver destroys may wait. Other threads may
// spawn, cancel and wait at any time, as on any runtime, but when that happens is not up to the seed.
#pragma once

#include "launch/task_queues.hpp"
#include "sync/parker.hpp"
#include "task/record.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace polyreme::runtime {

class Engine;
struct Waiter;

class Stepper {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;

  Stepper(Engine& engine, std::uint64_t seed) noexcept : engine_(engine), random_(seed) {}

  // ---- The driver: any thread that holds no slot of the engine.

  enum class Step : std::uint8_t {
    kRan,      ///< something went on, and is at its next scheduling point
    kRuns,     ///< something goes on, and has not come to a scheduling point before `patience_ns` was over
    kTimeout,  ///< nothing can go on before `deadline_ns`, which is the time now
    kNothing,  ///< nothing can go on
    kBusy,     ///< another thread is the driver
  };
  [[nodiscard]] Step step(std::int64_t deadline_ns, std::int64_t patience_ns);

  /// Calls `fn` while no other thread can drive, unless something can go on.
  void while_still(const std::function<void()>& fn);
  /// The virtual time when a wait ends that begins now. kNever: without limit.
  [[nodiscard]] std::int64_t deadline_after(std::int64_t timeout_ns);
  /// The virtual time. Any thread.
  [[nodiscard]] std::chrono::nanoseconds now();
  /// How many entries it has collected. Any thread.
  [[nodiscard]] std::size_t ready() const noexcept { return ready_count_.load(std::memory_order_relaxed); }
  /// All workers leave. After the last step.
  void stop();

  // ---- The worker that is active.

  /// A worker's place in the list of those that have nothing to do.
  struct Worker {
    sync::Parker parker;
    tasks::Entry* entry = nullptr;
  };
  /// Ends the step that the worker was let go for, if any, and sleeps until it gets another task. Null: it shall leave.
  [[nodiscard]] tasks::Entry* await_entry(Worker& worker, bool ends_step);
  /// Ends the step and sleeps until the waiter's thread may go on. True: it may because its time is over.
  [[nodiscard]] bool block(Waiter& waiter, std::int64_t timeout_ns);
  [[nodiscard]] bool flip() noexcept { return below(2) == 0; }

 private:
  struct Sleeper {
    Waiter& waiter;
    std::int64_t deadline_ns;
    bool timed_out = false;
    sync::Parker parker = {};
  };

  void collect();
  [[nodiscard]] bool pick();
  [[nodiscard]] bool drop_if_stale(tasks::Entry& entry);
  [[nodiscard]] std::vector<Sleeper*> bodies_awake();
  [[nodiscard]] Sleeper* earliest();
  void pass_time_until(std::int64_t time_ns);
  void let_go(tasks::Entry& entry);
  void let_go(Sleeper& sleeper, bool timed_out);
  [[nodiscard]] bool await_worker(std::int64_t patience_ns);
  [[nodiscard]] std::uint64_t below(std::uint64_t count) noexcept;

  Engine& engine_;
  std::recursive_mutex driver_mutex_;
  sync::Parker driver_parker_;  ///< the holder of driver_mutex_ sleeps there

  std::uint64_t random_;
  std::vector<tasks::Entry*> ready_;         ///< oldest first, as far as the queues tell
  std::atomic<std::size_t> ready_count_{0};  ///< repeats the length for others
  std::int64_t now_ns_ = 0;

  std::mutex mutex_;
  std::vector<Worker*> idle_;
  std::vector<Sleeper*> asleep_;  ///< in the order in which they fell asleep
  bool running_ = false;          ///< a worker is active
  bool stopping_ = false;
};

}  // namespace polyreme::runtime
