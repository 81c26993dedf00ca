// Spawning from many threads at once. What a task writes for its dependents is plain memory, so that ThreadSanitizer
// sees every dependency that fails to order.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using stress::Dice;
using stress::scaled;

/// What a task leaves behind: how often it ran.
struct Cell {
  int runs = 0;
};

struct Spawned {
  Task<> task;
  Cell* cell;
};

/// Handles that threads pass on to each other.
class Board {
 public:
  void put(Spawned one, int place) {
    const std::lock_guard lock(mutex_);
    const auto at = static_cast<std::size_t>(place);
    if (places_.size() <= at) {
      places_.push_back(std::move(one));
    } else {
      places_[at] = std::move(one);
    }
  }
  [[nodiscard]] bool pick(int place, Spawned& one) const {
    const std::lock_guard lock(mutex_);
    if (places_.empty()) return false;
    one = places_[static_cast<std::size_t>(place) % places_.size()];
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Spawned> places_;
};

class SpawnStress : public testing::TestWithParam<std::uint32_t> {};

TEST_P(SpawnStress, ManyProducersShareTheirTasks) {
  constexpr int kProducers = 6;
  constexpr int kPlaces = 64;
  const int tasks = scaled(3000);
  Runtime rt({.workers = GetParam()});
  Board board;
  std::atomic<int> unordered{0};
  std::vector<std::vector<Cell>> cells(kProducers, std::vector<Cell>(static_cast<std::size_t>(tasks)));
  {
    std::vector<std::jthread> producers;
    for (int p = 0; p < kProducers; ++p) {
      producers.emplace_back([&, p] {
        Dice dice(static_cast<std::uint64_t>(p));
        for (Cell& cell : cells[static_cast<std::size_t>(p)]) {
          std::vector<Task<>> after;
          std::vector<Cell*> before;
          for (int k = dice.roll(dice.one_in(50) ? 30 : 5); k > 0; --k) {
            Spawned other;
            if (!board.pick(dice.roll(kPlaces), other)) continue;
            after.push_back(other.task);
            before.push_back(other.cell);
          }
          Task<> task = rt.spawn({.after = after}, [&unordered, &cell, before = std::move(before)] {
            for (const Cell* one : before)
              unordered.fetch_add(one->runs == 1 ? 0 : 1);
            ++cell.runs;
          });
          board.put({std::move(task), &cell}, dice.roll(kPlaces));
        }
      });
    }
  }
  rt.wait();
  EXPECT_EQ(unordered.load(), 0);
  for (const auto& row : cells) {
    for (const Cell& cell : row)
      ASSERT_EQ(cell.runs, 1);
  }
  EXPECT_EQ(rt.stats().completed, static_cast<std::uint64_t>(kProducers * tasks));
}

TEST_P(SpawnStress, TreesOfNestedSpawns) {
  Runtime rt({.workers = GetParam()});
  std::atomic<int> budget{scaled(8000)};
  std::atomic<int> spawned{0};
  std::atomic<int> ran{0};
  std::function<void(std::uint64_t)> grow = [&](std::uint64_t stream) {
    Dice dice(stream);
    Task<> last;
    for (int children = 1 + dice.roll(4); children > 0 && budget.fetch_sub(1) > 0; --children) {
      spawned.fetch_add(1);
      const std::uint64_t child = stream * 5 + static_cast<std::uint64_t>(children);
      if (last.valid() && dice.one_in(3)) {
        last = rt.spawn({.after = last}, grow, child);
      } else {
        last = rt.spawn(grow, child);
      }
    }
    ran.fetch_add(1);
  };
  {
    std::vector<std::jthread> roots;
    for (std::uint64_t r = 1; r <= 3; ++r) {
      roots.emplace_back([&, r] {
        spawned.fetch_add(1);
        static_cast<void>(rt.spawn(grow, r));
      });
    }
  }
  rt.wait();
  EXPECT_EQ(ran.load(), spawned.load());
  EXPECT_EQ(rt.stats().completed, static_cast<std::uint64_t>(spawned.load()));
}

TEST_P(SpawnStress, AWavefrontOfIdsFromSeveralThreads) {
  constexpr int kThreads = 4;
  constexpr unsigned kModulus = 9973;
  for (int round = 0; round < scaled(4); ++round) {
    Runtime rt({.workers = GetParam()});
    Dice dice(static_cast<std::uint64_t>(100 + round));
    const int n = 12 + dice.roll(20);
    const Space grid = rt.space("grid");
    std::vector<std::pair<int, int>> ids;
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j)
        ids.emplace_back(i, j);
    }
    dice.shuffle(ids);
    // Plain: written by the task of the place, read by its two successors.
    std::vector<std::vector<unsigned>> value(static_cast<std::size_t>(n),
                                             std::vector<unsigned>(static_cast<std::size_t>(n), 0));
    const auto at = [&](int i, int j) -> unsigned& {
      return value[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    };
    std::latch registered(kThreads);
    std::atomic<unsigned> corner{0};
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto producing = rt.producer();
        registered.arrive_and_wait();
        for (std::size_t k = static_cast<std::size_t>(t); k < ids.size(); k += kThreads) {
          const auto [i, j] = ids[k];
          After after;
          if (i > 0) after.add(grid(i - 1, j));
          if (j > 0) after.add(grid(i, j - 1));
          static_cast<void>(rt.spawn({.id = grid(i, j), .after = std::move(after)}, [&at, i, j] {
            const unsigned above = i > 0 ? at(i - 1, j) : 1;
            const unsigned left = j > 0 ? at(i, j - 1) : 1;
            at(i, j) = (above + left) % kModulus;
          }));
        }
      });
    }
    registered.wait();
    const auto column = rt.spawn({.after = grid(upto(n), n - 1)}, [&] { corner = at(n - 1, n - 1); });
    grid(n - 1, n - 1).task().wait();
    column.get();
    threads.clear();
    rt.wait();
    std::vector<unsigned> row(static_cast<std::size_t>(n), 1);
    for (int i = 0; i < n; ++i) {
      unsigned left = 1;
      for (unsigned& here : row)
        left = here = (here + left) % kModulus;
    }
    EXPECT_EQ(corner.load(), row.back());
  }
}

TEST_P(SpawnStress, OneOfManyWinsAnId) {
  constexpr int kThreads = 4;
  const int ids = scaled(500);
  Runtime rt({.workers = GetParam()});
  const Space space = rt.space("once");
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(ids));
  std::atomic<int> refused{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < ids; ++i) {
        try {
          static_cast<void>(rt.spawn({.id = space[i], .after = space(range(i - 1, i))},
                                     [&runs, i] { runs[static_cast<std::size_t>(i)].fetch_add(1); }));
        } catch (const DuplicateId&) {
          refused.fetch_add(1);
        }
      }
    });
  }
  static_cast<void>(rt.spawn({.id = space[-1]}, [] {}));
  threads.clear();
  rt.wait();
  for (const auto& count : runs)
    ASSERT_EQ(count.load(), 1);
  EXPECT_EQ(refused.load(), (kThreads - 1) * ids);
}

INSTANTIATE_TEST_SUITE_P(Workers, SpawnStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
