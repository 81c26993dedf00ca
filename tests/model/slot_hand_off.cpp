// launch::SlotPool: who holds a slot.
//
//   - A slot has one holder at a time; what a holder did there, the next one sees.
//   - Whoever asks for a slot to go on with a body gets one, while holders have work without end.
//   - A body that waits gives its slot to others; no task is left behind by that.
//   - Who asks for several slots gets them all at once, while holders have work without end; nobody else has one of
//     them meanwhile, and a body that waits gives all of them away.
//   - stop() lets every sleeping thread go.
// The checker reports threads that sleep for ever as a deadlock, and those that spin for ever as a livelock.
#include "launch/slot_pool.hpp"
#include "support/crew.hpp"
#include "support/model.hpp"

#include <array>
#include <utility>

namespace {

using polyreme::launch::kNoSlot;
using polyreme::launch::Lane;
using polyreme::launch::SlotPool;
using polyreme::model::CrewModel;
using polyreme::model::Model;
using polyreme::model::require;
using polyreme::sync::Parker;
using polyreme::sync::Shared;
namespace sync = polyreme::sync;

/// Thread 0 is a worker whose work does not end before all bodies have resumed; each of the others resumes one, and
/// gives its slot up.
template <unsigned kResuming>
class ResumeModel : public Model<1 + kResuming> {
 public:
  void thread(unsigned index) override {
    if (index == 0) {
      work();
    } else {
      resume();
    }
  }

 private:
  void work() {
    SlotPool::Seat seat;
    std::uint32_t slot = pool_.join(seat);
    if (slot != kNoSlot && pool_.end_search()) static_cast<void>(pool_.should_wake());
    while (slot != kNoSlot) {
      if (pool_.slot_wanted() && pool_.yield_slot(slot)) {
        slot = pool_.join(seat);
        if (slot != kNoSlot) static_cast<void>(pool_.end_search());
      } else if (left_.load(sync::memory_order_acquire) != 0) {
        use(slot);
        sync::spin_pause();
      } else {
        slot = pool_.park(seat, slot, false, [] { return false; }, [] {});
      }
    }
  }

  void resume() {
    {
      SlotPool::Seat seat;
      const std::uint32_t slot = pool_.resume(seat);
      require(slot != kNoSlot, "a resumed body got no slot");
      use(slot);
      pool_.give_up(slot, false, [] { return false; }, [] {});
    }
    if (left_.fetch_sub(1, sync::memory_order_acq_rel) == 1) pool_.stop();
  }

  void use(std::uint32_t slot) { uses_[slot].set(uses_[slot].get() + 1); }

  SlotPool pool_{1};
  sync::Atomic<unsigned> left_{kResuming};
  std::array<Shared<int>, 1> uses_;
};

class OneResumes : public ResumeModel<1> {};
class TwoResume : public ResumeModel<2> {};

/// Bodies that wait for other bodies, with one worker more than slots, as the engine sees to it.
template <unsigned kSlots>
class WaitModel : public CrewModel<2 + kSlots> {
 public:
  WaitModel() : CrewModel<2 + kSlots>(kSlots) {}

 protected:
  /// A body that spawns a child and waits for it.
  void spawn_parent(Parker& child_ran) {
    this->spawn([this, &child_ran](Lane& lane) {
      this->crew().spawn(lane, [&child_ran](Lane&) { child_ran.unpark(); });
      this->crew().block(child_ran);
    });
  }
};

class ParentAndChild : public WaitModel<1> {
 public:
  void produce() override {
    spawn_parent(child_ran_);
    spawn();
  }

 private:
  Parker child_ran_;
};

/// The wait for all may end while a worker still has its slot and another one has yet to come.
class LateWorker : public WaitModel<1> {
 public:
  void produce() override { spawn(); }
};

class TwoSlots : public WaitModel<2> {
 public:
  void produce() override {
    spawn_parent(child_ran_);
    spawn();
  }

 private:
  Parker child_ran_;
};

/// Two workers whose work does not end before a task has had both their slots.
class Collects : public Model<3> {
 public:
  void thread(unsigned index) override {
    if (index == 2) {
      request_.count = 2;
      pool_.collect(request_);
      return;
    }
    SlotPool::Seat seat;
    std::uint32_t slot = pool_.join(seat);
    while (slot != kNoSlot) {
      const bool is_granted = seat.take_granted() != nullptr;
      if (is_granted) {
        for (const std::uint32_t each : request_.slots)
          use(each);
        ran_.store(1, sync::memory_order_release);
        pool_.give_back(request_.slots.back(), [] { return false; }, [] {});
        pool_.give_up(slot, false, [] { return false; }, [] {});
        pool_.stop();
        return;
      }
      if (pool_.slot_wanted() && pool_.yield_slot(slot, true)) {
        slot = pool_.join(seat);
      } else if (ran_.load(sync::memory_order_acquire) == 0) {
        use(slot);
        sync::spin_pause();
      } else {
        slot = pool_.park(seat, slot, false, [] { return false; }, [] {});
      }
    }
  }

 private:
  void use(std::uint32_t slot) { uses_[slot].set(uses_[slot].get() + 1); }

  SlotPool pool_{2};
  SlotPool::Request request_;
  sync::Atomic<unsigned> ran_{0};
  std::array<Shared<int>, 2> uses_;
};

/// As many workers as slots; tasks of one and of two slots, and a waiting thread that helps.
class MixedSizes : public CrewModel<3> {
 public:
  MixedSizes() : CrewModel<3>(2) {}
  void produce() override {
    spawn();
    crew().collect(crew().foreign_lane(), 2, [this](Lane& lane) { crew().spawn(lane, {}); });
    spawn();
    crew().help(0);
  }
};

/// Two of them, one after the other.
class TwoCollect : public CrewModel<3> {
 public:
  TwoCollect() : CrewModel<3>(2) {}
  void produce() override {
    crew().collect(crew().foreign_lane(), 2, {});
    spawn([this](Lane& lane) { crew().collect(lane, 2, {}); });
  }
};

/// A body with two slots that waits for its child.
class WaitsWithTwo : public WaitModel<2> {
 public:
  void produce() override {
    crew().collect(crew().foreign_lane(), 2, [this](Lane& lane) {
      crew().spawn(lane, [this](Lane&) { child_ran_.unpark(); });
      crew().block(child_ran_);
    });
    spawn();
  }

 private:
  Parker child_ran_;
};

/// A body that waits while another task collects what it gave up.
class WaitsBesideCollector : public WaitModel<2> {
 public:
  void produce() override {
    spawn_parent(child_ran_);
    crew().collect(crew().foreign_lane(), 2, {});
  }

 private:
  Parker child_ran_;
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<OneResumes>("one body resumes", Bounded{3})
      .explore<TwoResume>("two bodies resume", Random{100'000})
      .explore<TwoResume>("two bodies resume, with stalls", Stalling{100'000})
      .explore<LateWorker>("a worker that comes late", Stalling{20'000})
      .explore<ParentAndChild>("parent and child on one slot", Random{50'000})
      .explore<ParentAndChild>("parent and child on one slot, with stalls", Stalling{50'000})
      .explore<TwoSlots>("parent and child on two slots", Random{50'000})
      .explore<TwoSlots>("parent and child on two slots, with stalls", Stalling{50'000})
      .explore<Collects>("one collects two slots", Random{100'000})
      .explore<Collects>("one collects two slots, with stalls", Stalling{100'000})
      .explore<MixedSizes>("tasks of one and two slots, and a helper", Random{50'000})
      .explore<MixedSizes>("tasks of one and two slots, and a helper, with stalls", Stalling{50'000})
      .explore<TwoCollect>("two collect", Random{50'000})
      .explore<TwoCollect>("two collect, with stalls", Stalling{50'000})
      .explore<WaitsWithTwo>("a body with two slots waits", Random{50'000})
      .explore<WaitsWithTwo>("a body with two slots waits, with stalls", Stalling{50'000})
      .explore<WaitsBesideCollector>("a body waits while another collects", Random{50'000})
      .explore<WaitsBesideCollector>("a body waits while another collects, with stalls", Stalling{50'000})
      .run();
}
