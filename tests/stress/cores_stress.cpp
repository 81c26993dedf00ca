// Tasks of several cores among plain ones, with waits, failures, cancellation and helping threads, all at once.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using stress::Dice;
using stress::scaled;

class CoresStress : public testing::TestWithParam<std::uint32_t> {
 protected:
  std::uint32_t workers() const { return GetParam(); }

  std::uint32_t some_cores(Dice& dice) const {
    return dice.one_in(3) ? 1 : 1 + static_cast<std::uint32_t>(dice.roll(static_cast<int>(workers())));
  }

  /// A body that holds `cores` slots notes so. It does not wait meanwhile.
  void occupy(std::uint32_t cores) {
    if (held_.fetch_add(cores) + cores > workers()) too_many_ = true;
    held_.fetch_sub(cores);
  }

  /// Spawns children of all sizes, waits for some of them, and may fail.
  int tree(Runtime& rt, int depth, std::uint64_t stream) {
    Dice dice(stream);
    const std::uint32_t cores = some_cores(dice);
    std::vector<Task<int>> children;
    for (std::uint64_t k = 0; k < 3 && depth > 0; ++k) {
      children.push_back(rt.spawn({.priority = dice.roll(3) - 1, .cores = cores}, [this, &rt, depth, cores, stream, k] {
        occupy(cores);
        const int below = tree(rt, depth - 1, 3 * stream + k);
        occupy(cores);
        return below;
      }));
    }
    int sum = 1;
    for (const auto& child : children)
      sum += child.get();
    return sum;
  }

  std::atomic<std::uint32_t> held_{0};
  std::atomic<bool> too_many_{false};
};

TEST_P(CoresStress, TreesOfWaitsFromSeveralThreads) {
  Runtime rt({.workers = workers()});
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 1; t <= 3; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < scaled(3); ++round)
        EXPECT_EQ(rt.spawn([&, t] { return tree(rt, 4, 1000 * t); }).get(), 121);
    });
  }
  threads.clear();
  rt.wait();
  EXPECT_FALSE(too_many_);
}

TEST_P(CoresStress, FailuresAndCancellationGiveTheSlotsBack) {
  for (int round = 0; round < scaled(20); ++round) {
    Runtime rt({.workers = workers(), .warn = [](const std::string&) {}});
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 1; t <= 2; ++t) {
      threads.emplace_back([&, t] {
        Dice dice(100 * t + static_cast<std::uint64_t>(round));
        std::vector<Task<>> mine;
        for (int i = 0; i < 60; ++i) {
          const std::uint32_t cores = some_cores(dice);
          const bool fails = dice.one_in(5);
          const auto body = [this, cores, fails] {
            occupy(cores);
            if (fails) throw std::runtime_error("meant");
          };
          if (!mine.empty() && dice.one_in(3)) {
            mine.push_back(rt.spawn({.after = {mine.back()}, .cores = cores}, body));
          } else {
            mine.push_back(rt.spawn({.cores = cores}, body));
          }
          if (dice.one_in(4)) static_cast<void>(mine[static_cast<std::size_t>(dice.roll(i + 1))].cancel());
          if (dice.one_in(10)) static_cast<void>(mine.back().exception());
        }
      });
    }
    threads.clear();
    if (round % 2 == 0) {
      try {
        rt.wait();
      } catch (const TaskErrors&) {
      }
    }
  }
  EXPECT_FALSE(too_many_);
}

INSTANTIATE_TEST_SUITE_P(Slots, CoresStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
