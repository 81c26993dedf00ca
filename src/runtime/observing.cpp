// Observers of a runtime. They hang on the same tap as a trace does.
#include <polyreme/errors.hpp>
#include <polyreme/observer.hpp>

#include "runtime/engine.hpp"
#include "trace/tap.hpp"

#include <chrono>
#include <thread>

namespace polyreme::runtime {

namespace {

/// Translates what the engine records into what observers are told.
class Interpreting : public trace::Listener {
 public:
  explicit Interpreting(Observer& observer) noexcept : observer_(observer) {}

  void heard(const trace::Event& event, std::string_view name) noexcept override {
    TaskEvent told{kind_of(event.kind), event.task, event.arg, TaskEvent::kNoSlot, {}, name};
    if (told.other == trace::kNoTask) told.other = 0;
    if (runs_on_a_slot(told.kind)) told.slot = event.where;
    told.time = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(event.time_ns));
    observer_.on_event(told);
  }

 private:
  static TaskEventKind kind_of(trace::Kind kind) noexcept {
    switch (kind) {
      case trace::Kind::spawned:
        return TaskEventKind::kSpawned;
      case trace::Kind::dependency:
        return TaskEventKind::kDependency;
      case trace::Kind::started:
        return TaskEventKind::kStarted;
      case trace::Kind::finished:
        return TaskEventKind::kFinished;
      case trace::Kind::failed:
        return TaskEventKind::kFailed;
      case trace::Kind::suspended:
        return TaskEventKind::kSuspended;
      case trace::Kind::resumed:
        return TaskEventKind::kResumed;
      case trace::Kind::cancelled:
      case trace::Kind::named:  // which a tap tells with `spawned`
        break;
    }
    return TaskEventKind::kCancelled;
  }
  static bool runs_on_a_slot(TaskEventKind kind) noexcept {
    return kind != TaskEventKind::kSpawned && kind != TaskEventKind::kDependency && kind != TaskEventKind::kCancelled;
  }

  Observer& observer_;
};

}  // namespace

void Engine::observe(Observer& observer) {
  auto listener = std::make_unique<Interpreting>(observer);
  while_idle("an observer", [&] {
    if (listener_ != nullptr) throw UsageError("polyreme: the runtime is observed already; end that observation first");
    listener_ = std::move(listener);
  });
}

void Engine::stop_observing() {
  static_cast<void>(wait_quiescent(-1, nullptr));
  std::unique_ptr<trace::Listener> listener;
  deck_.pool.locked([&](bool) {
    const std::lock_guard lock(trace_mutex_);
    listener = std::move(listener_);
    attach_all_locked();
  });
}

}  // namespace polyreme::runtime

namespace polyreme {

Observation::Observation(Runtime& runtime, Observer& observer) : engine_(runtime.engine()) {
  engine_.observe(observer);
}

Observation::~Observation() {
  engine_.stop_observing();
}

}  // namespace polyreme
