// Failure and cancellation in runs of captured graphs: who hears of it, and that the next run is as good as the first.
#include <polyreme/context.hpp>
#include <polyreme/graph.hpp>
#include <polyreme/scope.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using namespace std::chrono_literals;

TEST(CapturedGraphFailures, ReachWhoeverWaitsAndOnlyThem) {
  Runtime rt({.workers = 2});
  Graph g(rt, "plan");
  bool fails = true;
  const auto a = g.spawn({.name = "root"}, [&] {
    if (fails) throw std::runtime_error("broken");
    return 1;
  });
  const auto b = g.spawn([](int v) { return v + 1; }, a);
  const auto c = g.spawn([](int v) { return v + 1; }, b);
  const auto beside = g.spawn([] { return 9; });
  try {
    g.run();
    FAIL() << "nothing was thrown";
  } catch (const TaskErrors& errors) {
    ASSERT_EQ(errors.failures().size(), 1U);
    EXPECT_EQ(errors.failures()[0].task, "root");
    EXPECT_NE(errors.failures()[0].site.text().find("captured_graph_failures_test.cpp"), std::string::npos);
    EXPECT_THROW(std::rethrow_exception(errors.failures()[0].error), std::runtime_error);
    EXPECT_EQ(errors.cancelled_dependents(), 2U);
    EXPECT_NE(std::string(errors.what()).find("1 node of a captured graph plan failed, 2 not run"), std::string::npos)
        << errors.what();
  }
  rt.wait();  // does not hear of it again

  const GraphRun run = g.run_async();
  EXPECT_THROW(run.get(), TaskErrors);
  EXPECT_THROW(static_cast<void>(run.get(a)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(run.get(b)), DependencyFailed);
  EXPECT_THROW(static_cast<void>(run.get(c)), DependencyFailed);
  EXPECT_EQ(run.get(beside), 9);
  EXPECT_THROW(rt.wait(), TaskErrors);  // of a run that nobody waits for it is all there is

  fails = false;
  EXPECT_EQ(g.run().get(c), 3);
}

TEST(CapturedGraphFailures, AllRootsAreReported) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  std::vector<Node<>> nodes;
  for (int i = 0; i < 200; ++i) {
    nodes.push_back(g.spawn([i] {
      if (i % 2 == 0) throw i;
    }));
  }
  const auto last = g.spawn({.after = nodes}, [] {});
  for (int k = 0; k < 3; ++k) {
    const GraphRun run = g.run_async();
    try {
      run.get();
      FAIL() << "nothing was thrown";
    } catch (const TaskErrors& errors) {
      EXPECT_EQ(errors.failures().size(), 100U);
      EXPECT_EQ(errors.cancelled_dependents(), 1U);
    }
    EXPECT_THROW(run.get(last), DependencyFailed);
    run.get(nodes[1]);
    EXPECT_THROW(rt.wait(), TaskErrors);
  }
}

TEST(CapturedGraphFailures, ResultsOfFailedRunsAreDestroyed) {
  const auto counted = std::make_shared<int>(0);
  {
    Runtime rt({.workers = 2});
    Graph g(rt);
    const auto kept = g.spawn([counted] { return counted; });
    const auto failed = g.spawn(
        [](const std::shared_ptr<int>& p) -> std::shared_ptr<int> {
          if (p != nullptr) throw std::runtime_error("broken");
          return p;
        },
        kept);
    g.spawn([](const std::shared_ptr<int>& p) { return p; }, failed);
    for (int k = 0; k < 3; ++k)
      EXPECT_THROW(g.run(), TaskErrors);
    EXPECT_EQ(counted.use_count(), 2);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(CapturedGraphFailures, TasksAfterAFailedRunAreCancelled) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  g.spawn([] { throw std::runtime_error("broken"); });
  const GraphRun run = g.run_async();
  const auto after = rt.spawn({.after = {run}}, [] {});
  EXPECT_THROW(after.get(), DependencyFailed);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CapturedGraphFailures, CancelStopsWhatHasNotStarted) {
  Runtime rt({.workers = 1});
  Graph g(rt);
  std::atomic<bool> go{false};
  std::atomic<bool> started{false};
  std::atomic<int> ran{0};
  bool blocks = true;
  const auto first = g.spawn([&] {
    started = true;
    while (blocks && !go)
      std::this_thread::yield();
    return 1;
  });
  const auto second = g.spawn([&](int) { return ++ran; }, first);
  const auto third = g.spawn([&](int) { return ++ran; }, second);
  const GraphRun run = g.run_async();
  while (!started)
    std::this_thread::yield();
  EXPECT_FALSE(run.wait_for(1ms));
  EXPECT_FALSE(run.cancel());
  EXPECT_FALSE(run.done());
  go = true;
  EXPECT_THROW(run.get(), TaskCancelled);
  EXPECT_EQ(run.get(first), 1);
  EXPECT_THROW(static_cast<void>(run.get(second)), TaskCancelled);
  EXPECT_THROW(static_cast<void>(run.get(third)), TaskCancelled);
  EXPECT_EQ(ran, 0);
  EXPECT_TRUE(run.cancel());
  rt.wait();
  blocks = false;
  EXPECT_EQ(g.run().get(third), 2);
}

TEST(CapturedGraphFailures, BodiesSeeTheCancel) {
  Runtime rt({.workers = 1});
  Graph g(rt);
  std::atomic<bool> started{false};
  g.spawn([&](Context& context) {
    started = true;
    while (true) {
      context.throw_if_cancelled();
      std::this_thread::yield();
    }
  });
  const GraphRun run = g.run_async();
  while (!started)
    std::this_thread::yield();
  run.cancel();
  EXPECT_THROW(run.get(), TaskCancelled);
  rt.wait();
}

TEST(CapturedGraphFailures, CancelReachesInnerRuns) {
  Runtime rt({.workers = 1});
  Graph inner(rt);
  std::atomic<bool> started{false};
  std::atomic<bool> go{false};
  std::atomic<int> ran{0};
  const auto first = inner.spawn([&] {
    started = true;
    while (!go)
      std::this_thread::yield();
  });
  inner.spawn({.after = {first}}, [&] { ++ran; });
  Graph outer(rt);
  const auto nested = outer.spawn(inner);
  outer.spawn({.after = {nested}}, [&] { ++ran; });
  const GraphRun run = outer.run_async();
  while (!started)
    std::this_thread::yield();
  run.cancel();
  go = true;
  EXPECT_THROW(run.get(), TaskCancelled);
  EXPECT_EQ(ran, 0);
  outer.run();
  EXPECT_EQ(ran, 2);
}

TEST(CapturedGraphFailures, OfInnerRunsFailTheNode) {
  Runtime rt({.workers = 2});
  bool fails = true;
  Graph inner(rt, "inner");
  inner.spawn([&] {
    if (fails) throw std::runtime_error("broken");
  });
  Graph outer(rt, "outer");
  const auto nested = outer.spawn({.name = "nested"}, inner);
  int ran = 0;
  outer.spawn({.after = {nested}}, [&] { ++ran; });
  try {
    outer.run();
    FAIL() << "nothing was thrown";
  } catch (const TaskErrors& errors) {
    ASSERT_EQ(errors.failures().size(), 1U);
    EXPECT_EQ(errors.failures()[0].task, "nested");
    EXPECT_EQ(errors.cancelled_dependents(), 1U);
    EXPECT_THROW(std::rethrow_exception(errors.failures()[0].error), TaskErrors);
  }
  rt.wait();
  fails = false;
  outer.run();
  EXPECT_EQ(ran, 1);
}

TEST(CapturedGraphFailures, ANodeThatWaitsForItsOwnRunIsAnError) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  GraphRun run;
  std::atomic<bool> assigned{false};
  g.spawn([&] {
    while (!assigned)
      std::this_thread::yield();
    run.wait();
  });
  run = g.run_async();
  assigned = true;
  EXPECT_THROW(run.get(), TaskErrors);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CapturedGraphFailures, ACircleOfWaitsThroughARunIsFound) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  Task<int> body;
  std::atomic<bool> assigned{false};
  g.spawn([&] {
    while (!assigned)
      std::this_thread::yield();
    static_cast<void>(body.get());  // which waits for this run
  });
  body = rt.spawn([&] {
    while (!assigned)
      std::this_thread::yield();
    g.run();
    return 1;
  });
  assigned = true;
  EXPECT_ANY_THROW(static_cast<void>(body.get()));
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(CapturedGraphFailures, AScopeHearsOfItsRunsAndCancelsThem) {
  Runtime rt({.workers = 1});
  Graph g(rt);
  std::atomic<bool> started{false};
  std::atomic<int> ran{0};
  const auto first = g.spawn([&](Context& context) {
    started = true;
    while (!context.cancelled())
      std::this_thread::yield();
  });
  g.spawn({.after = {first}}, [&] { ++ran; });
  {
    Scope scope(rt);
    const GraphRun run = g.run_async();
    while (!started)
      std::this_thread::yield();
    scope.cancel();
    EXPECT_THROW(run.get(), TaskCancelled);
    scope.wait();
  }
  EXPECT_EQ(ran, 0);
  Graph failing(rt);
  failing.spawn([&] { rt.spawn([] { throw std::runtime_error("broken"); }); });
  {
    Scope scope(rt);
    static_cast<void>(failing.run_async());
    EXPECT_THROW(scope.wait(), TaskErrors);  // what the bodies of a run spawn belongs to its scope
  }
  rt.wait();
}

TEST(CapturedGraphFailures, UnreportedFailuresGoToTheHandler) {
  std::string warned;
  {
    Runtime rt({.workers = 1, .warn = [&](const std::string& text) { warned += text; }});
    Graph g(rt, "lost");
    g.spawn([] { throw std::runtime_error("broken"); });
    static_cast<void>(g.run_async());
  }
  EXPECT_NE(warned.find("lost"), std::string::npos) << warned;
}

/// Nodes of a run share its record, and ask for its stop source at the same time.
TEST(CapturedGraphFailures, EachNodeIsToldToStop) {
  constexpr int kNodes = 4;
  Runtime rt({.workers = kNodes});
  for (int round = 0; round < 100; ++round) {
    std::latch here(kNodes);
    std::latch asked(kNodes);
    Graph g(rt);
    for (int i = 0; i < kNodes; ++i) {
      g.spawn([&](Context& context) {
        here.arrive_and_wait();
        const std::stop_token token = context.stop_token();
        asked.count_down();
        while (!token.stop_requested())
          std::this_thread::yield();
      });
    }
    const GraphRun run = g.run_async();
    asked.wait();
    static_cast<void>(run.cancel());
    run.wait();
  }
}

TEST(CapturedGraphFailures, ACancelledRunOfAnEmptyGraphHasNoResults) {
  Runtime rt({.workers = 1});
  std::latch go(1);
  rt.spawn([&] { go.wait(); });
  Graph g(rt);
  const GraphRun run = g.run_async();
  EXPECT_TRUE(run.cancel());
  const auto late = g.spawn([] { return 1; });
  go.count_down();
  EXPECT_THROW(static_cast<void>(run.get(late)), UsageError);
}

/// Its end destroys what its scope cancels; a destructor there may wait, and come back on another slot.
TEST(CapturedGraphFailures, ARunEndsOnTheLaneThatItsThreadHasThen) {
  struct Waits {
    explicit Waits(std::function<void()> what) : wait(std::move(what)) {}
    Waits(const Waits&) = delete;
    Waits& operator=(const Waits&) = delete;
    ~Waits() { wait(); }
    std::function<void()> wait;
  };
  Runtime rt({.workers = 2});
  std::latch first_runs(1);
  std::latch end_first(1);
  std::latch second_runs(1);
  std::latch end_second(1);
  std::atomic<std::uint32_t> slot_of_second{0};
  const Task<void> first = rt.spawn([&] {
    first_runs.count_down();
    end_first.wait();
  });
  first_runs.wait();
  Task<void> second;
  auto waits = std::make_shared<Waits>([&] {
    second = rt.spawn([&] {
      slot_of_second = runtime::this_thread.session->slot();
      second_runs.count_down();
      end_second.wait();
    });
    first.wait();  // gives the slot to the thread that runs the second task, and goes on with that of the first
  });
  Scope scope(rt, {.cancel_on_error = true});
  rt.spawn({.after = {first}}, [waits = std::move(waits)] {});
  Graph g(rt);
  g.spawn([] { throw std::runtime_error("fails"); });
  const GraphRun run = g.run_async();
  second_runs.wait();
  const auto completed = [&] { return rt.engine().deck().lanes[slot_of_second].completed.get(); };
  const std::uint64_t before = completed();
  end_first.count_down();
  EXPECT_THROW(run.get(), TaskErrors);
  EXPECT_EQ(completed(), before);
  end_second.count_down();
  EXPECT_THROW(scope.wait(), TaskErrors);
}

}  // namespace
}  // namespace polyreme
