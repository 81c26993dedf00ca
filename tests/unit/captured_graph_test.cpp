// Captured graphs through the C++ API: order, values, arguments, several runs, misuse.
#include <polyreme/graph.hpp>

#include "support/counted.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

template <class Fn>
std::string usage_error(Fn&& fn) {
  try {
    fn();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(CapturedGraph, RunsItsNodesInOrderInEachRun) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  std::vector<int> order;
  const auto a = g.spawn([&] { order.push_back(1); });
  const auto b = g.spawn({.after = {a}}, [&] { order.push_back(2); });
  g.spawn({.after = {b}}, [&] { order.push_back(3); });
  for (int run = 0; run < 3; ++run) {
    order.clear();
    g.run();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  }
  EXPECT_EQ(g.size(), 3U);
}

TEST(CapturedGraph, PassesValuesOfTheSameRun) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  const auto x = g.argument<int>(1);
  const auto a = g.spawn([](int value) { return value + 1; }, x);
  const auto text = g.spawn([](int value) { return std::string(100, static_cast<char>('a' + value)); }, x);
  const auto b = g.spawn([](int v, const std::string& s) { return std::to_string(v) + s.substr(0, 1); }, a, text);
  const GraphRun first = g.run();
  const GraphRun second = g.run(x.bind(4));
  EXPECT_EQ(first.get(a), 2);
  EXPECT_EQ(first.get(b), "2b");
  EXPECT_EQ(second.get(b), "5e");
  EXPECT_EQ(first.get(text).size(), 100U);
}

TEST(CapturedGraph, HandsOverReferencesLargeAndUnmovableResults) {
  struct alignas(64) Wide {
    int value;
  };
  struct Pinned {
    explicit Pinned(int v) : value(v) {}
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    ~Pinned() = default;
    int value;
  };
  Runtime rt({.workers = 2});
  Graph g(rt);
  int cell = 7;
  const auto reference = g.spawn([&]() -> int& { return cell; });
  const auto wide = g.spawn([] { return Wide{3}; });
  const auto pinned = g.spawn([] { return Pinned(5); });
  const auto sum = g.spawn([](const int& r, const Wide& w, const Pinned& p) { return r + w.value + p.value; },
                           reference, wide, pinned);
  const GraphRun run = g.run();
  EXPECT_EQ(run.get(sum), 15);
  EXPECT_EQ(&run.get(reference), &cell);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&run.get(wide)) % 64, 0U);
}

TEST(CapturedGraph, KeepsBodiesOfAnySize) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  std::array<int, 40> large{};
  large.fill(2);
  const auto boxed = g.spawn([large] { return std::accumulate(large.begin(), large.end(), 0); });
  const auto moved = g.spawn([p = std::make_unique<int>(9)] { return *p; });
  std::vector<Node<std::size_t>> many;
  for (int i = 0; i < 100; ++i)  // the arena grows several times, bodies move
    many.push_back(g.spawn([text = std::string(static_cast<std::size_t>(i), 'x')] { return text.size(); }));
  for (int k = 0; k < 2; ++k) {
    const GraphRun run = g.run();
    EXPECT_EQ(run.get(boxed), 80);
    EXPECT_EQ(run.get(moved), 9);
    for (std::size_t i = 0; i < many.size(); ++i)
      EXPECT_EQ(run.get(many[i]), i);
  }
}

TEST(CapturedGraph, DestroysBodiesResultsAndArguments) {
  const auto counted = std::make_shared<int>(0);
  {
    Runtime rt({.workers = 2});
    Graph g(rt);
    const auto x = g.argument<std::shared_ptr<int>>(counted);
    const auto a = g.spawn([](const std::shared_ptr<int>& p) { return p; }, x);
    g.spawn([keep = counted](const std::shared_ptr<int>& p) { return std::vector<std::shared_ptr<int>>{p, keep}; }, a);
    g.run();
    const long resting = counted.use_count();
    {
      const GraphRun run = g.run(x.bind(counted));
    }
    EXPECT_EQ(counted.use_count(), resting);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(CapturedGraph, OutOfOneNodeManyAndBack) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  std::atomic<int> ran{0};
  const auto first = g.spawn([&] { ran = 0; });
  std::vector<Node<>> middle;
  for (int i = 0; i < 1000; ++i)
    middle.push_back(g.spawn({.after = {first}}, [&] { ++ran; }));
  const auto last = g.spawn({.after = middle}, [&] { return ran.load(); });
  for (int k = 0; k < 20; ++k)
    EXPECT_EQ(g.run().get(last), 1000);
}

TEST(CapturedGraph, ManyEnds) {
  // More than a gather counts, and more than gathers of gathers do.
  Runtime rt({.workers = 2});
  for (const int ends : {1, 63, 64, 65, 4096, 4097, 10'000}) {
    Graph g(rt);
    std::atomic<int> ran{0};
    for (int i = 0; i < ends; ++i)
      g.spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); });
    for (int k = 1; k <= 3; ++k) {
      g.run();
      EXPECT_EQ(ran, k * ends);
    }
  }
}

TEST(CapturedGraph, AnEmptyGraphRunsAtOnce) {
  Runtime rt({.workers = 1});
  Graph g(rt);
  g.run();
  const GraphRun run = g.run_async();
  run.get();
  Graph outer(rt);
  outer.spawn(g);
  outer.run();
}

TEST(CapturedGraph, GrowsBetweenRuns) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  const auto a = g.spawn([] { return std::string("a"); });
  const GraphRun before = g.run();
  const auto b = g.spawn([](const std::string& s) { return s + "b"; }, a);
  const GraphRun after = g.run();
  EXPECT_EQ(after.get(b), "ab");
  EXPECT_EQ(before.get(a), "a");
  EXPECT_NE(usage_error([&] { static_cast<void>(before.get(b)); }).find("added to the graph after this run"),
            std::string::npos);
}

/// The number of nodes with and without a body may stay the same.
TEST(CapturedGraph, GrowsToTheSameNumberOfNodes) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  std::atomic<int> ran{0};
  const auto count = [&] { ++ran; };
  std::vector<Node<>> ends;
  for (int i = 0; i < 65; ++i)
    ends.push_back(g.spawn(count));  // and three gathers
  g.run();
  EXPECT_EQ(ran.exchange(0), 65);
  const auto below = g.spawn({.after = {ends[0], ends[1]}}, count);
  g.spawn({.after = {below}}, count);  // 64 ends and one gather
  g.run();
  EXPECT_EQ(ran.exchange(0), 67);
}

TEST(CapturedGraph, RunsAreLetGoWhileItGrows) {
  Runtime rt({.workers = 2});
  test::Census census;
  Graph g(rt);
  const auto argument = g.argument(test::Counted(census, 1));
  const auto first = g.spawn([](const test::Counted& one) { return one; }, argument);
  for (int round = 0; round < 100; ++round) {
    GraphRun run = g.run_async();
    run.get();
    std::jthread other([run = std::move(run), first] { EXPECT_EQ(run.get(first).value(), 1); });
    g.spawn([](const test::Counted& one) { return one; }, first);
    other.join();
  }
}

TEST(CapturedGraph, SeveralRunsAtOnce) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  const auto x = g.argument<int>(0);
  auto last = g.spawn([](int value) { return value; }, x);
  for (int i = 0; i < 50; ++i)
    last = g.spawn([](int before) { return before + 1; }, last);
  std::vector<GraphRun> runs;
  for (int i = 0; i < 20; ++i)
    runs.push_back(g.run_async(x.bind(100 * i)));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].get();
    EXPECT_EQ(runs[i].get(last), static_cast<int>(100 * i + 50));
  }
}

TEST(CapturedGraph, ARunIsATask) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  const auto a = g.spawn([] { return 20; });
  const GraphRun run = g.run_async();
  const auto next = rt.spawn({.after = {run}}, [run, a] { return run.get(a) + 1; });
  EXPECT_EQ(next.get(), 21);
  EXPECT_TRUE(run.done());
  rt.wait();
}

TEST(CapturedGraph, RunsInBodies) {
  for (const unsigned workers : {1U, 2U}) {
    Runtime rt({.workers = workers});
    Graph g(rt);
    const auto x = g.argument<int>(0);
    std::vector<Node<int>> parts;
    for (int i = 0; i < 100; ++i)
      parts.push_back(g.spawn([i](int value) { return value + i; }, x));
    std::vector<Task<int>> tasks;
    for (int t = 0; t < 10; ++t) {
      tasks.push_back(rt.spawn([&g, &parts, x, t] {
        const GraphRun run = g.run(x.bind(t));
        int sum = 0;
        for (const auto& part : parts)
          sum += run.get(part);
        return sum;
      }));
    }
    for (int t = 0; t < 10; ++t)
      EXPECT_EQ(tasks[static_cast<std::size_t>(t)].get(), 4950 + 100 * t);
  }
}

/// A node of another run could wait for what the body does after its wait.
TEST(CapturedGraph, ABodyThatWaitsForARunRunsNodesOfNoOther) {
  Runtime rt({.workers = 2});
  std::latch b_runs(1);
  std::latch other_runs(1);
  std::latch over(1);
  Graph other(rt);
  other.spawn([&] {
    other_runs.count_down();
    over.wait();
  });
  GraphRun other_run;
  Graph g(rt);
  const auto a = g.spawn([&] {
    b_runs.wait();
    other_run = other.run_async();
  });
  const auto b = g.spawn([&] {
    b_runs.count_down();
    other_runs.wait();
  });
  g.spawn({.after = {a, b}}, [] {});
  rt.spawn([&] {
      g.run();
      over.count_down();
    }).get();
  rt.wait();
}

TEST(CapturedGraph, BodiesSpawnAndWait) {
  for (const unsigned workers : {1U, 2U}) {
    Runtime rt({.workers = workers});
    Graph g(rt);
    Space ids = rt.space("ids");
    const auto x = g.argument<int>(0);
    // The first waits for what the others spawn: they must not stand behind it.
    g.spawn(
        [&](int k) {
          static_cast<void>(ids(k, 1).task<int>().get());
          static_cast<void>(ids(k, 2).task<int>().get());
        },
        x);
    g.spawn([&](int k) { rt.spawn({.id = ids(k, 1)}, [] { return 1; }); }, x);
    g.spawn([&](int k) { static_cast<void>(rt.spawn({.id = ids(k, 2)}, [] { return 2; }).get()); }, x);
    for (int k = 0; k < 5; ++k)
      g.run(x.bind(k));
    rt.wait();
  }
}

TEST(CapturedGraph, OutlivesItsHandle) {
  Runtime rt({.workers = 1});
  std::atomic<bool> go{false};
  std::atomic<int> ran{0};
  GraphRun run;
  {
    Graph g(rt);
    const auto a = g.spawn([&] {
      while (!go)
        std::this_thread::yield();
    });
    g.spawn({.after = {a}}, [&] { ++ran; });
    run = g.run_async();
  }
  go = true;
  run.get();
  EXPECT_EQ(ran, 1);
}

TEST(CapturedGraph, OutlivesItsRuntime) {
  auto rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 1});
  Graph g(*rt);
  const auto a = g.spawn([] { return 3; });
  const GraphRun run = g.run();
  rt.reset();
  EXPECT_EQ(run.get(a), 3);
  EXPECT_THROW(g.run(), RuntimeClosed);
  EXPECT_THROW(static_cast<void>(g.run_async()), RuntimeClosed);
}

TEST(CapturedGraph, MisuseIsAnErrorAtTheCall) {
  Runtime rt({.workers = 2});
  Runtime other({.workers = 1});
  Graph g(rt, "mine");
  Graph h(rt);
  Graph elsewhere(other);
  const auto a = g.spawn([] { return 1; });
  const auto x = g.argument<int>(0);
  const auto of_h = h.spawn([] { return 1; });
  EXPECT_NE(usage_error([&] { h.spawn([](int) {}, a); }).find("another graph"), std::string::npos);
  EXPECT_NE(usage_error([&] { h.spawn([](int) {}, x); }).find("another graph"), std::string::npos);
  EXPECT_NE(usage_error([&] { h.spawn({.after = {a}}, [] {}); }).find("another graph"), std::string::npos);
  EXPECT_NE(usage_error([&] { g.spawn([](int) {}, Node<int>()); }).find("empty handle"), std::string::npos);
  EXPECT_NE(usage_error([&] { g.spawn({.after = {NodeBase()}}, [] {}); }).find("empty handle"), std::string::npos);
  EXPECT_NE(usage_error([&] { h.run(x.bind(1)); }).find("another graph"), std::string::npos);
  EXPECT_NE(usage_error([&] { g.run(x.bind(1), x.bind(2)); }).find("bound twice"), std::string::npos);
  EXPECT_NE(usage_error([&] { static_cast<void>(g.run().get(of_h)); }).find("another graph"), std::string::npos);
  EXPECT_NE(usage_error([&] { g.spawn(g); }).find("mine cannot be a node of itself"), std::string::npos);
  h.spawn(g);
  EXPECT_NE(usage_error([&] { g.spawn(h); }).find("cannot be a node of itself"), std::string::npos);
  EXPECT_NE(usage_error([&] { elsewhere.spawn(g); }).find("another runtime"), std::string::npos);
  EXPECT_NE(usage_error([&] { GraphRun().get(); }).find("empty task handle"), std::string::npos);
  g.run();
  h.run();
}

TEST(CapturedGraph, ChangingItDuringARunIsAnError) {
  Runtime rt({.workers = 2});
  Graph g(rt);
  std::atomic<bool> go{false};
  g.spawn([&] {
    while (!go)
      std::this_thread::yield();
  });
  const GraphRun run = g.run_async();
  EXPECT_NE(usage_error([&] { g.spawn([] {}); }).find("1 run of it is in flight"), std::string::npos);
  EXPECT_NE(usage_error([&] { static_cast<void>(g.argument<int>(1)); }).find("in flight"), std::string::npos);
  go = true;
  run.get();
  g.spawn([] {});
  g.run();
}

TEST(CapturedGraph, CopiesOfArgumentsThatThrowLeaveItRunnable) {
  struct Moody {
    explicit Moody(bool* is_angry) : angry(is_angry) {}
    Moody(const Moody& other) : angry(other.angry) {
      if (*angry) throw std::runtime_error("no copy");
    }
    Moody& operator=(const Moody&) = delete;
    ~Moody() = default;
    bool* angry;
  };
  bool angry = false;
  Runtime rt({.workers = 1});
  Graph g(rt);
  const auto text = g.argument<std::string>(std::string(100, 'x'));
  const auto moody = g.argument<Moody>(Moody(&angry));
  const auto size = g.spawn([](const std::string& s, const Moody&) { return s.size(); }, text, moody);
  angry = true;
  EXPECT_THROW(g.run(), std::runtime_error);
  angry = false;
  EXPECT_EQ(g.run().get(size), 100U);
  g.spawn([] {});  // no run is thought to be in flight
  g.run();
}

TEST(CapturedGraph, Nested) {
  Runtime rt({.workers = 2});
  std::atomic<int> inner_ran{0};
  std::vector<int> order;
  Graph inner(rt, "inner");
  for (int i = 0; i < 100; ++i)
    inner.spawn([&] { ++inner_ran; });
  Graph middle(rt);
  const auto first = middle.spawn(inner);
  middle.spawn({.after = {first}}, inner);
  Graph outer(rt);
  const auto before = outer.spawn([&] { order.push_back(inner_ran); });
  const auto nested = outer.spawn({.after = {before}}, middle);
  outer.spawn({.after = {nested}}, [&] { order.push_back(inner_ran); });
  outer.run();
  outer.run();
  EXPECT_EQ(order, (std::vector<int>{0, 200, 200, 400}));
}

}  // namespace
}  // namespace polyreme
