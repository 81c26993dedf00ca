// launch::InterpreterGate as the sessions use it: no interpreter work is stranded.
//
//   - Every interpreter task runs exactly once, and alone in the interpreter if only one thread may be inside.
//   - No task is left while all threads sleep.
//   - A task does not wait while a slot is free: where one body needs another one to run beside it, both get to run.
//   That
//     holds for a native body and an interpreter body, for interpreter bodies where all threads may be inside, and for
//     a native body while one thread is inside and another one queues.
#include "support/crew.hpp"
#include "support/model.hpp"

#include <utility>

namespace {

using polyreme::detail::Domain;
using polyreme::launch::Lane;
using polyreme::model::Crew;
using polyreme::model::CrewModel;
using polyreme::model::Inside;
using polyreme::sync::Parker;

/// A worker for each slot, and spares for bodies that wait.
template <unsigned kSlots, Inside kInside = Inside::kOne, unsigned kSpares = 0>
class GateModel : public CrewModel<1 + kSlots + kSpares> {
 public:
  GateModel() : CrewModel<1 + kSlots + kSpares>(kSlots, kInside) {}

 protected:
  void spawn(Domain domain, Crew::Body body = {}) { spawn_in(this->crew().foreign_lane(), domain, std::move(body)); }
  void spawn_in(Lane& lane, Domain domain, Crew::Body body = {}) { this->crew().spawn(lane, std::move(body), domain); }
  void block(Parker& until) { this->crew().block(until); }
};

class OneSlot : public GateModel<1> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter);
    spawn(Domain::kNative);
    spawn(Domain::kInterpreter);
  }
};

template <Inside kInside>
class TwoSlots : public GateModel<2, kInside> {
 public:
  void produce() override {
    this->spawn(Domain::kInterpreter, [this](Lane& lane) {
      this->spawn_in(lane, Domain::kNative);
      this->spawn_in(lane, Domain::kInterpreter);
    });
    this->spawn(Domain::kInterpreter);
  }
};

/// A native body needs an interpreter task that was spawned before or after it.
class Beside : public GateModel<2> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter);
    spawn(Domain::kNative, [this](Lane&) { ran_.park(); });
    spawn(Domain::kInterpreter, [this](Lane&) { ran_.unpark(); });
  }

 private:
  Parker ran_;
};

/// The same, both spawned inside the interpreter.
class BesideChildren : public GateModel<2> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter, [this](Lane& lane) {
      spawn_in(lane, Domain::kInterpreter, [this](Lane&) { ran_.unpark(); });
      spawn_in(lane, Domain::kNative, [this](Lane&) { ran_.park(); });
      spawn_in(lane, Domain::kInterpreter);
    });
  }

 private:
  Parker ran_;
};

/// Without a limit inside, two interpreter bodies that can only end together.
template <Inside kInside>
class SideBySide : public GateModel<2, kInside> {
 public:
  void produce() override {
    this->spawn(Domain::kInterpreter, [this](Lane&) { meet(first_, second_); });
    this->spawn(Domain::kInterpreter, [this](Lane&) { meet(second_, first_); });
  }

 private:
  static void meet(Parker& mine, Parker& other) {
    other.unpark();
    mine.park();
  }
  Parker first_;
  Parker second_;
};

/// A thread that queues for the interpreter is no searcher: native work comes to the third slot.
class Queueing : public GateModel<3> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter, [this](Lane&) { ran_.park(); });
    spawn(Domain::kInterpreter);
    spawn(Domain::kNative, [this](Lane&) { ran_.unpark(); });
  }

 private:
  Parker ran_;
};

/// A body waits in the interpreter for a child that needs it, too.
class ParentAndChild : public GateModel<1, Inside::kOne, 1> {
 public:
  void produce() override {
    spawn(Domain::kInterpreter, [this](Lane& lane) {
      spawn_in(lane, Domain::kInterpreter, [this](Lane&) { child_ran_.unpark(); });
      block(child_ran_);
    });
    spawn(Domain::kInterpreter);
  }

 private:
  Parker child_ran_;
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<OneSlot>("one slot", Random{50'000})
      .explore<TwoSlots<Inside::kOne>>("two slots", Random{50'000})
      .explore<TwoSlots<Inside::kOne>>("two slots, with stalls", Stalling{50'000})
      .explore<TwoSlots<Inside::kOpen>>("two slots and an open gate", Stalling{50'000})
      .explore<Beside>("beside a native body", Random{50'000})
      .explore<BesideChildren>("beside a native body, both children", Stalling{50'000})
      .explore<SideBySide<Inside::kAll>>("side by side inside", Random{50'000})
      .explore<SideBySide<Inside::kAll>>("side by side inside, with stalls", Stalling{50'000})
      .explore<SideBySide<Inside::kOpen>>("side by side through an open gate", Random{50'000})
      .explore<SideBySide<Inside::kOpen>>("side by side through an open gate, with stalls", Stalling{50'000})
      .explore<Queueing>("one inside, one in the queue", Random{50'000})
      .explore<Queueing>("one inside, one in the queue, with stalls", Stalling{50'000})
      .explore<ParentAndChild>("parent and child", Random{50'000})
      .explore<ParentAndChild>("parent and child, with stalls", Stalling{50'000})
      .run();
}
