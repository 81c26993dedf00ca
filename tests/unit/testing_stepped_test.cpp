// Runtimes whose schedule a seed decides.
#include <polyreme/errors.hpp>
#include <polyreme/graph.hpp>
#include <polyreme/scope.hpp>
#include <polyreme/testing.hpp>

#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace polyreme::testing {
namespace {

using namespace std::chrono_literals;

/// What bodies write down in the order in which they come to it. One runs at a time, so nothing guards it.
using Trace = std::string;

Trace three_independent(std::uint64_t seed) {
  Trace trace;
  SteppedRuntime rt({.seed = seed});
  for (const char name : {'a', 'b', 'c'})
    rt.spawn([&trace, name] { trace += name; });
  rt.wait();
  return trace;
}

TEST(TestingStepped, ReachesAllOrders) {
  std::set<Trace> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    seen.insert(three_independent(seed));
  EXPECT_EQ(seen, (std::set<Trace>{"abc", "acb", "bac", "bca", "cab", "cba"}));
}

TEST(TestingStepped, OneSeedIsOneSchedule) {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    EXPECT_EQ(three_independent(seed), three_independent(seed)) << "seed " << seed;
}

/// The schedules of a seed are part of what failing seeds that people keep rely on.
TEST(TestingStepped, SeedsMeanTheSameEverywhere) {
  Trace all;
  for (std::uint64_t seed = 0; seed < 6; ++seed)
    all += three_independent(seed) + " ";
  EXPECT_EQ(all, "bac cba bac acb bac cab ");
}

TEST(TestingStepped, NothingRunsUntilItIsAskedFor) {
  SteppedRuntime rt;
  int ran = 0;
  Task<void> one = rt.spawn([&] { ++ran; });
  Task<void> two = rt.spawn([&] { ++ran; }, one);
  EXPECT_FALSE(one.done());
  EXPECT_TRUE(rt.step());
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(one.done());
  EXPECT_FALSE(two.done());
  EXPECT_TRUE(rt.step());
  EXPECT_EQ(ran, 2);
  EXPECT_FALSE(rt.step());
  EXPECT_EQ(rt.run(), 0U);
}

TEST(TestingStepped, RunCountsSteps) {
  SteppedRuntime rt({.seed = 3});
  for (int i = 0; i < 5; ++i)
    rt.spawn([] {});
  EXPECT_EQ(rt.run(), 5U);
}

TEST(TestingStepped, WaitsStepOnlyAsFarAsTheyNeed) {
  std::set<std::size_t> left;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SteppedRuntime rt({.seed = seed});
    Task<int> wanted = rt.spawn([] { return 1; });
    for (int i = 0; i < 2; ++i)
      rt.spawn([] {});
    EXPECT_EQ(wanted.get(), 1);
    left.insert(rt.run());
  }
  EXPECT_EQ(left, (std::set<std::size_t>{0, 1, 2}));
}

/// A body that waits for a task: what else may come before, between and after.
Trace waiting_body(std::uint64_t seed) {
  Trace trace;
  SteppedRuntime rt({.seed = seed});
  Task<void> awaited = rt.spawn([&] { trace += 'x'; });
  rt.spawn([&] {
    trace += '[';
    awaited.wait();
    trace += ']';
  });
  rt.spawn([&] { trace += 'o'; });
  rt.wait();
  return trace;
}

TEST(TestingStepped, BodiesThatWaitAreScheduledToo) {
  std::set<Trace> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    seen.insert(waiting_body(seed));
    EXPECT_EQ(waiting_body(seed), waiting_body(seed)) << "seed " << seed;
  }
  EXPECT_EQ(seen, (std::set<Trace>{"x[]o", "xo[]", "ox[]", "[x]o", "[xo]", "[ox]", "o[x]"}));
}

Trace captured_nodes(std::uint64_t seed) {
  Trace trace;
  SteppedRuntime rt({.seed = seed});
  Graph graph(rt);
  const Node<> first = graph.spawn([&trace] { trace += 'a'; });
  graph.spawn({.after = {first}}, [&trace] { trace += 'b'; });
  graph.spawn([&trace] { trace += 'c'; });
  rt.spawn([&trace] { trace += '.'; });
  graph.run();
  rt.wait();
  return trace;
}

TEST(TestingStepped, NodesOfCapturedGraphsAreScheduledToo) {
  std::set<Trace> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    seen.insert(captured_nodes(seed));
    EXPECT_EQ(captured_nodes(seed), captured_nodes(seed)) << "seed " << seed;
  }
  std::set<Trace> all;
  Trace order = ".abc";
  do {
    if (order.find('a') < order.find('b')) all.insert(order);
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(seen, all);
}

TEST(TestingStepped, ManyBodiesMayWaitAtOnce) {
  SteppedRuntime rt({.seed = 11});
  std::vector<Task<int>> chain;
  chain.push_back(rt.spawn([] { return 0; }));
  for (int i = 1; i < 40; ++i)
    chain.push_back(rt.spawn([previous = chain.back()] { return previous.get() + 1; }));
  EXPECT_EQ(chain.back().get(), 39);
}

TEST(TestingStepped, TimedWaitsEndWhenNothingElseCanGoOn) {
  SteppedRuntime rt({.seed = 1});
  Space ids = rt.space("ids");
  Trace trace;
  rt.spawn({.after = {ids(0)}}, [] {});
  for (const int hours : {3, 1, 2}) {
    rt.spawn([&trace, &ids, &rt, hours] {
      Task<void> never = rt.spawn({.after = {ids(0)}}, [] {});
      EXPECT_FALSE(never.wait_for(std::chrono::hours(hours)));
      trace += std::to_string(hours);
    });
  }
  rt.spawn([&trace] { trace += '.'; });
  EXPECT_FALSE(rt.wait_for(1h + 30min));
  EXPECT_EQ(trace, ".1");
  EXPECT_FALSE(rt.wait_for(10h));
  EXPECT_EQ(trace, ".123");
  rt.spawn({.id = ids(0)}, [] {});
  rt.wait();
}

TEST(TestingStepped, ATimedWaitThatIsMetSaysSo) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SteppedRuntime rt({.seed = seed});
    Task<void> task = rt.spawn([] {});
    rt.spawn([&] { EXPECT_TRUE(task.wait_for(0s)); });
    EXPECT_TRUE(task.wait_for(0s));
    EXPECT_TRUE(rt.wait_for(0s));
  }
}

TEST(TestingStepped, FailuresReachTheWait) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SteppedRuntime rt({.seed = seed});
    Task<int> bad = rt.spawn([]() -> int { throw std::runtime_error("bad"); });
    Task<int> dependent = rt.spawn([](int x) { return x; }, bad);
    rt.spawn([&] { EXPECT_THROW(static_cast<void>(dependent.get()), DependencyFailed); });
    try {
      rt.wait();
      ADD_FAILURE();
    } catch (const TaskErrors& errors) {
      EXPECT_EQ(errors.failures().size(), 1U);
      EXPECT_EQ(errors.cancelled_dependents(), 1U);
    }
  }
}

TEST(TestingStepped, MissingIdsAreFound) {
  SteppedRuntime rt;
  Space ids = rt.space("ids");
  Task<void> stuck = rt.spawn({.after = {ids(7)}}, [] {});
  EXPECT_FALSE(rt.step()) << "this thread may still spawn it";
  EXPECT_THROW(stuck.get(), Error);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(TestingStepped, CirclesOfWaitsAreFound) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SteppedRuntime rt({.seed = seed});
    Space ids = rt.space("ids");
    Task<void> one = rt.spawn({.after = {ids(1)}, .name = "one"}, [] {});
    rt.spawn({.id = ids(1)}, [one] { one.wait(); });
    EXPECT_THROW(rt.wait(), TaskErrors) << "seed " << seed;
  }
}

TEST(TestingStepped, CancelBetweenSteps) {
  SteppedRuntime rt;
  bool ran = false;
  Task<void> task = rt.spawn([&] { ran = true; });
  EXPECT_TRUE(task.cancel());
  EXPECT_FALSE(rt.step());
  rt.wait();
  EXPECT_FALSE(ran);
  EXPECT_THROW(task.get(), TaskCancelled);
}

TEST(TestingStepped, ScopesInBodiesAndOutside) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SteppedRuntime rt({.seed = seed});
    int count = 0;
    Scope outer(rt);
    rt.spawn([&] {
      Scope scope(rt);
      for (int i = 0; i < 4; ++i)
        rt.spawn([&] { ++count; });
      scope.wait();
      EXPECT_EQ(count, 4);
    });
    outer.wait();
    EXPECT_EQ(count, 4) << "seed " << seed;
  }
}

TEST(TestingStepped, AScopeThatCancelsOnErrorEndsItsOthers) {
  std::set<int> counts;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SteppedRuntime rt({.seed = seed});
    int count = 0;
    Scope scope(rt, {.cancel_on_error = true});
    rt.spawn([] { throw std::runtime_error("bad"); });
    for (int i = 0; i < 3; ++i)
      rt.spawn([&] { ++count; });
    EXPECT_THROW(scope.wait(), TaskErrors);
    counts.insert(count);
  }
  EXPECT_EQ(counts, (std::set<int>{0, 1, 2, 3}));
}

TEST(TestingStepped, StepInABodyIsRefused) {
  SteppedRuntime rt;
  Task<void> body = rt.spawn([&] { EXPECT_THROW(rt.step(), UsageError); });
  body.get();
}

TEST(TestingStepped, NothingIsLeft) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    SteppedRuntime rt({.seed = seed});
    {
      Task<int> one = rt.spawn([] { return 1; });
      rt.spawn([one] { return one.get(); });
      rt.wait();
      rt.run();  // entries of what was run in place of a wait
    }
    EXPECT_EQ(rt.stats().live_blocks, 0U);
  }
}

TEST(TestingStepped, TheEndRunsWhatIsLeft) {
  int ran = 0;
  {
    SteppedRuntime rt({.seed = 5});
    for (int i = 0; i < 3; ++i)
      rt.spawn([&] { ++ran; });
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace polyreme::testing
