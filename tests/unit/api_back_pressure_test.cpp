// Back-pressure: a foreign thread cannot run ahead of the slots without bound, and bodies are never held back.
#include <polyreme/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

TEST(ApiBackPressure, AForeignThreadStaysWithinTheLimit) {
  constexpr std::uint32_t kLimit = 64;
  Runtime rt({.workers = 1, .max_ready = kLimit});
  std::atomic<std::uint64_t> most{0};
  for (int i = 0; i < 20'000; ++i) {
    rt.spawn([&] {
      const RuntimeStats stats = rt.stats();
      if (stats.spawned > stats.completed + most) most = stats.spawned - stats.completed;
    });
  }
  rt.wait();
  // In the lane, in the slot's own queue after a steal of half of them, and the running one.
  EXPECT_LE(most.load(), 2 * kLimit + 2);
}

TEST(ApiBackPressure, TasksThatWaitForOthersDoNotCount) {
  Runtime rt({.workers = 1, .max_ready = 1});
  const Space space = rt.space("T");
  std::vector<Task<void>> waiting;
  for (int i = 0; i < 1000; ++i)
    waiting.push_back(rt.spawn({.after = {space[0]}}, [] {}));
  rt.spawn({.id = space[0]}, [] {});
  rt.wait();
  for (const Task<void>& task : waiting)
    EXPECT_TRUE(task.done());
}

TEST(ApiBackPressure, BodiesAreNotHeldBack) {
  Runtime rt({.workers = 1, .max_ready = 1});
  std::atomic<int> ran{0};
  rt.spawn([&] {
    for (int i = 0; i < 1000; ++i)
      rt.spawn([&] { ++ran; });
  });
  rt.wait();
  EXPECT_EQ(ran.load(), 1000);
}

TEST(ApiBackPressure, ManyProducersAllFinish) {
  Runtime rt({.workers = 2, .max_ready = 4});
  std::atomic<int> ran{0};
  {
    std::vector<std::jthread> producers;
    for (int p = 0; p < 4; ++p) {
      producers.emplace_back([&] {
        for (int i = 0; i < 5000; ++i)
          rt.spawn([&] { ++ran; });
      });
    }
  }
  rt.wait();
  EXPECT_EQ(ran.load(), 20'000);
}

TEST(ApiBackPressure, ALongSleepIsWarnedAbout) {
  std::atomic<bool> warned{false};
  std::latch release(1);
  Runtime rt({.workers = 1, .max_ready = 2, .stall_warning_s = 0.001, .warn = [&](const std::string& text) {
                EXPECT_NE(text.find("max_ready"), std::string::npos) << text;
                if (!warned.exchange(true)) release.count_down();
              }});
  rt.spawn([&] { release.wait(); });
  for (int i = 0; i < 10; ++i)
    rt.spawn([] {});
  rt.wait();
  EXPECT_TRUE(warned.load());
}

TEST(ApiBackPressure, WithGrowNobodySleeps) {
  Runtime rt({.workers = 1, .max_ready = 1, .on_full = OnFull::kGrow});
  std::latch spawned(1);
  std::atomic<int> ran{0};
  rt.spawn([&] { spawned.wait(); });
  for (int i = 0; i < 1000; ++i)
    rt.spawn([&] { ++ran; });
  spawned.count_down();  // not reached if a spawn sleeps until the slot is free
  rt.wait();
  EXPECT_EQ(ran.load(), 1000);
}

}  // namespace
}  // namespace polyreme
