// The sessions, lanes and slots of launch/ with native tasks: no wake-up is lost.
//
//   - Every task runs exactly once, on a slot, and sees what its spawner wrote.
//   - No task is left while all threads sleep; the wait for all tasks ends, and not before.
//   - A task does not wait for another one to end while a slot is free: where one body needs the other to run beside
//   it,
//     both get to run.
// The checker reports threads that sleep for ever as a deadlock.
#include "support/crew.hpp"
#include "support/model.hpp"

#include <utility>

namespace {

using polyreme::launch::Lane;
using polyreme::model::CrewModel;
using polyreme::sync::Parker;

/// As many workers as slots.
template <unsigned kWorkers>
class SessionModel : public CrewModel<1 + kWorkers> {
 public:
  SessionModel() : CrewModel<1 + kWorkers>(kWorkers) {}
};

class OneSlot : public SessionModel<1> {
 public:
  void produce() override {
    spawn();
    spawn();
  }
};

class TwoSlots : public SessionModel<2> {
 public:
  void produce() override {
    spawn();
    spawn([this](Lane& lane) { crew().spawn(lane, {}); });
    spawn();
  }
};

class Helped : public SessionModel<2> {
 public:
  void produce() override {
    spawn();
    spawn([this](Lane& lane) { crew().spawn(lane, {}); });
    crew().help(0);
  }
};

/// Two bodies that can only end together.
class SideBySide : public SessionModel<2> {
 public:
  void produce() override {
    spawn([this](Lane&) { meet(first_, second_); });
    spawn([this](Lane&) { meet(second_, first_); });
  }

 private:
  static void meet(Parker& mine, Parker& other) {
    other.unpark();
    mine.park();
  }
  Parker first_;
  Parker second_;
};

/// The same, one spawned by the other.
class ChildBesideParent : public SessionModel<2> {
 public:
  void produce() override {
    spawn([this](Lane& lane) {
      crew().spawn(lane, [this](Lane&) { child_ran_.unpark(); });
      child_ran_.park();
    });
    spawn();
  }

 private:
  Parker child_ran_;
};

/// The same, with a helping waiter that may leave while the child is left to it.
class HelperLeaves : public SessionModel<2> {
 public:
  void produce() override {
    spawn([this](Lane& lane) {
      crew().spawn(lane, [this](Lane&) { child_ran_.unpark(); });
      child_ran_.park();
    });
    crew().help(0);
  }

 private:
  Parker child_ran_;
};

/// A body that needs another one of the same loot to run beside it.
class SameLoot : public SessionModel<2> {
 public:
  void produce() override {
    spawn([this](Lane&) { all_spawned_.park(); });
    spawn([this](Lane&) { next_ran_.park(); });
    spawn([this](Lane&) { next_ran_.unpark(); });
    spawn();
    all_spawned_.unpark();
  }

 private:
  Parker all_spawned_;
  Parker next_ran_;
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<SameLoot>("same loot", Stalling{200'000})
      .explore<OneSlot>("one slot", Random{100'000})
      .explore<OneSlot>("one slot, with stalls", Stalling{100'000})
      .explore<TwoSlots>("two slots", Random{100'000})
      .explore<TwoSlots>("two slots, with stalls", Stalling{100'000})
      .explore<Helped>("the waiting thread helps", Random{100'000})
      .explore<Helped>("the waiting thread helps, with stalls", Stalling{100'000})
      .explore<SideBySide>("side by side", Random{100'000})
      .explore<SideBySide>("side by side, with stalls", Stalling{100'000})
      .explore<ChildBesideParent>("child beside parent", Random{100'000})
      .explore<ChildBesideParent>("child beside parent, with stalls", Stalling{100'000})
      .explore<HelperLeaves>("the waiting thread leaves", Stalling{100'000})
      .run();
}
