// task/record.hpp: who starts a task, who completes it, who frees it.
//
// The threads do what the engine's do, with the production transitions: a queue's holder runs the task, waiters help or
// sleep, handles are dropped.
//
//   - The body runs exactly once.
//   - Every wait ends, sees the result, and finds the task done ever after.
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
  TakenOver() : LifeModel(2) {}
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

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<OneHandle>("one handle", Bounded{4})
      .explore<ThreeHandles>("three handles", Random{300'000})
      .explore<TakenOver>("taken over by a deadlock search", Random{200'000})
      .run();
}
