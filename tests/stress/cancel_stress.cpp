// Cancellation among many tasks: of random handles and scopes, while bodies return, throw, stop, are repeated, and
// handles are dropped. What a body saw and what its task came to must fit.
#include <polyreme/runtime.hpp>
#include <polyreme/scope.hpp>

#include "stress/stress.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

using stress::Dice;
using stress::scaled;

struct Boom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Kind : std::uint8_t { kReturns, kThrows, kLooks, kHasToken, kRepeats };

/// One task: what it may come to, and what its body did.
struct Plan {
  Kind kind = Kind::kReturns;
  bool has_predecessors = false;
  bool in_scope = false;
  std::atomic<bool> asked{false};  ///< somebody is about to cancel it
  std::atomic<int> running{0};
  std::atomic<int> attempts{0};
  std::atomic<int> returned{0};
  std::atomic<int> stopped{0};
  std::atomic<int> told{0};  ///< calls of the stop token's callback
};

struct Entry {
  Task<> task;
  std::shared_ptr<Plan> plan;
};

class Board {
 public:
  explicit Board(std::size_t size) : places_(size) {}
  void put(const Entry& one, int place) {
    const std::lock_guard lock(mutex_);
    places_[static_cast<std::size_t>(place)] = one;
  }
  [[nodiscard]] Entry pick(int place) const {
    const std::lock_guard lock(mutex_);
    return places_[static_cast<std::size_t>(place)];
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Entry> places_;
};

constexpr int kRetries = 2;

void body(Plan& plan, Context& context, std::uint64_t stream) {
  EXPECT_EQ(plan.running.fetch_add(1), 0) << "a body runs twice at a time";
  EXPECT_EQ(plan.returned.load() + plan.stopped.load(), 0) << "a body runs again after its end";
  const int attempt = plan.attempts.fetch_add(1) + 1;
  EXPECT_LE(attempt, plan.kind == Kind::kRepeats ? 1 + kRetries : 1);
  Dice dice(stream);
  const auto end = [&plan](std::atomic<int>& how) {
    plan.running.fetch_sub(1);
    how.fetch_add(1);
  };
  std::atomic<int> thrown{0};
  switch (plan.kind) {
    case Kind::kThrows:
      end(thrown);
      throw Boom("planned");
    case Kind::kRepeats:
      if (attempt <= kRetries || dice.one_in(2)) {
        end(thrown);
        throw Boom("again");
      }
      break;
    case Kind::kLooks:
      for (int i = dice.roll(50); i > 0; --i) {
        if (context.cancelled()) {
          end(plan.stopped);
          context.throw_if_cancelled();
        }
        std::this_thread::yield();
      }
      break;
    case Kind::kHasToken: {
      const std::stop_callback told(context.stop_token(), [&plan] { plan.told.fetch_add(1); });
      for (int i = dice.roll(50); i > 0 && plan.told.load() == 0; --i)
        std::this_thread::yield();
      if (plan.told.load() != 0) {
        EXPECT_TRUE(context.cancelled());
        end(plan.stopped);
        context.throw_if_cancelled();
      }
      break;
    }
    default:
      break;
  }
  end(plan.returned);
}

Entry spawn(Runtime& rt, const Board& board, int places, Dice& dice, bool in_scope) {
  Entry entry;
  entry.plan = std::make_shared<Plan>();
  Plan& plan = *entry.plan;
  plan.in_scope = in_scope;
  plan.kind = static_cast<Kind>(dice.roll(5));
  if (plan.kind == Kind::kThrows && !dice.one_in(4)) plan.kind = Kind::kReturns;
  std::vector<Task<>> after;
  for (int k = dice.one_in(8) ? dice.roll(12) : dice.roll(3); k > 0; --k) {
    Entry other = board.pick(dice.roll(places));
    if (other.task.valid()) after.push_back(std::move(other.task));
  }
  plan.has_predecessors = !after.empty();
  const auto stream = static_cast<std::uint64_t>(dice.roll(1 << 30));
  if (plan.kind == Kind::kRepeats) {
    entry.task = rt.spawn({.after = after, .retries = kRetries},
                          repeatable([plan = entry.plan, stream](Context& context) { body(*plan, context, stream); }));
  } else {
    entry.task =
        rt.spawn({.after = after}, [plan = entry.plan, stream](Context& context) { body(*plan, context, stream); });
  }
  return entry;
}

void cancel(const Entry& entry) {
  if (!entry.task.valid()) return;
  entry.plan->asked.store(true);
  if (entry.task.cancel()) {
    EXPECT_TRUE(entry.task.done());
  }
}

/// Only for tasks that are done.
void check(const Entry& entry) {
  const Plan& plan = *entry.plan;
  const std::exception_ptr error = entry.task.exception();
  EXPECT_EQ(plan.running.load(), 0);
  EXPECT_LE(plan.told.load(), 1);
  const bool never_ran = plan.attempts.load() == 0;
  if (error == nullptr) {
    EXPECT_EQ(plan.returned.load(), 1);
  } else if (test::is<Boom>(error)) {
    EXPECT_FALSE(never_ran);
    EXPECT_TRUE(plan.kind == Kind::kThrows || plan.kind == Kind::kRepeats);
    EXPECT_EQ(plan.returned.load() + plan.stopped.load(), 0);
  } else if (test::is<DependencyFailed>(error)) {
    EXPECT_TRUE(never_ran && plan.has_predecessors);
  } else {
    EXPECT_TRUE(test::is<TaskCancelled>(error)) << test::text_of(error);
    EXPECT_TRUE(plan.asked.load() || plan.in_scope || plan.has_predecessors) << "nobody has cancelled it";
    EXPECT_EQ(plan.returned.load(), 0);
    EXPECT_TRUE(never_ran || plan.stopped.load() == 1 || plan.kind == Kind::kRepeats);
  }
  EXPECT_EQ(test::text_of(entry.task.exception()), test::text_of(error)) << "an outcome changed";
}

void wait_for_all(Runtime& rt) {
  try {
    rt.wait();
  } catch (const TaskErrors&) {
    // Which tasks failed is seen task by task.
  }
  const RuntimeStats stats = rt.stats();
  EXPECT_EQ(stats.spawned, stats.completed);
}

/// No body, and no block of memory.
void expect_nothing_left(const Runtime& rt, std::vector<std::shared_ptr<Plan>> plans) {
  for (const auto& plan : plans)
    EXPECT_EQ(plan.use_count(), 1) << "a body was not destroyed";
  test::await([&] { return rt.stats().live_blocks == 0; });
}

class CancelStress : public testing::TestWithParam<std::uint32_t> {};

TEST_P(CancelStress, EveryTaskEndsOnceAndAsItMay) {
  constexpr int kProducers = 3;
  constexpr int kPlaces = 60;
  const int tasks = scaled(500);
  Runtime rt({.workers = GetParam()});
  std::vector<std::vector<std::shared_ptr<Plan>>> plans(kProducers);
  {
    Board board(kPlaces);
    std::atomic<bool> over{false};
    std::jthread canceller([&] {
      Dice dice(1000);
      while (!over.load())
        cancel(board.pick(dice.roll(kPlaces)));
    });
    std::vector<std::jthread> producers;
    for (int p = 0; p < kProducers; ++p) {
      producers.emplace_back([&, p] {
        Dice dice(static_cast<std::uint64_t>(p));
        std::vector<Entry> mine;
        for (int i = 0; i < tasks; ++i) {
          Entry entry = spawn(rt, board, kPlaces, dice, false);
          plans[static_cast<std::size_t>(p)].push_back(entry.plan);
          board.put(entry, dice.roll(kPlaces));
          if (dice.one_in(5)) cancel(entry);
          if (dice.one_in(20)) entry.task.wait();
          if (!dice.one_in(4)) mine.push_back(std::move(entry));
          if (dice.one_in(30)) cancel(board.pick(dice.roll(kPlaces)));
        }
        for (const Entry& entry : mine)
          check(entry);
      });
    }
    producers.clear();
    over.store(true);
  }
  wait_for_all(rt);
  for (auto& mine : plans)
    expect_nothing_left(rt, std::move(mine));
}

/// Scopes within scopes, on several threads and in bodies. Members cancel them; threads wait, or leave at once.
void scopes(Runtime& rt, const Board& board, int places, Dice& dice, int depth,
            std::vector<std::shared_ptr<Plan>>& plans) {
  std::vector<Entry> members;
  {
    Scope scope(rt, {.cancel_on_error = dice.one_in(4)});
    const int size = dice.one_in(10) ? 600 : dice.roll(12);
    for (int i = 0; i < size; ++i) {
      members.push_back(spawn(rt, board, places, dice, true));
      if (dice.one_in(10)) {
        rt.spawn([&scope] { scope.cancel(); });
      }
      if (dice.one_in(10)) {
        rt.spawn([&rt] { rt.spawn([] {}); });
      }
      if (dice.one_in(20)) cancel(members.back());
      if (dice.one_in(20)) members.pop_back();
    }
    if (depth > 0 && dice.one_in(2)) scopes(rt, board, places, dice, depth - 1, plans);
    if (dice.one_in(4)) {
      scope.cancel();
      Entry late = spawn(rt, board, places, dice, true);
      EXPECT_TRUE(late.task.done());
      EXPECT_EQ(late.plan->attempts.load(), 0) << "it joined a cancelled scope, and ran";
      members.push_back(std::move(late));
    }
    try {
      if (dice.one_in(2)) scope.wait();
      if (dice.one_in(4)) static_cast<void>(scope.wait_for(std::chrono::nanoseconds(1)));
    } catch (const TaskErrors&) {
      // As above.
    }
  }
  for (const Entry& entry : members) {
    EXPECT_TRUE(entry.task.done()) << "the scope was over before its tasks were";
    check(entry);
    plans.push_back(entry.plan);
  }
}

TEST_P(CancelStress, ScopesEndAfterTheirTasks) {
  constexpr int kProducers = 3;
  constexpr int kPlaces = 20;
  const int rounds = scaled(10);
  Runtime rt({.workers = GetParam()});
  std::vector<std::vector<std::shared_ptr<Plan>>> plans(kProducers);
  {
    Board board(kPlaces);
    std::vector<std::jthread> producers;
    for (int p = 0; p < kProducers; ++p) {
      producers.emplace_back([&, p] {
        Dice dice(static_cast<std::uint64_t>(100 + p));
        auto& mine = plans[static_cast<std::size_t>(p)];
        for (int i = 0; i < rounds; ++i) {
          if (dice.one_in(2)) {
            scopes(rt, board, kPlaces, dice, 2, mine);
          } else {
            rt.spawn([&] { scopes(rt, board, kPlaces, dice, 2, mine); }).get();
          }
          const Entry outside = spawn(rt, board, kPlaces, dice, false);
          mine.push_back(outside.plan);
          board.put(outside, dice.roll(kPlaces));
        }
      });
    }
    producers.clear();
  }
  wait_for_all(rt);
  for (auto& mine : plans)
    expect_nothing_left(rt, std::move(mine));
}

INSTANTIATE_TEST_SUITE_P(Workers, CancelStress, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace polyreme
