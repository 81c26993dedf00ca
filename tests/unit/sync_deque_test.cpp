// The stealing deque between threads. The property tests compare its results with a std::deque, the models its
// schedules.
#include "sync/deque.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <span>
#include <thread>
#include <vector>

namespace polyreme::sync {
namespace {

TEST(SyncDeque, TheOwnerTakesTheNewestThievesTheOldestHalf) {
  StealDeque<int, 2> deque;
  for (int i = 0; i < 7; ++i)
    deque.push(i);
  std::array<int, 8> loot{};
  std::uint32_t count = 0;
  ASSERT_EQ(deque.steal_half(loot, count), Steal::kTook);
  ASSERT_EQ(count, 4U);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(loot[static_cast<std::size_t>(i)], i);
  int item = -1;
  for (int i = 6; i > 3; --i) {
    ASSERT_TRUE(deque.pop(item));
    EXPECT_EQ(item, i);
  }
  EXPECT_FALSE(deque.pop(item));
  EXPECT_EQ(deque.steal_half(loot, count), Steal::kEmpty);
  EXPECT_EQ(count, 0U);
}

TEST(SyncDeque, AThiefTakesNoMoreThanItHasRoomFor) {
  StealDeque<int, 2> deque;
  for (int i = 0; i < 100; ++i)
    deque.push(i);
  std::array<int, 8> loot{};
  std::uint32_t count = 0;
  ASSERT_EQ(deque.steal_half(std::span(loot).first(3), count), Steal::kTook);
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(deque.size_hint(), 97U);
}

TEST(SyncDeque, EveryEntryIsTakenOnceByOwnerOrThief) {
  constexpr int kEntries = 30'000;
  StealDeque<int, 2> deque;
  std::vector<std::atomic<int>> taken(kEntries);
  std::atomic<bool> filled{false};
  const auto count_in = [&](int entry) { taken[static_cast<std::size_t>(entry)].fetch_add(1); };
  {
    std::vector<std::jthread> thieves;
    for (int t = 0; t < 2; ++t) {
      thieves.emplace_back([&] {
        std::array<int, 16> loot{};
        while (!filled.load() || !deque.looks_empty()) {
          std::uint32_t count = 0;
          if (deque.steal_half(loot, count) != Steal::kTook) std::this_thread::yield();
          for (std::uint32_t i = 0; i < count; ++i)
            count_in(loot[i]);
        }
      });
    }
    int item = -1;
    for (int i = 0; i < kEntries;) {
      const std::array<int, 3> some{i + 2, i + 1, i};
      deque.push_reversed(some);
      i += 3;
      if (i % 4 == 0 && deque.pop(item)) count_in(item);
    }
    filled = true;
    while (deque.pop(item))
      count_in(item);
  }
  for (const auto& count : taken)
    ASSERT_EQ(count.load(), 1);
}

}  // namespace
}  // namespace polyreme::sync
