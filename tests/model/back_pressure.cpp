// launch::BackPressure: a foreign thread sleeps over a full lane until thieves have emptied half of it.
//
//   - The thread does not sleep for ever while thieves take its tasks.
//   - It wakes with at most half of the limit in its lane, and no wake-up is left over for its next sleep.
#include "launch/back_pressure.hpp"

#include "support/model.hpp"
#include "sync/deque.hpp"

#include <array>
#include <cstdint>

namespace {

using polyreme::launch::BackPressure;
using polyreme::model::Model;
using polyreme::model::require;
using polyreme::sync::Parker;
using polyreme::sync::Steal;
using polyreme::sync::StealDeque;
namespace sync = polyreme::sync;

constexpr std::uint32_t kLimit = 2;

/// Thread 0 owns the lane; the others steal until it has pushed its last task.
template <unsigned kThieves, std::uint32_t kTasks>
class PressureModel : public Model<1 + kThieves> {
 public:
  void thread(unsigned index) override {
    if (index == 0) {
      produce();
    } else {
      while (!produced_)
        steal();
    }
  }

 private:
  void produce() {
    for (std::uint32_t task = 0; task < kTasks; ++task) {
      lane_.push(task);
      if (lane_.size_hint() <= kLimit) continue;
      pressure_.sleep_while_full(kLimit, [this] { return lane_.size_hint(); }, [](Parker& parker) { parker.park(); });
      require(lane_.size_hint() <= kLimit / 2, "the owner of a full lane was woken too early");
    }
    produced_ = true;
  }

  void steal() {
    std::array<std::uint32_t, 2> loot{};
    std::uint32_t count = 0;
    if (lane_.steal_half(loot, count) == Steal::kTook) {
      pressure_.taken(kLimit, [this] { return lane_.size_hint(); });
    } else {
      sync::spin_pause();
    }
  }

  StealDeque<std::uint32_t> lane_;
  BackPressure pressure_;
  bool produced_ = false;  ///< seen by the checker alone
};

/// The lane is full from the start, and the last steal may be the one that the owner waits for.
class FullLane : public Model<2> {
 public:
  FullLane() {
    for (std::uint32_t task = 0; task <= kLimit; ++task)
      lane_.push(task);
  }
  void thread(unsigned index) override {
    if (index == 0) {
      pressure_.sleep_while_full(kLimit, [this] { return lane_.size_hint(); }, [](Parker& parker) { parker.park(); });
      return;
    }
    std::array<std::uint32_t, kLimit + 1> loot{};
    std::uint32_t count = 0;
    while (lane_.steal_half(loot, count) == Steal::kTook) {
      pressure_.taken(kLimit, [this] { return lane_.size_hint(); });
    }
  }

 private:
  StealDeque<std::uint32_t> lane_;
  BackPressure pressure_;
};

class OneThief : public PressureModel<1, 7> {};
class TwoThieves : public PressureModel<2, 7> {};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<TwoThieves>("two thieves, with stalls", Stalling{300'000})
      .explore<FullLane>("full lane", Random{100'000})
      .explore<FullLane>("full lane, with stalls", Stalling{100'000})
      .explore<OneThief>("one thief", Random{200'000})
      .explore<OneThief>("one thief, with stalls", Stalling{200'000})
      .explore<TwoThieves>("two thieves", Random{200'000})
      .run();
}
