// Observers: told of what happens to tasks, on the threads where it happens.
//
//   struct Counter : polyreme::Observer {
//     void on_event(const polyreme::TaskEvent& event) noexcept override { ... }
//   } counter;
//   {
//     polyreme::Observation observation(rt, counter);
//     ...                                              // spawn
//   }                                                  // waits for all tasks
#pragma once

#include <polyreme/runtime.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string_view>

namespace polyreme {

/// What happens to a task, in this order: spawned, its dependencies, then started, any number of suspended and resumed,
/// and finished or failed; or cancelled, if its body never starts.
enum class TaskEventKind : std::uint8_t {
  kSpawned,
  kDependency,  ///< `other` comes before it; directly after kSpawned, on the same thread, once for each
  kStarted,     ///< the body is about to run
  kFinished,    ///< the body has returned; before anything that depends on it starts
  kFailed,      ///< the body has thrown
  kSuspended,   ///< the body waits: its slot goes to others, or another body runs on it
  kResumed,     ///< the body goes on, perhaps on another slot and thread
  kCancelled,   ///< the body will not run; `other` is the task whose failure is the cause, if one is
};

struct TaskEvent {
  static constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

  TaskEventKind kind;
  std::uint64_t task;                          ///< a number that is the task's own while the runtime is open; not 0
  std::uint64_t other;                         ///< see TaskEventKind; else 0
  std::uint32_t slot;                          ///< where the body runs; kNoSlot for other events
  std::chrono::steady_clock::time_point time;  ///< when
  std::string_view name;                       ///< of kSpawned, if the task has a name; during the call only
};

class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  /// Called by many threads at a time, in the middle of what they do: must be short, and neither wait nor call the
  /// runtime.
  virtual void on_event(const TaskEvent& event) noexcept = 0;
};

/// While it lives, the observer is told of all that happens to the tasks of a runtime. A runtime without observers pays
/// nothing for them. A trace may run at the same time.
class [[nodiscard]] Observation {
 public:
  /// The runtime must be idle. @throws UsageError when it is not, or when it is observed already.
  Observation(Runtime& runtime, Observer& observer);
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;
  /// Waits for all tasks. Not in a body.
  ~Observation();

 private:
  runtime::Engine& engine_;
};

}  // namespace polyreme
