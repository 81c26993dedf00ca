// Runtimes, handles and threads that come and go in every order.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"
#include "support/counted.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using stress::Dice;
using stress::scaled;
using test::Census;
using test::Counted;

/// A heap of handles: anybody puts, anybody takes.
class Heap {
 public:
  void put(Task<Counted> one) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(one));
  }
  [[nodiscard]] std::optional<Task<Counted>> take() {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return std::nullopt;
    std::optional<Task<Counted>> one(std::move(tasks_.back()));
    tasks_.pop_back();
    return one;
  }

 private:
  std::mutex mutex_;
  std::vector<Task<Counted>> tasks_;
};

TEST(LifetimeStress, OpenAndClose) {
  Dice dice(1);
  for (int round = 0; round < scaled(150); ++round) {
    std::atomic<int> ran{0};
    std::atomic<int> warned{0};
    int spawned = 0;
    int failing = 0;
    {
      Runtime rt({.workers = static_cast<std::uint32_t>(1 + dice.roll(4)),
                  .warn = [&](const std::string&) { warned.fetch_add(1); }});
      Task<> last;
      for (int i = dice.roll(30); i > 0; --i) {
        ++spawned;
        if (last.valid() && dice.one_in(2)) {
          last = rt.spawn({.after = last}, [&] { ran.fetch_add(1); });
        } else {
          last = rt.spawn([&] { ran.fetch_add(1); });
        }
        if (dice.one_in(3)) last = {};
      }
      if (dice.one_in(3)) {
        ++failing;
        static_cast<void>(rt.spawn([] { throw std::runtime_error("unreported"); }));
      }
      if (failing == 0 && dice.one_in(2)) rt.wait();
    }
    EXPECT_EQ(ran.load(), spawned);
    EXPECT_EQ(warned.load(), failing);
  }
}

TEST(LifetimeStress, RuntimesOfSeveralThreadsSideBySide) {
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([t] {
      Dice dice(10 + t);
      Task<int> kept;
      for (int round = 0; round < scaled(40); ++round) {
        Runtime rt({.workers = static_cast<std::uint32_t>(1 + dice.roll(3))});
        const auto sum = rt.spawn([](int a, int b) { return a + b; }, rt.spawn([] { return 1; }), 2);
        if (dice.one_in(2)) {
          EXPECT_EQ(sum.get(), 3);
        }
        kept = sum;  // the one before outlived its runtime
      }
      EXPECT_EQ(kept.get(), 3);
    });
  }
}

TEST(LifetimeStress, HandlesAreDroppedOnOtherThreads) {
  Census census;
  const int tasks = scaled(4000);
  for (std::uint32_t workers = 1; workers <= 4; workers *= 2) {
    Runtime rt({.workers = workers});
    Heap heap;
    std::atomic<int> producing{2};
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        Dice dice(t);
        Task<Counted> before;
        for (int i = 0; i < tasks; ++i) {
          Task<Counted> task = before.valid() && dice.one_in(3)
                                   ? rt.spawn([](const Counted& one) { return one; }, before)
                                   : rt.spawn([&census, i] { return Counted(census, i); });
          if (dice.one_in(4)) before = task;
          heap.put(std::move(task));
        }
        producing.fetch_sub(1);
      });
      threads.emplace_back([&, t] {
        Dice dice(20 + t);
        while (true) {
          const bool last_look = producing.load() == 0;
          const auto one = heap.take();
          if (one.has_value()) {
            if (dice.one_in(10)) {
              EXPECT_GE(one->get().value(), 0);
            }
          } else if (last_look) {
            return;
          } else {
            std::this_thread::yield();
          }
        }
      });
    }
    threads.clear();
    rt.wait();
    test::await([&] { return census.alive() == 0 && rt.stats().live_blocks == 0; });
  }
}

TEST(LifetimeStress, HandlesOutliveTheRuntime) {
  Dice dice(3);
  for (int round = 0; round < scaled(40); ++round) {
    Census census;
    std::vector<std::vector<Task<Counted>>> shares(3);
    {
      Runtime rt({.workers = static_cast<std::uint32_t>(1 + dice.roll(3))});
      for (int i = 0; i < 60; ++i) {
        const auto task = rt.spawn([&census, i] { return Counted(census, i); });
        for (auto& share : shares) {
          if (dice.one_in(2)) share.push_back(task);
        }
      }
    }
    std::vector<std::jthread> threads;
    for (auto& share : shares) {
      threads.emplace_back([&share] {
        for (const auto& task : share)
          EXPECT_GE(task.get().value(), 0);
        share.clear();
      });
    }
    // The next runtime buries what the last handle lets go of.
    const Runtime next({.workers = 1});
    threads.clear();
    EXPECT_EQ(census.alive(), 0);
  }
}

TEST(LifetimeStress, ThreadsEndWithQueuedTasks) {
  Runtime rt({.workers = 2});
  std::atomic<int> ran{0};
  const int threads = scaled(300);
  std::vector<std::jthread> alive;
  for (int t = 0; t < threads; ++t) {
    alive.emplace_back([&] {
      Task<> last = rt.spawn([&] { ran.fetch_add(1); });
      for (int i = 0; i < 20; ++i) {
        last = rt.spawn({.after = last}, [&] { ran.fetch_add(1); });
        static_cast<void>(rt.spawn([&] { ran.fetch_add(1); }));
      }
    });
    if (alive.size() == 8) alive.clear();
  }
  alive.clear();
  rt.wait();
  EXPECT_EQ(ran.load(), 41 * threads);
}

TEST(LifetimeStress, TwoRuntimesSpawnIntoEachOther) {
  for (int round = 0; round < scaled(10); ++round) {
    std::atomic<int> left{2000};
    Runtime one({.workers = 2});
    Runtime two({.workers = 2});
    struct Ball {
      Runtime& here;
      Runtime& there;
      std::atomic<int>& left;
      void operator()() const {
        if (left.fetch_sub(1) <= 0) return;
        static_cast<void>(there.spawn(Ball{there, here, left}));
      }
    };
    for (int i = 0; i < 4; ++i)
      static_cast<void>(one.spawn(Ball{one, two, left}));
    // A ball is in the air, in one of the two, as long as some are left.
    while (left.load() > 0) {
      one.wait();
      two.wait();
    }
    one.wait();
    two.wait();
  }
}

/// Ids, slices and spaces whose last owner is some thread that knows nothing of the others.
TEST(LifetimeStress, SpacesAreDroppedAnywhere) {
  Dice dice(4);
  Runtime rt({.workers = 2, .warn = [](const std::string&) {}});
  for (int round = 0; round < scaled(200); ++round) {
    auto space = std::make_shared<Space>(rt.space("short-lived"));
    const bool spawn_all = dice.one_in(2);
    const auto late = rt.spawn({.after = (*space)(upto(4))}, [] {});
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&rt, t, mine = space, spawn_all]() mutable {
        for (int i = t; i < (spawn_all ? 4 : 3); i += 2)
          static_cast<void>(rt.spawn({.id = (*mine)[i]}, [] {}));
        mine.reset();
      });
    }
    space.reset();
    threads.clear();
    if (spawn_all) {
      late.get();
    } else {
      EXPECT_THROW(late.get(), DependencyFailed);
      EXPECT_THROW(rt.wait(), TaskErrors);
    }
  }
  rt.wait();
  EXPECT_EQ(rt.stats().spawned, rt.stats().completed);
}

}  // namespace
}  // namespace polyreme
