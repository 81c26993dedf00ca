// The slot pool, one step at a time: where a call would sleep, its token is there already.
#include "launch/slot_pool.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace polyreme::launch {
namespace {

constexpr auto kNothingToDo = [] { return false; };
constexpr auto kWorkIsThere = [] { return true; };
constexpr auto kNothing = [] {};

TEST(LaunchSlotPool, HasAsManySlotsAsItWasTold) {
  SlotPool pool(3);
  EXPECT_EQ(pool.free_slots(), 3U);
  EXPECT_EQ(pool.try_take(), 0U);
  EXPECT_EQ(pool.try_take(), 1U);
  EXPECT_EQ(pool.try_take(), 2U);
  EXPECT_EQ(pool.try_take(), kNoSlot);
  EXPECT_EQ(pool.free_slots(), 0U);
}

TEST(LaunchSlotPool, WhoTakesASlotSearchesAndNobodyElseIsWoken) {
  SlotPool pool(2);
  EXPECT_TRUE(pool.should_wake());
  static_cast<void>(pool.try_take());
  EXPECT_FALSE(pool.should_wake()) << "the searcher will find it";
  EXPECT_TRUE(pool.end_search());
  EXPECT_TRUE(pool.should_wake());
  static_cast<void>(pool.try_take());
  EXPECT_TRUE(pool.end_search());
  EXPECT_FALSE(pool.should_wake()) << "no slot is free";
}

TEST(LaunchSlotPool, HalfOfThoseAwakeMaySearch) {
  SlotPool pool(4);
  for (int i = 0; i < 4; ++i) {
    static_cast<void>(pool.try_take());
    static_cast<void>(pool.end_search());
  }
  EXPECT_TRUE(pool.try_begin_search());
  EXPECT_TRUE(pool.try_begin_search());
  EXPECT_FALSE(pool.try_begin_search());
  EXPECT_FALSE(pool.end_search()) << "another one still searches";
  EXPECT_TRUE(pool.end_search());
}

TEST(LaunchSlotPool, TheLastLookTakesTheSlotBack) {
  SlotPool pool(1);
  SlotPool::Seat seat;
  const std::uint32_t slot = pool.join(seat);
  EXPECT_EQ(pool.park(seat, slot, true, kWorkIsThere, kNothing), slot);
  EXPECT_EQ(pool.free_slots(), 0U);
  EXPECT_EQ(pool.parked_threads(), 0U);
  EXPECT_TRUE(pool.end_search()) << "it is a searcher again";
}

TEST(LaunchSlotPool, AllIdleIsToldWithTheLastSlot) {
  SlotPool pool(2);
  const std::uint32_t first = pool.try_take();
  const std::uint32_t second = pool.try_take();
  int told = 0;
  pool.give_up(first, true, kNothingToDo, [&] { ++told; });
  EXPECT_EQ(told, 0);
  EXPECT_FALSE(pool.locked([](bool all_free) { return all_free; }));
  pool.give_up(second, true, kNothingToDo, [&] { ++told; });
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(pool.locked([](bool all_free) { return all_free; }));
}

TEST(LaunchSlotPool, AResumerGoesAheadOfWorkers) {
  SlotPool pool(1);
  const std::uint32_t slot = pool.try_take();
  EXPECT_FALSE(pool.slot_wanted());
  EXPECT_FALSE(pool.yield_slot(slot)) << "nobody wants it";
  SlotPool::Seat worker;
  SlotPool::Seat resumer;
  std::uint32_t resumed = kNoSlot;
  std::jthread body([&] { resumed = pool.resume(resumer); });
  while (!pool.slot_wanted())
    std::this_thread::yield();
  // A thread that gives its slot up hands it on, and no slot appears free in between.
  bool idle = false;
  pool.give_up(slot, true, kNothingToDo, [&] { idle = true; });
  body.join();
  EXPECT_EQ(resumed, slot);
  EXPECT_FALSE(idle);
  EXPECT_FALSE(pool.slot_wanted());
  EXPECT_EQ(pool.free_slots(), 0U);
}

TEST(LaunchSlotPool, AHolderYieldsBetweenTwoTasks) {
  SlotPool pool(1);
  const std::uint32_t slot = pool.try_take();
  SlotPool::Seat resumer;
  std::uint32_t resumed = kNoSlot;
  std::jthread body([&] { resumed = pool.resume(resumer); });
  while (!pool.slot_wanted())
    std::this_thread::yield();
  EXPECT_TRUE(pool.yield_slot(slot));
  body.join();
  EXPECT_EQ(resumed, slot);
}

TEST(LaunchSlotPool, AResumerTakesAFreeSlotAtOnceAndDoesNotSearch) {
  SlotPool pool(2);
  SlotPool::Seat seat;
  EXPECT_EQ(pool.resume(seat), 0U);
  EXPECT_TRUE(pool.should_wake()) << "the other slot is free, and nobody searches";
}

TEST(LaunchSlotPool, WakeOneGivesAFreeSlotToAParkedThread) {
  SlotPool pool(1);
  SlotPool::Seat seat;
  std::uint32_t given = kNoSlot;
  const std::uint32_t slot = pool.join(seat);
  std::jthread worker([&] { given = pool.park(seat, slot, true, kNothingToDo, kNothing); });
  while (pool.parked_threads() == 0 || pool.free_slots() == 0)
    std::this_thread::yield();
  pool.wake_one();
  worker.join();
  EXPECT_EQ(given, slot);
  EXPECT_EQ(pool.free_slots(), 0U);
  EXPECT_FALSE(pool.should_wake());
}

TEST(LaunchSlotPool, WakeOneWithNobodyParkedOrSomebodySearchingDoesNothing) {
  SlotPool pool(2);
  pool.wake_one();
  EXPECT_EQ(pool.free_slots(), 2U);
  static_cast<void>(pool.try_take());
  pool.wake_one();
  EXPECT_EQ(pool.free_slots(), 1U);
}

TEST(LaunchSlotPool, StopSendsEverybodyHome) {
  SlotPool pool(2);
  SlotPool::Seat seat;
  SlotPool::Seat late;
  std::uint32_t given = 0;
  const std::uint32_t slot = pool.join(seat);
  std::jthread worker([&] { given = pool.park(seat, slot, true, kNothingToDo, kNothing); });
  while (pool.parked_threads() == 0)
    std::this_thread::yield();
  const std::uint32_t held = pool.try_take();
  pool.stop();
  worker.join();
  EXPECT_EQ(given, kNoSlot);
  EXPECT_EQ(pool.join(late), kNoSlot);
  EXPECT_EQ(pool.park(late, held, true, kNothingToDo, kNothing), kNoSlot);
}

}  // namespace
}  // namespace polyreme::launch
