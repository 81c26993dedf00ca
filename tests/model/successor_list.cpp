// graph/successors.hpp and complete::finish: pushes of all kinds of members race with a completion.
//
//   - Every member is notified exactly once, or its pusher is told that the task is done.
//   - Whoever is told that the task is done sees its result; whoever is notified sees what the pusher wrote.
//   - A member is its owner's again once it was notified: here it is freed then.
//   - A pusher may let its handle go at once; the task is freed once, by the last to let go.
#include "complete/finish.hpp"
#include "graph/successors.hpp"
#include "support/model.hpp"
#include "support/task.hpp"

#include <array>
#include <memory>

namespace {

using polyreme::graph::BlockEdge;
using polyreme::graph::Listener;
using polyreme::graph::push_block_edge;
using polyreme::graph::push_inline_edge;
using polyreme::graph::push_listener;
using polyreme::model::kResult;
using polyreme::model::make_task;
using polyreme::model::Model;
using polyreme::model::release;
using polyreme::model::require;
using polyreme::model::Task;
using polyreme::model::task_of;
using polyreme::tasks::Record;

/// Thread 0 completes a task; each of the others makes successors of it and waits for it, in one way each.
template <unsigned kPushers>
class ListModel : public Model<1 + kPushers> {
 public:
  void after() override {
    for (std::size_t i = 0; i < kMembers; ++i) {
      require(notified_[i] + met_[i] == pushed_[i], "a member was notified more or less than once");
    }
  }

 protected:
  enum Kind : std::uint8_t { kInline, kBlock, kListener, kMembers };

  void complete() {
    task_of(*predecessor_).result.set(kResult);
    polyreme::complete::finish(*predecessor_, nullptr, [this](Record& successor) {
      const auto kind = static_cast<std::size_t>(task_of(successor).argument.get());
      require(kind == kInline || kind == kBlock, "a successor came without its argument");
      ++notified_[kind];
      release(successor);
    });
    release(*predecessor_);
  }

  void push(Kind kind) {
    ++pushed_[kind];
    if (kind == kListener) {
      auto probe = std::make_unique<Probe>(*this);
      if (push_listener(*predecessor_, *probe)) {
        static_cast<void>(probe.release());
      } else {
        met(kind);
      }
      return;
    }
    Task& successor = make_task(1);
    successor.pending.store(1, polyreme::sync::memory_order_relaxed);  // all that it waits for
    successor.argument.set(kind);
    if (kind == kInline ? push_inline_edge(*predecessor_, successor.edges[0])
                        : push_block_edge(*predecessor_, block_for(successor))) {
      return;
    }
    met(kind);
    release(successor);
  }

  void let_go() { release(*predecessor_); }

 private:
  struct Probe : Listener {
    explicit Probe(ListModel& model) : owner(model) {
      notify = [](Listener& self, Record& done) noexcept {
        const std::unique_ptr<Probe> probe(static_cast<Probe*>(&self));
        require(task_of(done).result.get() == kResult, "a listener was told before the task was done");
        ++probe->owner.notified_[kListener];
        polyreme::model::take_back(probe->next);
      };
    }
    ListModel& owner;
  };

  void met(Kind kind) {
    require(task_of(*predecessor_).result.get() == kResult, "closed, but the result is not there");
    require(done(*predecessor_), "a push was refused, but the task is not done");
    ++met_[kind];
  }

  BlockEdge& block_for(Task& successor) {
    block_edge_.successor = &successor;
    return block_edge_;
  }

  Record* predecessor_ = &make_task(1 + kPushers);
  BlockEdge block_edge_{};
  // Seen by the checker alone.
  std::array<int, kMembers> pushed_{};
  std::array<int, kMembers> notified_{};
  std::array<int, kMembers> met_{};
};

/// Little enough for every schedule with few switches.
class OnePusher : public ListModel<1> {
 public:
  void thread(unsigned index) override {
    if (index == 0) {
      complete();
    } else {
      push(kListener);
      push(kInline);
      let_go();
    }
  }
};

class EachKind : public ListModel<3> {
 public:
  void thread(unsigned index) override {
    if (index == 0) {
      complete();
    } else {
      push(static_cast<Kind>(index - 1));
      let_go();
    }
  }
};

class SeveralEach : public ListModel<2> {
 public:
  void thread(unsigned index) override {
    if (index == 0) {
      complete();
    } else if (index == 1) {
      push(kListener);
      push(kBlock);
      let_go();
    } else {
      push(kInline);
      push(kInline);
      let_go();
    }
  }
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<OnePusher>("one pusher", Bounded{4})
      .explore<EachKind>("each kind of member", Random{200'000})
      .explore<SeveralEach>("several members a pusher", Random{200'000})
      .run();
}
