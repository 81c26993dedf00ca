// The collector against a model that keeps one sorted list of requests and a number of slots.
//
//   - Grants are whole, go to the first of the highest rank, and name slots that nobody else has.
//   - No more slots are out than there are, and all come back.
//   - Whoever is head and could be served is: when every holder offers what it has, somebody is granted.
#include "launch/collector.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace polyreme::launch {
namespace {

constexpr std::uint32_t kSlots = 6;

class System {
 public:
  System() {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot)
      held_.push_back(slot);
  }

  void add(std::uint32_t count, int rank) {
    auto made = std::make_unique<Collecting>();
    made->count = count;
    made->rank = rank;
    collector_.add(*made);
    const auto at = std::ranges::upper_bound(waiting_, -rank, {}, [](const Collecting* one) { return -one->rank; });
    waiting_.insert(at, made.get());
    requests_.push_back(std::move(made));
    take_granted();
  }
  /// A holder passes between two tasks.
  void pass(std::size_t which) {
    if (held_.empty() || !collector_.wants()) return;
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(which % held_.size());
    collector_.offer(*at);
    held_.erase(at);
    take_granted();
  }
  void take_back() {
    std::uint32_t slot = kSlots;
    const bool took = collector_.take_back(slot);
    RC_ASSERT(took == (piled_before_ > 0));
    if (took) held_.push_back(slot);
    check();
  }
  /// A task that was granted ends.
  void end(std::size_t which) {
    if (running_.empty()) return;
    const auto at = running_.begin() + static_cast<std::ptrdiff_t>(which % running_.size());
    held_.insert(held_.end(), (*at)->slots.begin(), (*at)->slots.end());
    running_.erase(at);
    check();
  }
  [[nodiscard]] bool idle() const { return waiting_.empty() && running_.empty(); }

 private:
  void take_granted() {
    while (Collecting* const granted = collector_.take_complete()) {
      RC_ASSERT(!waiting_.empty());
      RC_ASSERT(granted == waiting_.front());
      RC_ASSERT(granted->slots.size() == granted->count);
      waiting_.erase(waiting_.begin());
      running_.push_back(granted);
    }
    // Nobody who could be served is left.
    RC_ASSERT(waiting_.empty() || collector_.piled() < waiting_.front()->count);
    RC_ASSERT(collector_.wants() == !waiting_.empty());
    check();
  }
  void check() {
    piled_before_ = collector_.piled();
    std::vector<std::uint32_t> seen = held_;
    for (const Collecting* one : running_)
      seen.insert(seen.end(), one->slots.begin(), one->slots.end());
    RC_ASSERT(seen.size() + collector_.piled() == kSlots);
    std::ranges::sort(seen);
    RC_ASSERT(std::ranges::adjacent_find(seen) == seen.end());
  }

  Collector collector_;
  std::vector<std::unique_ptr<Collecting>> requests_;
  std::vector<Collecting*> waiting_;
  std::vector<Collecting*> running_;
  std::vector<std::uint32_t> held_;
  std::size_t piled_before_ = 0;
};

RC_GTEST_PROP(LaunchCollectorProperty, GrantsAreWholeFairAndComeBack, ()) {
  System system;
  const auto steps = *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, 1000));
  for (const std::uint32_t step : steps) {
    const std::uint32_t detail = step / 8;
    switch (step % 8) {
      case 0:
      case 1:
      case 2:
        system.add(1 + detail % kSlots, static_cast<int>(detail / kSlots % 4) - 1);
        break;
      case 3:
      case 4:
      case 5:
        system.pass(detail);
        break;
      case 6:
        system.end(detail);
        break;
      default:
        system.take_back();
    }
  }
  // Progress: with holders that pass and tasks that end, all are served in the end.
  for (std::size_t round = 0; !system.idle(); ++round) {
    RC_ASSERT(round <= 2 * steps.size());
    for (std::uint32_t i = 0; i < kSlots; ++i)
      system.pass(0);
    system.end(0);
  }
}

}  // namespace
}  // namespace polyreme::launch
