// Tasks of several cores: they hold that many slots while they run.
#include <polyreme/coro.hpp>
#include <polyreme/repeatable.hpp>
#include <polyreme/runtime.hpp>

#include "support/errors.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <sched.h>

#include <atomic>
#include <chrono>
#include <dlfcn.h>
#include <functional>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

constexpr std::uint32_t kWorkers = 4;

/// Counts the slots that bodies hold, and how many that were at most.
class Occupancy {
 public:
  class Held {
   public:
    Held(Occupancy& all, std::uint32_t cores) : all_(all), cores_(cores) {
      const std::uint32_t now = all_.held_.fetch_add(cores_) + cores_;
      std::uint32_t most = all_.most_.load();
      while (most < now && !all_.most_.compare_exchange_weak(most, now)) {
      }
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { all_.held_ -= cores_; }

   private:
    Occupancy& all_;
    const std::uint32_t cores_;
  };
  [[nodiscard]] std::uint32_t most() const { return most_; }

 private:
  std::atomic<std::uint32_t> held_{0};
  std::atomic<std::uint32_t> most_{0};
};

class ApiCores : public testing::Test {
 protected:
  Runtime rt_{{.workers = kWorkers}};
  Occupancy occupancy_;
  std::atomic<int> ran_{0};
};

TEST_F(ApiCores, OneRunsAndReturnsItsValue) {
  for (std::uint32_t cores = 1; cores <= kWorkers; ++cores)
    EXPECT_EQ(rt_.spawn({.cores = cores}, [](int x) { return x + 1; }, 41).get(), 42);
}

TEST_F(ApiCores, BodiesNeverHoldMoreSlotsThanThereAre) {
  for (int i = 0; i < 400; ++i) {
    const std::uint32_t cores = static_cast<std::uint32_t>(i) % kWorkers + 1;
    rt_.spawn({.priority = i % 3 - 1, .cores = cores}, [this, cores] {
      const Occupancy::Held held(occupancy_, cores);
      ++ran_;
      std::this_thread::yield();
    });
  }
  rt_.wait();
  EXPECT_EQ(ran_.load(), 400);
  EXPECT_LE(occupancy_.most(), kWorkers);
}

TEST_F(ApiCores, TwoHalvesRunSideBySide) {
  std::latch both(2);
  for (int i = 0; i < 2; ++i)
    rt_.spawn({.cores = kWorkers / 2}, [&] { both.arrive_and_wait(); });
  rt_.wait();
}

TEST_F(ApiCores, TooManyAreAnErrorThatNamesBoth) {
  for (const std::uint32_t wrong : {0U, kWorkers + 1, ~0U}) {
    EXPECT_EQ(test::text_of(test::caught([&] { rt_.spawn({.cores = wrong}, [] {}); })),
              "polyreme: cores=" + std::to_string(wrong) +
                  " on a runtime with workers=4; a task has from 1 core to as many as there are workers");
  }
  const Space space = rt_.space("T");
  EXPECT_THROW(rt_.spawn({.id = space[0], .cores = kWorkers + 1}, [] {}), UsageError);
  rt_.spawn({.id = space[0]}, [] {}).get();  // nothing was spawned
}

TEST_F(ApiCores, ValuesFailuresAndDependenciesPass) {
  const auto first = rt_.spawn({.cores = 2}, [] { return 20; });
  const auto second = rt_.spawn({.cores = 3}, [](int x) { return x + 1; }, first);
  EXPECT_EQ(second.get(), 21);
  const auto failing = rt_.spawn({.cores = kWorkers}, []() -> int { throw std::runtime_error("first"); });
  const auto never = rt_.spawn({.cores = 2}, [](int x) { return x; }, failing);
  EXPECT_THROW(static_cast<void>(failing.get()), std::runtime_error);
  EXPECT_THROW(static_cast<void>(never.get()), DependencyFailed);
  EXPECT_THROW(rt_.wait(), TaskErrors);
  EXPECT_EQ(rt_.spawn({.cores = kWorkers}, [] { return 1; }).get(), 1) << "the slots of the failed one are back";
}

TEST_F(ApiCores, ABodyThatWaitsGivesAllItsSlotsAway) {
  const auto outer = rt_.spawn({.cores = kWorkers}, [this] {
    std::vector<Task<int>> inner;
    for (const std::uint32_t cores : {1U, kWorkers, 2U})
      inner.push_back(rt_.spawn({.cores = cores}, [] { return 1; }));
    int sum = 0;
    for (const Task<int>& task : inner)
      sum += task.get();
    const Occupancy::Held held(occupancy_, kWorkers);  // from here on it has them again
    std::this_thread::yield();
    return sum;
  });
  for (int i = 0; i < 100; ++i) {
    rt_.spawn([this] {
      const Occupancy::Held held(occupancy_, 1);
      ++ran_;
    });
  }
  EXPECT_EQ(outer.get(), 3);
  rt_.wait();
  EXPECT_EQ(ran_.load(), 100);
  EXPECT_LE(occupancy_.most(), kWorkers);
}

TEST_F(ApiCores, ManyThatWaitForEachOtherAllEnd) {
  std::function<int(int)> tree = [&](int depth) {
    if (depth == 0) return 1;
    const std::uint32_t cores = static_cast<std::uint32_t>(depth) % kWorkers + 1;
    const auto left = rt_.spawn({.cores = cores}, [&tree, depth] { return tree(depth - 1); });
    const auto right = rt_.spawn([&tree, depth] { return tree(depth - 1); });
    return left.get() + right.get();
  };
  EXPECT_EQ(rt_.spawn([&] { return tree(6); }).get(), 64);
}

TEST_F(ApiCores, TimedWaitsInTheBodyGetTheSlotsBack) {
  const Space space = rt_.space("T");
  const auto outer = rt_.spawn({.cores = 3}, [&] {
    const auto later = space[0].task<void>();
    const bool over = later.wait_for(std::chrono::milliseconds(1));
    const Occupancy::Held held(occupancy_, 3);
    rt_.spawn({.id = space[0], .cores = 2}, [] {});
    return over;
  });
  EXPECT_FALSE(outer.get());
  rt_.wait();
  EXPECT_LE(occupancy_.most(), kWorkers);
}

TEST_F(ApiCores, ABodyThatSuspendsGivesAllItsSlotsAwayAndCollectsThemAgain) {
  for (int i = 0; i < 50; ++i) {
    const auto outer = rt_.spawn({.cores = kWorkers}, [this]() -> Coro<int> {
      const Task<int> inner = rt_.spawn({.cores = 2}, [] { return 20; });
      const int value = co_await inner;
      const Occupancy::Held held(occupancy_, kWorkers);
      co_return value + 1;
    });
    rt_.spawn([this] { const Occupancy::Held held(occupancy_, 1); });
    EXPECT_EQ(outer.get(), 21);
  }
  rt_.wait();
  EXPECT_LE(occupancy_.most(), kWorkers);
}

TEST_F(ApiCores, ARetryCollectsThemAgain) {
  const auto task = rt_.spawn({.cores = kWorkers, .retries = 3}, repeatable([this] {
                                const Occupancy::Held held(occupancy_, kWorkers);
                                if (++ran_ < 4) throw std::runtime_error("not yet");
                                return ran_.load();
                              }));
  EXPECT_EQ(task.get(), 4);
  EXPECT_LE(occupancy_.most(), kWorkers);
}

TEST_F(ApiCores, OneThatWaitsForSlotsCanBeCancelled) {
  std::latch entered(1);
  std::latch leave(1);
  rt_.spawn([&] {
    entered.count_down();
    leave.wait();
  });
  entered.wait();
  const auto waiting = rt_.spawn({.cores = kWorkers}, [this] { ++ran_; });
  const auto after = rt_.spawn({.cores = 2}, [this] { ++ran_; });
  EXPECT_TRUE(waiting.cancel());
  EXPECT_THROW(waiting.get(), TaskCancelled);
  leave.count_down();
  after.get();
  rt_.wait();
  EXPECT_EQ(ran_.load(), 1);
}

TEST_F(ApiCores, TheThreadThatWaitsDoesNotRunOneInPlace) {
  const auto main_thread = std::this_thread::get_id();
  for (int i = 0; i < 50; ++i)
    EXPECT_NE(rt_.spawn({.cores = 2}, [] { return std::this_thread::get_id(); }).get(), main_thread);
}

/// Plain tasks that spawn the next one for ever do not keep the slots to themselves …
TEST_F(ApiCores, PlainTasksWithoutEndDoNotStarveThem) {
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop) rt_.spawn([&] { again(); });
  };
  for (std::uint32_t i = 0; i < 2 * kWorkers; ++i)
    rt_.spawn([&] { again(); });
  for (int i = 0; i < 20; ++i)
    rt_.spawn({.cores = kWorkers}, [this] { ++ran_; }).get();
  stop = true;
  rt_.wait();
  EXPECT_EQ(ran_.load(), 20);
}

/// … nor do those of several cores.
TEST_F(ApiCores, TheyDoNotStarvePlainTasks) {
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop) rt_.spawn({.cores = kWorkers}, [&] { again(); });
  };
  for (int i = 0; i < 4; ++i)
    rt_.spawn({.cores = kWorkers}, [&] { again(); });
  // Not by get(), which might run them in place.
  for (int i = 0; i < 20; ++i) {
    rt_.spawn([this] { ++ran_; });
    test::await([&] { return ran_.load() == i + 1; });
  }
  stop = true;
  rt_.wait();
}

TEST(ApiCoresEnd, ARuntimeClosesWhileTasksCollect) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> ran{0};
    {
      Runtime rt({.workers = 3});
      for (int i = 0; i < 20; ++i)
        rt.spawn({.cores = static_cast<std::uint32_t>(i % 3 + 1)}, [&] { ++ran; });
    }
    EXPECT_EQ(ran.load(), 20);
  }
}

TEST(ApiCoresEnd, CancelledOnesAreDroppedWithTheRuntime) {
  std::latch entered(1);
  std::latch leave(1);
  Runtime rt({.workers = 2});
  rt.spawn([&] {
    entered.count_down();
    leave.wait();
  });
  entered.wait();
  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE(rt.spawn({.cores = 2}, [] {}).cancel());
  leave.count_down();
}

TEST(ApiCoresLimits, OpenMpMayUseAsManyThreads) {
  void* const openmp = dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (openmp == nullptr) GTEST_SKIP() << "there is no OpenMP library";
  const auto most = reinterpret_cast<int (*)()>(dlsym(openmp, "omp_get_max_threads"));
  Runtime rt({.workers = 3});
  const int before = rt.spawn([=] { return most(); }).get();
  for (std::uint32_t cores = 2; cores <= 3; ++cores)
    EXPECT_EQ(rt.spawn({.cores = cores}, [=] { return most(); }).get(), static_cast<int>(cores));
  std::vector<Task<int>> plain;
  for (int i = 0; i < 50; ++i)
    plain.push_back(rt.spawn([=] { return most(); }));
  for (const Task<int>& task : plain)
    EXPECT_EQ(task.get(), before) << "the limit was put back";
}

TEST(ApiCoresLimits, ABoundWorkerMayUseAllItsCores) {
  cpu_set_t usable;
  ASSERT_EQ(sched_getaffinity(0, sizeof(usable), &usable), 0);
  if (CPU_COUNT(&usable) < 2) GTEST_SKIP() << "one core is all there is";
  const auto count = [] {
    cpu_set_t mine;
    return sched_getaffinity(0, sizeof(mine), &mine) == 0 ? CPU_COUNT(&mine) : 0;
  };
  Runtime rt({.workers = 2, .pin = true});
  // Not in place, where the waiting thread, which is not bound, would run it.
  const auto counted = [&](std::uint32_t cores) {
    std::atomic<int> seen{0};
    rt.spawn({.cores = cores}, [&] { seen = count(); });
    test::await([&] { return seen.load() != 0; });
    return seen.load();
  };
  const int one = counted(1);
  EXPECT_GT(counted(2), one);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(counted(1), one);
}

}  // namespace
}  // namespace polyreme
