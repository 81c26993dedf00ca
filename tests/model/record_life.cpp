// task/record.hpp: who starts a task, who completes it, who frees it.
//
// The threads do what the engine's do, with the production transitions: a queue's holder runs the task, waiters help or
// sleep, handles are dropped.
//
//   - The body runs exactly once.
//   - Every wait ends, sees the result, and finds the task done ever after.
//   - Whoever asks to cancel it takes it before it starts, or is heard by its body, even if that makes its stop source
//     just then.
//   - The record is freed exactly once, after every access to it: the checker reports what is left over, any access to
//     freed memory, and any access to the data that the freeing does not follow.
#include "complete/finish.hpp"
#include "graph/successors.hpp"
#include "support/model.hpp"
#include "support/task.hpp"
#include "sync/parker.hpp"

namespace {

using polyreme::graph::Listener;
using polyreme::model::choose;
using polyreme::model::kResult;
using polyreme::model::make_task;
using polyreme::model::Model;
using polyreme::model::release;
using polyreme::model::require;
using polyreme::model::Task;
using polyreme::model::task_of;
using polyreme::tasks::Record;
namespace sync = polyreme::sync;
namespace tasks = polyreme::tasks;

template <unsigned kThreads>
class LifeModel : public Model<kThreads> {
 public:
  /// One reference is the engine's, the others are handles.
  explicit LifeModel(std::uint64_t handles) : task_(&make_task(1 + handles)) { task_->argument.set(kResult); }

  void after() override { require(ended_ == 1, "the task did not end exactly once"); }

 protected:
  [[nodiscard]] Task& task() { return *task_; }

  // ---- what Engine::run, complete and wait_done do

  void run() {
    if (!try_start(*task_)) {
      release(*task_);
      return;
    }
    run_body();
  }

  void run_body() {
    require(task_->argument.get() == kResult, "a body does not see its arguments");
    task_->result.set(kResult);
    complete(0);
  }

  void complete(std::uint64_t outcome) {
    ++ended_;
    if (outcome != 0) set_outcome(*task_, outcome);
    polyreme::complete::finish(*task_, nullptr, [](Record&) { require(false, "an unknown task became ready"); });
    const bool claimed = (task_->state.load(sync::memory_order_relaxed) & tasks::state::kClaimed) != 0;
    if (!claimed) release(*task_);
  }

  void wait() {
    if (done(*task_)) return;
    if (try_claim(*task_)) {
      run_body();
    } else {
      Waiter waiter;
      if (push_listener(*task_, waiter)) waiter.parker.park();
    }
    require(done(*task_), "a wait ended, but the task is not done");
  }

  void see_result() { require(task_->result.get() == kResult, "a waiter does not see the result"); }

 private:
  struct Waiter : Listener {
    Waiter() {
      notify = [](Listener& self, Record&) noexcept { static_cast<Waiter&>(self).parker.unpark(); };
    }
    sync::Parker parker;
  };

  Task* task_;
  int ended_ = 0;  ///< seen by the checker alone
};

/// Thread 0 has the task in its queue; each of the others has a handle, with which it waits, or which it drops.
template <unsigned kHandles>
class HandlesModel : public LifeModel<1 + kHandles> {
 public:
  HandlesModel() : LifeModel<1 + kHandles>(kHandles) { this->task().pending.store(0, sync::memory_order_relaxed); }
  void thread(unsigned index) override {
    if (index == 0) {
      this->run();
      return;
    }
    if (choose(3) != 0) {
      this->wait();
      this->see_result();
      this->wait();
    }
    release(this->task());
  }
};

class OneHandle : public HandlesModel<1> {};
class ThreeHandles : public HandlesModel<3> {};

/// A deadlock search takes over a task that is still counted by its predecessor; the queue entry comes later.
class TakenOver : public LifeModel<3> {
 public:
  TakenOver() : LifeModel(2) { task().pending.store(1, sync::memory_order_relaxed); }
  void thread(unsigned index) override {
    if (index == 0) {
      if (polyreme::graph::count_down(task().pending)) run();
    } else if (index == 1) {
      if (take_over_waiting(task())) complete(tasks::state::kFailed);
      release(task());
    } else {
      wait();
      if ((tasks::flags_of(task()) & tasks::state::kFailed) == 0) see_result();
      release(task());
    }
  }
};

/// One with a handle cancels a task whose predecessor ends meanwhile; another waits, or drops its handle.
class Cancelled : public LifeModel<3> {
 public:
  Cancelled() : LifeModel(2) { task().pending.store(1, sync::memory_order_relaxed); }
  void thread(unsigned index) override {
    if (index == 0) {
      if (polyreme::graph::count_down(task().pending)) run();
    } else if (index == 1) {
      if (request_cancel(task()) == tasks::CancelRequest::kTaken) {
        require(task().argument.get() == kResult, "whoever destroys a body does not see it");
        complete(tasks::state::kCancelled | tasks::state::kOnRequest);
        require((tasks::flags_of(task()) & tasks::state::kCancelled) != 0, "the outcome got lost");
      }
      release(task());
    } else {
      if (choose(2) != 0) {
        wait();
        if ((tasks::flags_of(task()) & tasks::state::kCancelled) == 0) see_result();
      }
      release(task());
    }
  }
};

/// The body makes a stop source while others ask it to stop.
class ToldToStop : public LifeModel<3> {
 public:
  ToldToStop() : LifeModel(2) {
    task().state.fetch_or(tasks::state::kStarted, sync::memory_order_relaxed);
    task().pending.store(0, sync::memory_order_relaxed);
    static_cast<void>(tasks::rare_of(task()));
  }
  void thread(unsigned index) override {
    if (index == 0) {
      source_.set(kResult);
      if (tasks::publish_stop_source(task(), address())) ++told_;
      complete(0);
    } else {
      require(request_cancel(task()) == tasks::CancelRequest::kNoted, "a body that runs was taken");
      if (tasks::stop_source_of(task()) != nullptr) {
        require(source_.get() == kResult, "a stop source is told before it is made");
        ++told_;
      }
      release(task());
    }
  }
  void after() override {
    LifeModel::after();
    require(told_ != 0, "nobody told the stop source");
  }

 private:
  /// Only its address counts; source_ stands for what is there. Freed with the task.
  static std::stop_source* address() { return new std::stop_source(std::nostopstate); }

  polyreme::sync::Shared<int> source_;
  int told_ = 0;  ///< seen by the checker alone
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<OneHandle>("one handle", Bounded{4})
      .explore<ThreeHandles>("three handles", Random{300'000})
      .explore<TakenOver>("taken over by a deadlock search", Random{200'000})
      .explore<Cancelled>("cancelled", Random{200'000})
      .explore<ToldToStop>("told to stop", Random{100'000})
      .run();
}
