// Waits for the next of several tasks, while they end, fail, are cancelled and are waited for by others, too.
#include <polyreme/runtime.hpp>

#include "runtime/arrivals.hpp"
#include "runtime/engine.hpp"
#include "stress/stress.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using runtime::Arrivals;
using stress::Dice;
using stress::scaled;

class ArrivalsStress : public testing::TestWithParam<std::uint32_t> {};

struct Batch {
  std::vector<Task<int>> tasks;
  std::vector<tasks::Record*> records;
};

int run(bool fails, int value) {
  if (fails) throw std::runtime_error("on purpose");
  return value;
}

/// Chains of a few tasks, some of which fail, and some of which are cancelled at once.
Batch spawn_batch(Runtime& rt, Dice& dice) {
  Batch batch;
  for (int i = 0; i < 20; ++i) {
    const bool fails = dice.one_in(6);
    const auto body = [fails, i] { return run(fails, i); };
    batch.tasks.push_back(!batch.tasks.empty() && dice.one_in(2) ? rt.spawn({.after = batch.tasks.back()}, body)
                                                                 : rt.spawn(body));
    if (dice.one_in(6)) batch.tasks.back().cancel();
  }
  dice.shuffle(batch.tasks);
  for (const auto& task : batch.tasks)
    batch.records.push_back(task.record());
  return batch;
}

/// Takes all, or lets go half-way.
void take_all(const Batch& batch, Dice& dice) {
  const Arrivals::Handle arrivals = Arrivals::of(batch.records);
  std::vector<bool> taken(batch.records.size());
  const bool leaves = dice.one_in(4);
  for (std::size_t count = 0; count < taken.size();) {
    if (leaves && dice.one_in(8)) return;
    const std::size_t at = arrivals->take();
    if (at != Arrivals::kNone) {
      EXPECT_TRUE(batch.tasks[at].done());
      EXPECT_FALSE(taken[at]);
      taken[at] = true;
      ++count;
      continue;
    }
    tasks::Record* const unfinished = arrivals->unfinished();
    if (unfinished == nullptr) continue;
    const std::int64_t timeout_ns = dice.one_in(3) ? static_cast<std::int64_t>(dice.roll(20'000)) : -1;
    static_cast<void>(runtime::Engine::of(*unfinished).wait_next(*arrivals, timeout_ns, nullptr));
  }
  EXPECT_EQ(arrivals->take(), Arrivals::kNone);
  EXPECT_EQ(arrivals->unfinished(), nullptr);
}

TEST_P(ArrivalsStress, ThreadsAndBodiesTakeWhatEnds) {
  Runtime rt({.workers = GetParam()});
  Runtime other({.workers = 1});
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 1; t <= 3; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(t);
      for (int round = 0; round < scaled(40); ++round) {
        take_all(spawn_batch(dice.one_in(3) ? other : rt, dice), dice);
        rt.spawn([&rt, &other, seed = 1000 * t + static_cast<std::uint64_t>(round)] {
            Dice inner(seed);
            Batch batch = spawn_batch(rt, inner);
            if (inner.one_in(4)) {
              Batch more = spawn_batch(other, inner);
              batch.tasks.insert(batch.tasks.end(), more.tasks.begin(), more.tasks.end());
              batch.records.insert(batch.records.end(), more.records.begin(), more.records.end());
            }
            take_all(batch, inner);
          }).get();
      }
    });
  }
  threads.clear();
  EXPECT_THROW(rt.wait(), TaskErrors);
  EXPECT_THROW(other.wait(), TaskErrors);
}

INSTANTIATE_TEST_SUITE_P(Workers, ArrivalsStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
