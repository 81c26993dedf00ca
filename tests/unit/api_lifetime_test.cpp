// Runtimes and handles in every order of birth and death.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "support/counted.hpp"
#include "support/eventually.hpp"
#include "support/sanitizer.hpp"
#include "support/warnings.hpp"

#include <gtest/gtest.h>

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using test::Census;
using test::Counted;

TEST(ApiLifetime, OpenAndCloseManyTimes) {
  for (int i = 0; i < 200; ++i) {
    Runtime rt({.workers = static_cast<std::uint32_t>(1 + i % 3)});
    const auto task = rt.spawn([i] { return i; });
    if (i % 2 == 0) {
      EXPECT_EQ(task.get(), i);
    }
  }
}

TEST(ApiLifetime, ARuntimeThatIsNeverUsed) {
  const Runtime rt({.workers = 3});
  EXPECT_EQ(rt.workers(), 3U);
  EXPECT_EQ(rt.stats().spawned, 0U);
}

TEST(ApiLifetime, ByDefaultASlotForEachCoreOfTheProcess) {
  const Runtime rt;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  EXPECT_EQ(rt.workers(), static_cast<std::uint32_t>(CPU_COUNT(&mask)));
}

TEST(ApiLifetime, ClosingRunsWhatIsQueuedAndWhatThatSpawns) {
  std::atomic<int> ran{0};
  {
    Runtime rt({.workers = 2});
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(rt.spawn([&] {
        ran.fetch_add(1);
        static_cast<void>(rt.spawn([&] { ran.fetch_add(1); }));
      }));
    }
  }
  EXPECT_EQ(ran.load(), 200);
}

TEST(ApiLifetime, DroppingEveryHandleCancelsNothing) {
  Runtime rt({.workers = 1});
  std::latch hold(1);
  std::atomic<int> ran{0};
  {
    const auto gate = rt.spawn([&] { hold.wait(); });
    auto last = rt.spawn({.after = gate}, [&] { ran.fetch_add(1); });
    for (int i = 0; i < 10; ++i)
      last = rt.spawn({.after = last}, [&] { ran.fetch_add(1); });
  }
  hold.count_down();
  rt.wait();
  EXPECT_EQ(ran.load(), 11);
  test::await([&] { return rt.stats().live_blocks == 0; });
}

TEST(ApiLifetime, HandlesOutliveTheirRuntime) {
  Census census;
  std::optional<Task<Counted>> value;
  Task<> failed;
  Task<> cancelled;
  {
    Runtime rt({.workers = 2, .warn = [](const std::string&) {}});
    value = rt.spawn([&] { return Counted(census, 5); });
    failed = rt.spawn([] { throw std::runtime_error("kept"); });
    cancelled = rt.spawn({.after = failed}, [] {});
  }
  EXPECT_TRUE(value->done());
  EXPECT_EQ(value->get().value(), 5);
  EXPECT_THROW(failed.get(), std::runtime_error);
  EXPECT_THROW(cancelled.get(), DependencyFailed);
  EXPECT_TRUE(cancelled.wait_for(std::chrono::seconds(1)));
  std::jthread([one = std::move(*value)] { EXPECT_EQ(one.get().value(), 5); }).join();
  value.reset();
  EXPECT_EQ(census.alive(), 0);
}

TEST(ApiLifetime, AHandleMayLiveUntilTheProgramEnds) {
  static Task<std::string> kept;
  {
    Runtime rt({.workers = 1});
    kept = rt.spawn([] { return std::string(100, 'x'); });
  }
  EXPECT_EQ(kept.get().size(), 100U);
}

TEST(ApiLifetime, HandlesOfManyDeadRuntimesAtOnce) {
  std::vector<Task<int>> kept;
  for (int i = 0; i < 30; ++i) {
    Runtime rt({.workers = 1});
    kept.push_back(rt.spawn([i] { return i; }));
    static_cast<void>(rt.spawn([](int x) { return x; }, kept.back()));
  }
  for (int i = 29; i >= 0; i -= 2)
    kept.erase(kept.begin() + i);
  for (std::size_t i = 0; i < kept.size(); ++i)
    EXPECT_EQ(kept[i].get(), static_cast<int>(2 * i));
}

TEST(ApiLifetime, AThreadMayEndBeforeItsTasksStart) {
  Runtime rt({.workers = 1});
  std::latch started(1);
  std::latch hold(1);
  std::atomic<int> ran{0};
  static_cast<void>(rt.spawn([&] {
    started.count_down();
    hold.wait();
  }));
  started.wait();
  for (int t = 0; t < 10; ++t) {
    std::jthread([&] {
      for (int i = 0; i < 20; ++i)
        static_cast<void>(rt.spawn([&] { ran.fetch_add(1); }));
    }).join();
  }
  EXPECT_EQ(ran.load(), 0);
  hold.count_down();
  rt.wait();
  EXPECT_EQ(ran.load(), 200);
}

/// The thread that opens a runtime counts as a producer until it ends. In the order of locks: the end of a thread, the
/// first id that a thread names, and the search for missing ids.
TEST(ApiLifetime, TheOpenerMayEndBeforeItsRuntime) {
  std::unique_ptr<Runtime> rt;
  std::jthread([&] { rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 1}); }).join();
  const Space space = rt->space("T");
  Task<> task;
  std::jthread([&] { task = rt->spawn({.after = space[0]}, [] {}); }).join();
  EXPECT_THROW(task.get(), DependencyFailed) << "nobody is left who could spawn T[0]";
  EXPECT_THROW(rt->wait(), TaskErrors);
}

TEST(ApiLifetime, ThreadsThatComeAndGoShareTheirQueues) {
  Runtime rt({.workers = 1});
  for (int t = 0; t < 100; ++t) {
    std::jthread([&] { static_cast<void>(rt.spawn([] {})); }).join();
  }
  rt.wait();
  EXPECT_LE(rt.engine().deck().lanes.size(), 3U) << "a lane for the slot, this thread and one of the others";
}

TEST(ApiLifetime, TwoRuntimesSpawnIntoEachOther) {
  Runtime one({.workers = 1});
  Runtime two({.workers = 1});
  std::atomic<int> landed{0};
  for (int i = 0; i < 50; ++i) {
    static_cast<void>(one.spawn(
        [&] { static_cast<void>(two.spawn([&] { static_cast<void>(one.spawn([&] { landed.fetch_add(1); })); })); }));
  }
  one.wait();
  two.wait();
  one.wait();
  EXPECT_EQ(landed.load(), 50);
}

TEST(ApiLifetime, AHandleOfOneRuntimeInABodyOfAnother) {
  Census census;
  {
    Runtime inner({.workers = 1});
    Runtime outer({.workers = 1});
    auto there = inner.spawn([&] { return Counted(census, 8); });
    const auto here = outer.spawn([there = std::move(there)] { return there.get().value(); });
    EXPECT_EQ(here.get(), 8);
    // The body held the last handle.
    test::await([&] { return census.alive() == 0; });
  }
}

TEST(ApiLifetime, PinnedWorkersRunTasksAndLeaveTheOpenerAlone) {
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  {
    Runtime rt({.workers = 2, .pin = true});
    std::atomic<int> widest{0};
    std::latch both(2);
    for (int i = 0; i < 2; ++i) {
      static_cast<void>(rt.spawn([&] {
        both.arrive_and_wait();
        cpu_set_t mine;
        CPU_ZERO(&mine);
        if (sched_getaffinity(0, sizeof(mine), &mine) != 0) return;
        int most = widest.load();
        while (most < CPU_COUNT(&mine) && !widest.compare_exchange_weak(most, CPU_COUNT(&mine))) {
        }
      }));
    }
    // Not wait(): this thread would help, and it is not pinned.
    while (!rt.wait_for(std::chrono::hours(1))) {
    }
    EXPECT_GE(widest.load(), 1);
    EXPECT_LE(widest.load(), CPU_COUNT(&before));
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(ApiLifetime, StatsCountWhatHappened) {
  Runtime rt({.workers = 2});
  std::latch hold(1);
  const auto gate = rt.spawn([&] { hold.wait(); });
  std::vector<Task<>> many;
  for (int i = 0; i < 20; ++i)
    many.push_back(rt.spawn({.after = gate}, [] {}));
  const auto last = rt.spawn({.after = many}, [] {});
  const RuntimeStats during = rt.stats();
  EXPECT_EQ(during.spawned, 22U);
  EXPECT_EQ(during.completed, 0U);
  EXPECT_EQ(during.live_blocks, 22U + 3U) << "20 predecessors: 2 edges in the record, 18 in three blocks";
  EXPECT_EQ(during.workers, 2U);
  EXPECT_EQ(during.threads, 2U);
  hold.count_down();
  rt.wait();
  EXPECT_EQ(rt.stats().completed, 22U);
}

TEST(ApiLifetime, ASpareThreadForEachBlockedBodyButNoMoreBodies) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  std::vector<Task<>> bodies;
  std::latch started(10);
  for (int i = 0; i < 10; ++i) {
    bodies.push_back(rt.spawn([&, target = space[0].task()] {
      started.count_down();
      target.get();
    }));
  }
  started.wait();
  static_cast<void>(rt.spawn({.id = space[0]}, [] {}));
  rt.wait();
  EXPECT_GE(rt.stats().threads, 10U);
  EXPECT_LE(rt.stats().threads, 13U);
}

TEST(ApiLifetime, FailuresNobodyAskedForAreWarnedAboutOnce) {
  const test::Warnings warnings;
  {
    Runtime rt({.workers = 1, .warn = warnings.handler()});
    static_cast<void>(rt.spawn([] { throw std::runtime_error("lost"); }));
  }
  ASSERT_EQ(warnings.texts().size(), 1U);
  EXPECT_NE(warnings.texts()[0].find("lost"), std::string::npos);
}

/// Counts how many there are.
class Link {
 public:
  Link(std::atomic<int>& count, std::optional<Task<Link>> before) : count_(&count), before_(std::move(before)) {
    ++*count_;
  }
  Link(Link&& other) noexcept : count_(std::exchange(other.count_, nullptr)), before_(std::move(other.before_)) {}
  Link& operator=(Link&&) = delete;
  ~Link() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::atomic<int>* count_;
  std::optional<Task<Link>> before_;
};

/// A result that owns the handle of a task whose result owns … is freed without a stack frame for each.
TEST(ApiLifetime, ALongChainOfResultsIsFreed) {
  constexpr int kLinks = 200'000;
  std::atomic<int> count{0};
  Runtime rt({.workers = 1});
  Task<Link> last = rt.spawn([&] { return Link(count, std::nullopt); });
  for (int i = 1; i < kLinks; ++i) {
    last = rt.spawn([&, before = last]() mutable { return Link(count, std::move(before)); });
  }
  rt.wait();
  EXPECT_EQ(count.load(), kLinks);
  last = {};
  EXPECT_EQ(count.load(), 0);
}

}  // namespace
}  // namespace polyreme
