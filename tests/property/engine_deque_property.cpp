// The stealing deque, used by one thread, against std::deque.
#include "sync/deque.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace polyreme::sync {
namespace {

constexpr std::uint32_t kCapacity = 4;  // so that it grows and wraps often

RC_GTEST_PROP(EngineDequeProperty, BehavesLikeAStdDeque, ()) {
  StealDeque<int, kCapacity> deque;
  std::deque<int> model;
  int next = 0;
  const auto operations = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 8));
  for (const int operation : operations) {
    switch (operation) {
      case 0:
      case 1:
      case 2:
        deque.push(next);
        model.push_back(next++);
        break;
      case 3: {
        std::vector<int> items(*rc::gen::inRange<std::size_t>(0, 12));
        for (int& item : items)
          item = next++;
        deque.push_reversed(items);
        model.insert(model.end(), items.rbegin(), items.rend());
        break;
      }
      case 4:
      case 5: {
        int item = -1;
        RC_ASSERT(deque.pop(item) == !model.empty());
        if (model.empty()) break;
        RC_ASSERT(item == model.back());
        model.pop_back();
        break;
      }
      default: {
        std::array<int, 16> loot{};
        const auto room = *rc::gen::inRange<std::size_t>(1, loot.size());
        std::uint32_t count = 0;
        const Steal met = deque.steal_half(std::span(loot).first(room), count);
        RC_ASSERT(met == (model.empty() ? Steal::kEmpty : Steal::kTook));
        RC_ASSERT(count == std::min(room, (model.size() + 1) / 2));
        for (std::uint32_t i = 0; i < count; ++i) {
          RC_ASSERT(loot[i] == model.front());
          model.pop_front();
        }
        break;
      }
    }
    RC_ASSERT(deque.size_hint() == model.size());
    RC_ASSERT(deque.looks_empty() == model.empty());
  }
}

}  // namespace
}  // namespace polyreme::sync
