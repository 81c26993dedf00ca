// sync::StealDeque: one owner, two thieves.
//
//   - Every item that was pushed is taken exactly once, by somebody.
//   - The owner takes the newest item that is left; thieves take items in the order in which they were pushed.
//   - Whoever takes an item sees what its pusher wrote before the push.
//
// The ring begins with two places, so that the owner's pushes make it grow while thieves are inside.
#include "support/model.hpp"
#include "sync/deque.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace {

using polyreme::model::Model;
using polyreme::model::require;
using polyreme::sync::Shared;
using polyreme::sync::Steal;
using polyreme::sync::StealDeque;

constexpr std::uint32_t kItems = 10;

/// Items are numbers, in the order from the top of the deque to its bottom. Each has a payload.
template <unsigned kThieves>
class DequeModel : public Model<1 + kThieves> {
 public:
  void after() override {
    for (std::uint32_t item = 0; item < pushed_; ++item)
      require(taken_[item] == 1, "an item was lost");
  }

 protected:
  void push() {
    const std::uint32_t item = fresh();
    deque_.push(item);
    own_.push_back(item);
  }

  void push_reversed(std::uint32_t count) {
    // items[0] is to be popped first: the highest number comes first.
    std::vector<std::uint32_t> items(count);
    for (std::uint32_t i = count; i-- > 0;)
      items[i] = fresh();
    deque_.push_reversed(items);
    own_.insert(own_.end(), items.rbegin(), items.rend());
  }

  void pop() {
    std::uint32_t item = 0;
    if (deque_.pop(item)) {
      require(!own_.empty() && own_.back() == item, "the owner got another item than the newest");
      own_.pop_back();
      take(item);
    } else {
      own_.clear();  // thieves have the rest
    }
  }

  void pop_all() {
    while (!own_.empty())
      pop();
  }

  void steal() {
    std::array<std::uint32_t, 2> loot{};
    std::uint32_t count = 0;
    if (deque_.steal_half(loot, count) != Steal::kTook) return;
    require(count > 0 && count <= loot.size(), "a thief was told a wrong count");
    for (const std::uint32_t item : std::span(loot).first(count)) {
      take(item);
      require(item >= next_stolen_, "a thief got an item ahead of an older one");
      next_stolen_ = item + 1;
    }
  }

 private:
  std::uint32_t fresh() {
    const std::uint32_t item = pushed_++;
    payload_[item].set(100 + item);
    return item;
  }

  void take(std::uint32_t item) {
    require(item < pushed_, "an item was taken that nobody pushed");
    require(++taken_[item] == 1, "an item was taken twice");
    require(payload_[item].get() == 100 + item, "an item came without its payload");
  }

  StealDeque<std::uint32_t> deque_;
  std::array<Shared<std::uint32_t>, kItems> payload_;
  // Seen by the checker alone, which runs one thread at a time.
  std::array<int, kItems> taken_{};
  std::uint32_t pushed_ = 0;
  std::uint32_t next_stolen_ = 0;
  std::vector<std::uint32_t> own_;  ///< what the owner may still find, newest last
};

/// Pushes and pops of all kinds against two thieves.
class Busy : public DequeModel<2> {
 public:
  void thread(unsigned index) override {
    if (index != 0) {
      steal();
      steal();
      return;
    }
    push();
    push();
    push();
    pop();
    push_reversed(3);
    pop();
    push();
    push();
    pop_all();
  }
};

/// The ring is overwritten round and round: pushes must wait for the places that a thief still reads.
class Round : public DequeModel<2> {
 public:
  void thread(unsigned index) override {
    if (index != 0) {
      steal();
      steal();
      return;
    }
    for (int i = 0; i < 3; ++i) {
      push();
      push();
      pop();
    }
    pop_all();
  }
};

/// Little enough for every schedule with few switches.
class Short : public DequeModel<1> {
 public:
  void thread(unsigned index) override {
    if (index != 0) {
      steal();
      return;
    }
    push();
    push();
    pop();
    push_reversed(2);
    pop_all();
  }
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<Busy>("pushes and pops", Random{100'000})
      .explore<Round>("round the ring", Random{100'000})
      .explore<Short>("short", Bounded{1})
      .run();
}
