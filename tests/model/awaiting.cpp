// task/awaiting.hpp and graph/awaiting.hpp: a body that suspends, the end of what it awaits, interruptions.
//
// Whoever makes the body ready runs its next part at once, on the same thread: no queue's ordering helps it.
//
//   - The parts of the body run one after the other, each once, and each sees what the ones before it did.
//   - After a wait that was not interrupted, the body sees the awaited task's result.
//   - An interruption is not lost: a body that waits for a task which never ends goes on.
//   - The record is freed once, after every access to it, stale listeners and stale queue entries included.
#include "graph/awaiting.hpp"

#include "complete/finish.hpp"
#include "support/model.hpp"
#include "support/task.hpp"

namespace {

using polyreme::graph::Suspension;
using polyreme::model::kResult;
using polyreme::model::make_task;
using polyreme::model::Model;
using polyreme::model::release;
using polyreme::model::require;
using polyreme::model::Task;
using polyreme::tasks::Record;
namespace sync = polyreme::sync;
namespace tasks = polyreme::tasks;

/// The model of the schedule at hand, as Port has static members.
class Runner {
 public:
  Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  virtual ~Runner() = default;
  /// What Engine::run does with a queue's entry.
  virtual void run_entry(Record& record) = 0;
};
Runner* current = nullptr;

struct Port {
  static void resume(Record& record) noexcept {
    tasks::make_resumable(record);
    current->run_entry(record);
  }
  static void release(Record& record) noexcept { polyreme::model::release(record); }
};
using Awaiting = polyreme::graph::Awaiting<Port>;

/// The body awaits `target`, and once more whenever a wait was interrupted.
template <unsigned kThreads>
class AwaitModel : public Model<kThreads>, public Runner {
 public:
  /// References of the body's record: the engine's, and `others`.
  explicit AwaitModel(std::uint64_t others) : body_(&make_task(1 + others)), target_(&make_task(1)) {
    current = this;
    body_->pending.store(0, sync::memory_order_relaxed);
    target_->pending.store(0, sync::memory_order_relaxed);
    tasks::add_reference(*target_);  // the body's handle
  }

  void run_entry(Record& record) override {
    if (tasks::try_start(record) || tasks::take_resumption(record)) {
      run_part();
    } else {
      release(record);
    }
  }

 protected:
  [[nodiscard]] Task& body() { return *body_; }
  [[nodiscard]] int interruptions() const { return interruptions_.get(); }
  [[nodiscard]] int ended() const { return ended_; }
  void wait_only_once() { waits_again_ = false; }

  void run_part() {
    const int part = parts_.get();
    parts_.set(part + 1);
    const bool interrupted = interrupted_.get() != 0;
    interrupted_.set(0);
    if (part != 0 && !interrupted) {
      require(target_->result.get() == kResult, "a body does not see the result that it has awaited");
      end();
      return;
    }
    if (interrupted) interruptions_.set(interruptions_.get() + 1);
    if (interrupted && !waits_again_) {
      end();
      return;
    }
    switch (Awaiting::suspend(*body_, *target_, false)) {
      case Suspension::kSuspended:
        return;
      case Suspension::kInterrupted:
        interrupted_.set(1);
        break;
      default:
        break;
    }
    Port::resume(*body_);
  }

  void interrupt() {
    if (!tasks::interrupt(*body_, true)) return;
    interrupted_.set(1);
    Port::resume(*body_);
  }

  void complete_target() {
    target_->result.set(kResult);
    polyreme::complete::finish(*target_, nullptr, [](Record&) { require(false, "an unknown task became ready"); });
    release(*target_);
  }

 private:
  void end() {
    ++ended_;
    Task& ending = *body_;
    release(*target_);
    polyreme::complete::finish(ending, nullptr, [](Record&) { require(false, "an unknown task became ready"); });
    if ((ending.state.load(sync::memory_order_relaxed) & tasks::state::kClaimed) == 0) release(ending);
  }

  Task* body_;
  Task* target_;
  bool waits_again_ = true;
  // The body's frame: it races unless the parts follow each other.
  sync::Shared<int> parts_{0};
  sync::Shared<int> interrupted_{0};
  sync::Shared<int> interruptions_{0};
  int ended_ = 0;  ///< seen by the checker alone
};

/// The end of the task against interruptions, while the body suspends and after.
class EndAndInterruptions : public AwaitModel<3> {
 public:
  EndAndInterruptions() : AwaitModel(1) {}
  void thread(unsigned index) override {
    if (index == 0) {
      run_entry(body());
    } else if (index == 1) {
      complete_target();
    } else {
      interrupt();
      interrupt();
      release(body());
    }
  }
  void after() override { require(ended() == 1, "the body did not end exactly once"); }
};

/// Nothing but the interruption can end the wait.
class InterruptionAlone : public AwaitModel<2> {
 public:
  InterruptionAlone() : AwaitModel(1) { wait_only_once(); }
  void thread(unsigned index) override {
    if (index == 0) {
      run_entry(body());
    } else {
      interrupt();
      release(body());
    }
  }
  void after() override {
    require(ended() == 1 && interruptions() == 1, "an interruption was lost");
    complete_target();  // takes the stale listener along
  }
};

/// A helping waiter claimed the task: it runs the first part, and a queue still holds the task's entry.
class StaleEntry : public AwaitModel<3> {
 public:
  StaleEntry() : AwaitModel(2) {}
  void thread(unsigned index) override {
    if (index == 0) {
      if (tasks::try_claim(body())) run_part();
      release(body());
    } else if (index == 1) {
      interrupt();
      release(body());
      complete_target();
    } else {
      run_entry(body());
    }
  }
  void after() override { require(ended() == 1, "the body did not end exactly once"); }
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<EndAndInterruptions>("the end, and interruptions", Random{300'000})
      .explore<InterruptionAlone>("an interruption alone", Bounded{4})
      .explore<StaleEntry>("a stale entry", Random{200'000})
      .run();
}
