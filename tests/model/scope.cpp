// runtime/scope.hpp: who is in a scope, who is cancelled with it, when it is over, and what a later scope makes of it.
//
// ScopeState itself, with the transitions of records in memory that is used again, as the engine's slab does. The
// threads do what runtime/scopes.cpp and cancelling.cpp do.
//
//   - Every member ends exactly once, and a scope is not over before.
//   - A wait for the end of a scope ends, whatever becomes of its state meanwhile.
//   - A cancel reaches members only, and whatever memory they are in is not used again before it has let go.
//   - An abandoned scope is ended exactly once, when it is over.
//   - An engine that goes away once no scope is open or watched is touched by nobody then.
#include "runtime/scope.hpp"

#include "complete/finish.hpp"
#include "graph/successors.hpp"
#include "support/model.hpp"
#include "support/task.hpp"
#include "sync/mutex.hpp"
#include "sync/parker.hpp"

#include <array>
#include <cstddef>

namespace {

using polyreme::model::choose;
using polyreme::model::kResult;
using polyreme::model::Model;
using polyreme::model::require;
using polyreme::model::Task;
using polyreme::model::task_of;
using polyreme::runtime::Engine;
using polyreme::runtime::ScopeState;
using polyreme::tasks::Record;
namespace sync = polyreme::sync;
namespace tasks = polyreme::tasks;

/// What a scope answers for its engine; nobody asks.
alignas(std::max_align_t) std::byte no_engine[1];

template <unsigned kThreads>
class ScopeModel : public Model<kThreads> {
 protected:
  static constexpr std::uint32_t kNumber = 3;

  ScopeModel() { scope_.begin(nullptr, false); }

  // ---- what Engine::wait_scope, leave_held and end_of_scope do

  void wait(std::uint32_t use) {
    scope_.add_watcher();
    {
      const sync::Mutex::Guard lock(pool_);
      waits_ = true;
    }
    while (!scope_.over_since(use))
      parker_.park();
    {
      const sync::Mutex::Guard lock(pool_);
      waits_ = false;
    }
    scope_.remove_watcher();
  }

  void leave_held() {
    if (!scope_.leave()) return;
    {
      const sync::Mutex::Guard lock(pool_);
      if (waits_) parker_.unpark();
    }
    if (scope_.take_abandoned()) end_abandoned();
  }

  void end_abandoned() {
    require(scope_.over(), "an abandoned scope was ended before it was over");
    ++ended_abandoned_;
    static_cast<void>(scope_.end());
  }

  sync::Mutex tree_;
  ScopeState scope_{reinterpret_cast<Engine&>(no_engine), kNumber, tree_};
  int ended_abandoned_ = 0;  ///< seen by the checker alone

 private:
  sync::Mutex pool_;
  bool waits_ = false;
  sync::Parker parker_;
};

/// Thread 0 has two scopes, one after the other, with the same state, and spawns a task in each, both in the same
/// memory if that is free by then. Thread 1 runs what it spawns. Thread 2 cancels the first scope, which it holds.
class Members : public ScopeModel<3> {
 public:
  Members() {
    for (Block& block : blocks_) {
      block.task = &polyreme::model::make_task(0);
      block.task->state.store(0, sync::memory_order_relaxed);
    }
    scope_.hold();  // thread 2's
  }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;
  ~Members() override {
    for (Block& block : blocks_)
      polyreme::model::free_task(*block.task);
  }

  void thread(unsigned index) override {
    if (index == 0) {
      own();
    } else if (index == 1) {
      for (sync::Atomic<Record*>& place : queue_)
        serve(place);
    } else {
      ScopeState::Taken taken;
      scope_.cancel(taken);
      for (Record* record : taken.unstarted) {
        check_taken(*record);
        complete(*record);
        release(*record);
      }
      for (Record* record : taken.started) {
        check_taken(*record);
        release(*record);
      }
      leave_held();
    }
  }

  void after() override {
    require(ended_ == spawned_, "a task did not end exactly once");
    require(ran_second_, "a cancel reached a task of a later scope");
    for (const Block& block : blocks_)
      require(!block.used, "a task was not freed");
  }

 private:
  struct Block {
    Task* task = nullptr;
    bool used = false;
  };

  void own() {
    spawn(queue_[0]);
    const std::uint32_t use = scope_.use();
    wait(use);
    require(ended_ == spawned_, "a scope was over before its tasks were");
    static_cast<void>(scope_.end());
    scope_.begin(nullptr, false);
    spawn(queue_[1]);
    wait(scope_.use());
    require(ended_ == spawned_, "a later scope was over before its tasks were");
    static_cast<void>(scope_.end());
  }

  void spawn(sync::Atomic<Record*>& queue) {
    ++spawned_;
    Task& task = allocate();
    const bool cancelled = scope_.join(task, [] {});
    task.pending.store(0, sync::memory_order_release);
    if (cancelled && request_cancel(task) == tasks::CancelRequest::kTaken) complete(task);
    queue.store(&task, sync::memory_order_release);
    pushed_.unpark();
    release(task);
  }

  void serve(sync::Atomic<Record*>& place) {
    while (place.load(sync::memory_order_acquire) == nullptr)
      pushed_.park();
    Record& record = *place.load(sync::memory_order_relaxed);
    if (!try_start(record)) {
      release(record);
      return;
    }
    require(task_of(record).argument.get() == kResult, "a body does not see its arguments");
    if (&place == &queue_[1]) ran_second_ = true;
    complete(record);
  }

  void complete(Record& record) {
    ++ended_;
    task_of(record).result.set(kResult);
    polyreme::complete::finish(record, nullptr, [](Record&) { require(false, "an unknown task became ready"); });
    const bool claimed = (record.state.load(sync::memory_order_relaxed) & tasks::state::kClaimed) != 0;
    tasks::clear_scope(record);
    leave_held();
    if (!claimed) release(record);
  }

  void check_taken(Record& record) {
    require(task_of(record).argument.get() == kResult, "whoever cancels a task does not see what its spawner wrote");
    require((tasks::flags_of(record) & tasks::state::kCancelRequested) != 0, "a request got lost");
  }

  Task& allocate() {
    const sync::Mutex::Guard lock(slab_);
    Block& block = blocks_[blocks_[0].used ? 1 : 0];
    require(!block.used, "more tasks than were spawned");
    block.used = true;
    tasks::reset(*block.task, 2, tasks::state::kSpawned);
    block.task->argument.set(kResult);
    return *block.task;
  }

  void release(Record& record) {
    if (!tasks::drop_reference(record)) return;
    // Races with every access that does not happen before.
    task_of(record).argument.set(0);
    task_of(record).result.set(0);
    const sync::Mutex::Guard lock(slab_);
    for (Block& block : blocks_) {
      if (block.task == &record) {
        require(block.used, "a task was freed twice");
        block.used = false;
      }
    }
  }

  std::array<Block, 2> blocks_;
  sync::Mutex slab_;
  std::array<sync::Atomic<Record*>, 2> queue_;
  sync::Parker pushed_;
  // Seen by the checker alone.
  int spawned_ = 0;
  int ended_ = 0;
  bool ran_second_ = false;
};

/// The last member of a first scope leaves late: when thread 0 has ended it, and abandoned a second one with its state.
class Abandoned : public ScopeModel<3> {
 public:
  Abandoned() { scope_.hold(); }  // thread 1's
  void thread(unsigned index) override {
    if (index == 0) {
      wait(scope_.use());
      static_cast<void>(scope_.end());
      scope_.begin(nullptr, false);
      scope_.hold();  // thread 2's
      if (choose(2) == 0) begun_.unpark();
      if (scope_.abandon()) end_abandoned();
      begun_.unpark();
    } else if (index == 1) {
      leave_held();
    } else {
      begun_.park();
      leave_held();
    }
  }
  void after() override { require(ended_abandoned_ == 1, "an abandoned scope was not ended exactly once"); }

 private:
  sync::Parker begun_;
};

/// Two threads wait for a scope. One of them ends it as soon as it is over and begins another one with its state.
class SlowWaiter : public ScopeModel<3> {
 public:
  SlowWaiter() : use_(scope_.use()) { scope_.hold(); }  // thread 1's
  void thread(unsigned index) override {
    if (index == 0) {
      while (!scope_.over())
        sync::spin_pause();
      static_cast<void>(scope_.end());
      scope_.begin(nullptr, false);
      scope_.hold();  // for good
    } else if (index == 1) {
      leave_held();
    } else {
      wait(use_);
    }
  }

 private:
  const std::uint32_t use_;
};

/// Thread 0 leaves the scope, and the engine goes away as soon as nobody watches. Thread 1 has held the scope for a
/// call of its own; thread 2 has waited for its end.
class Gone : public ScopeModel<3> {
 public:
  Gone() : use_(scope_.use()) {
    scope_.add_watcher();  // thread 1's
    scope_.hold();
    scope_.add_watcher();  // thread 2's
  }
  void thread(unsigned index) override {
    if (index == 0) {
      wait(use_);
      static_cast<void>(scope_.end());
      if (!scope_.watched()) engine_.set(0);
      return;
    }
    if (index == 1) {
      leave_held();
    } else {
      while (!scope_.over_since(use_))
        sync::spin_pause();
    }
    require(engine_.get() != 0, "the engine went away under a thread that watches a scope");
    scope_.remove_watcher();
  }

 private:
  const std::uint32_t use_;
  sync::Shared<int> engine_{1};
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<Members>("members", Random{100'000})
      .explore<Abandoned>("abandoned", Random{200'000})
      .explore<SlowWaiter>("a slow waiter", Random{200'000})
      .explore<Gone>("an engine that goes away", Random{200'000})
      .run();
}
