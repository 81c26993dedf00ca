// graph::count_down, the commit of Engine::link and tasks::try_claim: when a task becomes ready.
//
//   - Of all who count, exactly one is told that it was the last; no count is lost.
//   - The last one, and a helping waiter that finds the count at 0, see what every predecessor wrote, and what the
//     spawning thread wrote.
//   - A failing predecessor leaves its cause; the first one's cause stays.
#include "complete/finish.hpp"
#include "graph/dependencies.hpp"
#include "support/model.hpp"
#include "support/task.hpp"

#include <array>
#include <exception>

namespace {

using polyreme::graph::count_down;
using polyreme::model::choose;
using polyreme::model::kResult;
using polyreme::model::make_task;
using polyreme::model::Model;
using polyreme::model::release;
using polyreme::model::require;
using polyreme::model::Task;
using polyreme::model::task_of;
using polyreme::sync::Shared;
using polyreme::tasks::Record;
namespace sync = polyreme::sync;
namespace tasks = polyreme::tasks;

/// Predecessors that count without a list.
class Counters : public Model<3> {
 public:
  void thread(unsigned index) override {
    written_[index].set(kResult);
    if (!count_down(pending_)) return;
    ++last_;
    for (const Shared<int>& written : written_) {
      require(written.get() == kResult, "the last to count does not see what another one wrote");
    }
  }
  void after() override { require(last_ == 1, "the task did not become ready exactly once"); }

 private:
  sync::Atomic<std::uint32_t> pending_{kThreads};
  std::array<Shared<int>, kThreads> written_;
  int last_ = 0;
};

/// Two predecessors count; a helping waiter may claim the task as soon as it is ready.
class Claim : public Model<3> {
 public:
  Claim() {
    task_->argument.set(kResult);
    task_->pending.store(2, sync::memory_order_relaxed);
  }
  void thread(unsigned index) override {
    if (index == 2) {
      for (int i = 0; i < 2 && started_ == 0; ++i) {
        if (try_claim(*task_)) start();
      }
      release(*task_);
      return;
    }
    written_[index].set(kResult);
    if (!count_down(task_->pending)) return;
    if (try_start(*task_)) start();
    release(*task_);
  }
  void after() override { require(started_ == 1, "the task did not start exactly once"); }

 private:
  void start() {
    ++started_;
    for (const Shared<int>& written : written_) {
      require(written.get() == kResult, "a body does not see what a predecessor wrote");
    }
  }

  Task* task_ = &make_task(2);
  std::array<Shared<int>, 2> written_;
  int started_ = 0;
};

/// Engine::link against the completion of the predecessors, some of which fail.
template <std::uint32_t kPredecessors, std::uint32_t kCompleting>
class LinkModel : public Model<1 + kCompleting> {
 public:
  LinkModel() {
    // One reference is the engine's, one the spawning thread's.
    for (std::size_t i = 0; i < kPredecessors; ++i) {
      predecessors_[i] = &make_task(2);
      predecessors_[i]->id = i;
    }
  }

  void thread(unsigned index) override {
    if (index == 0) {
      link();
      for (Record* predecessor : predecessors_)
        release(*predecessor);
      return;
    }
    for (std::size_t i = index - 1; i < kPredecessors; i += kCompleting)
      complete(*predecessors_[i], choose(3) == 0);
  }

  void after() override {
    require(ready_ == 1, "the task did not become ready exactly once");
    release(*task_);
  }

 private:
  void link() {
    task_ = &make_task(1);
    task_->argument.set(kResult);
    Task& task = *task_;
    polyreme::graph::EdgeWriter edges(task, kPredecessors,
                                      [] { return static_cast<void*>(new polyreme::graph::EdgeBlock); });
    task.pending.store(kPredecessors, sync::memory_order_relaxed);
    std::uint32_t met = 0;
    for (Record* predecessor : predecessors_) {
      if (edges.push_to(*predecessor)) continue;
      ++met;
      if ((tasks::flags_of(*predecessor) & tasks::state::kFailed) != 0) {
        polyreme::complete::poison(task, predecessor->rare->failure, *predecessor);
      }
    }
    if (met == 0) return;
    if (met == kPredecessors) {
      task.pending.store(0, sync::memory_order_release);
    } else if (task.pending.fetch_sub(met, sync::memory_order_acq_rel) != met) {
      return;
    }
    make_ready(task);
  }

  void complete(Record& record, bool fails) {
    written_[record.id].set(kResult);
    std::exception_ptr cause;
    if (fails) {
      ++failed_;
      cause = std::make_exception_ptr(1);
      tasks::rare_of(record).failure = cause;
      tasks::set_outcome(record, tasks::state::kFailed);
    }
    polyreme::complete::finish(record, fails ? &cause : nullptr, [this](Record& ready) { make_ready(ready); });
    release(record);
  }

  void make_ready(Record& record) {
    require(++ready_ == 1, "the task became ready twice");
    Task& task = task_of(record);
    require(task.argument.get() == kResult, "a body does not see what its spawner wrote");
    for (const Shared<int>& written : written_) {
      require(written.get() == kResult, "a body does not see what a predecessor wrote");
    }
    const bool poisoned = (tasks::flags_of(record) & tasks::state::kPoisoned) != 0;
    require(poisoned == (failed_ != 0), "a failure got lost, or came from nowhere");
    require(!poisoned || record.rare->failure != nullptr, "a failure came without its cause");
    polyreme::graph::for_each_block(record,
                                    [](void* block) { delete static_cast<polyreme::graph::EdgeBlock*>(block); });
    record.flags = 0;
  }

  Task* task_ = nullptr;
  std::array<Record*, kPredecessors> predecessors_{};
  std::array<Shared<int>, kPredecessors> written_;
  // Seen by the checker alone.
  int ready_ = 0;
  int failed_ = 0;
};

class LinkInline : public LinkModel<3, 3> {};
/// More predecessors than fit into the record: the last ones go to a block.
class LinkBlock : public LinkModel<4, 2> {};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<Counters>("counters", Bounded{4})
      .explore<Claim>("claim", Random{200'000})
      .explore<LinkInline>("link, inline edges", Random{200'000})
      .explore<LinkBlock>("link, edges in a block", Random{200'000})
      .run();
}
