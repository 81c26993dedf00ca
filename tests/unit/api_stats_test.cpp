// RuntimeStats.
#include <polyreme/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <numeric>

namespace polyreme {
namespace {

TEST(ApiStats, QueuesAndSlots) {
  Runtime rt({.workers = 1});
  std::atomic<bool> running{false};
  std::atomic<bool> go_on{false};
  Task<void> holder = rt.spawn([&] {
    running.store(true);
    running.notify_one();
    go_on.wait(false);
  });
  running.wait(false);
  constexpr std::uint64_t kTasks = 5;
  for (std::uint64_t i = 0; i < kTasks; ++i)
    rt.spawn([] {});
  const RuntimeStats busy = rt.stats();
  EXPECT_EQ(busy.ready, kTasks);
  EXPECT_EQ(busy.ready_by_slot.size(), 1U);
  EXPECT_EQ(busy.ready_by_slot[0], 0U) << "they are in the queue of this thread";
  EXPECT_EQ(busy.free_slots, 0U);
  EXPECT_EQ(busy.spawned, kTasks + 1);
  go_on.store(true);
  go_on.notify_one();
  rt.wait();
  const RuntimeStats idle = rt.stats();
  EXPECT_EQ(idle.ready, 0U);
  EXPECT_EQ(idle.completed, kTasks + 1);
  EXPECT_EQ(idle.interpreter_enters, 0U);
  EXPECT_EQ(idle.interpreter_wait_ns, 0U);
}

TEST(ApiStats, TheQueueOfASlot) {
  Runtime rt({.workers = 1});
  rt.spawn([&rt] {
    for (int i = 0; i < 3; ++i)
      rt.spawn([] {});
    const RuntimeStats stats = rt.stats();
    EXPECT_EQ(stats.ready, 3U);
    EXPECT_EQ(stats.ready_by_slot.at(0), 3U);
  });
  rt.wait();  // takes the task out of its queue, whereas a wait for it alone may leave its entry there
}

/// A thread that has parked was woken as often as it got work, but for the last time.
TEST(ApiStats, ParksAndWakes) {
  Runtime rt({.workers = 2});
  for (int i = 0; i < 20; ++i) {
    rt.spawn([] {});
    static_cast<void>(rt.wait_for(std::chrono::seconds(60)));  // a timed wait does not help: a worker runs the task
  }
  const RuntimeStats stats = rt.stats();
  EXPECT_LE(stats.wakes, stats.parks);
  EXPECT_EQ(stats.completed, 20U);
}

}  // namespace
}  // namespace polyreme
