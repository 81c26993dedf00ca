// launch::SlotPool: who holds a slot.
//
//   - A slot has one holder at a time; what a holder did there, the next one sees.
//   - Whoever asks for a slot to go on with a body gets one, while holders have work without end.
//   - A body that waits gives its slot to others; no task is left behind by that.
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
      .run();
}
