// Runs of the real engine, judged by the checker: what it records is what the checker expects.
#include <polyreme/runtime.hpp>

#include "check/checker.hpp"
#include "gph/generate.hpp"
#include "runtime/engine.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <latch>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

class TraceEngine : public testing::Test {
 protected:
  // Ends the trace of the runtime and has it checked.
  check::Report judge(Runtime& runtime, const gph::Graph* graph = nullptr) const {
    const std::string path = testing::TempDir() + "polyreme_trace_engine_" +
                             testing::UnitTest::GetInstance()->current_test_info()->name() + ".json";
    runtime.write_trace(path);
    const check::Report report = check::check_trace(check::read_trace(path), graph);
    std::filesystem::remove(path);
    return report;
  }
};

std::string list_of(const check::Report& report) {
  std::string text;
  for (const check::Violation& violation : report.violations)
    text += std::string(violation.rule) + ": " + violation.message + "\n";
  return text;
}

TEST_F(TraceEngine, RunsOfGeneratedGraphsAreVerified) {
  for (const gph::KindInfo& kind : gph::kinds()) {
    const gph::Graph graph = gph::generate(kind.name);
    Runtime runtime({.workers = 3});
    runtime.start_trace();
    std::vector<Task<void>> tasks;
    for (gph::TaskIndex task = 0; task < graph.task_count(); ++task) {
      std::vector<Task<void>> after;
      for (const gph::TaskIndex other : graph.dependencies(task))
        after.push_back(tasks[other]);
      tasks.push_back(runtime.spawn({.after = after, .name = graph.name(task)}, [] {}));
    }
    runtime.wait();
    const check::Report report = judge(runtime, &graph);
    EXPECT_TRUE(report.verified()) << kind.name << "\n" << list_of(report);
    EXPECT_EQ(report.tasks, graph.task_count());
  }
}

TEST_F(TraceEngine, BodiesThatSpawnAndWaitAreVerified) {
  Runtime runtime({.workers = 2});
  runtime.start_trace();
  const auto tree = [&runtime](const auto& self, int depth) -> int {
    if (depth == 0) return 1;
    Task<int> left = runtime.spawn([&self, depth] { return self(self, depth - 1); });
    Task<int> right = runtime.spawn([&self, depth] { return self(self, depth - 1); });
    return left.get() + right.get();
  };
  Task<int> root = runtime.spawn([&tree] { return tree(tree, 7); });
  EXPECT_EQ(root.get(), 128);
  const check::Report report = judge(runtime);
  EXPECT_TRUE(report.verified()) << list_of(report);
  EXPECT_EQ(report.tasks, 255U);
}

TEST_F(TraceEngine, FailuresAndWhatTheyCancelAreVerified) {
  constexpr std::uint64_t kSeeds = 10;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::mt19937_64 random(seed);
    Runtime runtime({.workers = 3});
    runtime.start_trace();
    std::vector<Task<void>> tasks;
    for (std::size_t i = 0; i < 500; ++i) {
      std::vector<Task<void>> after;
      for (std::size_t edges = random() % 3; edges > 0 && i > 0; --edges)
        after.push_back(tasks[i - 1 - random() % std::min<std::size_t>(i, 20)]);
      const bool fails = random() % 50 == 0;
      tasks.push_back(runtime.spawn({.after = after}, [fails] {
        if (fails) throw std::runtime_error("as planned");
      }));
    }
    EXPECT_THROW(runtime.wait(), TaskErrors) << "seed " << seed;
    const check::Report report = judge(runtime);
    EXPECT_TRUE(report.verified()) << "seed " << seed << "\n" << list_of(report);
    EXPECT_EQ(report.tasks, 500U);
    EXPECT_GT(report.failed, 0U) << "seed " << seed;
  }
}

TEST_F(TraceEngine, SeveralProducersAreVerified) {
  Runtime runtime({.workers = 2});
  runtime.start_trace();
  {
    std::vector<std::jthread> producers;
    for (int i = 0; i < 3; ++i) {
      producers.emplace_back([&runtime] {
        const Runtime::Producer producer = runtime.producer();
        Task<void> last = runtime.spawn([] {});
        for (int step = 0; step < 300; ++step)
          last = runtime.spawn({.after = last}, [] {});
      });
    }
  }
  runtime.wait();
  const check::Report report = judge(runtime);
  EXPECT_TRUE(report.verified()) << list_of(report);
  EXPECT_EQ(report.tasks, 903U);
}

TEST_F(TraceEngine, TracesOneAfterTheOtherAreSeparate) {
  Runtime runtime({.workers = 2});
  Task<void> before = runtime.spawn([] {});
  runtime.wait();
  for (const std::uint64_t tasks : {10U, 20U}) {
    runtime.start_trace();
    for (std::uint64_t i = 0; i < tasks; ++i)
      before = runtime.spawn({.after = before}, [] {});
    const check::Report report = judge(runtime);
    EXPECT_TRUE(report.verified()) << list_of(report);
    EXPECT_EQ(report.tasks, tasks);
  }
}

/// A trace waits until all slots are free. A thread that comes to the runtime meanwhile is not held up: it may hold
/// what the slots wait for, such as the interpreter's lock.
TEST_F(TraceEngine, AStartHoldsNobodyUp) {
  for (int round = 0; round < 20; ++round) {
    Runtime runtime({.workers = 1});
    const Space space = runtime.space("T");
    launch::SlotPool& pool = runtime.engine().deck().pool;
    std::uint32_t slot = launch::kNoSlot;
    while (slot == launch::kNoSlot)
      slot = pool.try_take();
    std::latch begins(1);
    std::jthread starter([&] {
      begins.count_down();
      runtime.start_trace();
    });
    begins.wait();
    std::jthread([&] { static_cast<void>(space[round].task().done()); }).join();  // makes the record of the id
    pool.give_up(slot, true, [] { return false; }, [] {});
    starter.join();
    runtime.spawn([] {}).get();
    const check::Report report = judge(runtime);
    EXPECT_TRUE(report.verified()) << list_of(report);
  }
}

}  // namespace
}  // namespace polyreme
