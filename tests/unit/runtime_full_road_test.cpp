// The hook for tasks that are placed and admitted before they run: a stage of the test's own takes them and gives them
// back.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace polyreme {
namespace {

/// Holds every task that comes until it is told to launch it.
class Stage {
 public:
  explicit Stage(runtime::Engine& engine) : engine_(engine) {
    engine.set_full_road([](void* self, tasks::Record& ready) { static_cast<Stage*>(self)->take(ready); }, this);
  }
  /// Blocks until there are `count`.
  void await(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= count; });
  }
  [[nodiscard]] std::size_t held() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  void launch_all() {
    std::vector<tasks::Record*> all;
    {
      const std::lock_guard lock(mutex_);
      all.swap(held_);
    }
    for (tasks::Record* record : all)
      engine_.launch(*record);
  }

 private:
  void take(tasks::Record& ready) {
    const std::lock_guard lock(mutex_);
    held_.push_back(&ready);
    changed_.notify_all();
  }

  runtime::Engine& engine_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<tasks::Record*> held_;
};

/// Body of the tasks below: adds one to what it points to.
struct Count {
  int* runs;
};

constexpr detail::BodyOps kCountOps{
    .run = [](void* storage, tasks::Record&) -> tasks::Record* {
      ++*static_cast<Count*>(storage)->runs;
      return nullptr;
    },
    .destroy_body = [](void*) noexcept {},
    .destroy_result = nullptr,
    .result_type = &typeid(void),
};

class RuntimeFullRoad : public testing::Test {
 protected:
  Task<> spawn(int& runs, const After& after = {}) {
    tasks::Record& record = detail::begin_spawn(engine_, kCountOps, std::source_location::current());
    record.flags |= tasks::kFullRoad;
    new (detail::body_of(record)) Count{&runs};
    detail::commit_spawn(record, after.records());
    return Task<>(&record);
  }

  Runtime rt_{{.workers = 1}};
  runtime::Engine& engine_ = rt_.engine();
  Stage stage_{engine_};
  int runs_ = 0;
};

TEST_F(RuntimeFullRoad, AReadyTaskGoesToTheStageAndComesBack) {
  const Task<> task = spawn(runs_);
  EXPECT_EQ(stage_.held(), 1U);
  EXPECT_FALSE(task.done());
  stage_.launch_all();
  task.get();
  EXPECT_EQ(runs_, 1);
}

TEST_F(RuntimeFullRoad, AHelpingWaiterDoesNotBypassTheStage) {
  const Task<> task = spawn(runs_);
  EXPECT_FALSE(engine_.help_until_done(*task.record()));
  EXPECT_FALSE(engine_.help_until_quiescent());
  EXPECT_FALSE(task.wait_for(std::chrono::nanoseconds(1)));
  EXPECT_EQ(runs_, 0);
  stage_.launch_all();
  task.get();
  EXPECT_EQ(runs_, 1);
}

TEST_F(RuntimeFullRoad, AWaitInABodySleepsUntilTheTaskWasAdmitted) {
  Task<> task;
  const auto outer = rt_.spawn([&] {
    task = spawn(runs_);
    task.get();
    return runs_;
  });
  stage_.await(1);
  EXPECT_FALSE(outer.done());
  stage_.launch_all();
  EXPECT_EQ(outer.get(), 1);
}

TEST_F(RuntimeFullRoad, ADependentIsAdmittedOnceItIsReady) {
  int seen_before = 0;
  const auto first = rt_.spawn([&] { seen_before = static_cast<int>(stage_.held()); });
  const Task<> task = spawn(runs_, After{first});
  const auto last = rt_.spawn([](int x) { return x + 1; }, rt_.spawn({.after = task}, [this] { return runs_; }));
  stage_.await(1);
  EXPECT_EQ(seen_before, 0);
  EXPECT_TRUE(first.done());
  stage_.launch_all();
  EXPECT_EQ(last.get(), 2);
}

TEST_F(RuntimeFullRoad, ACancelledOnePassesThroughTheStage) {
  const auto failing = rt_.spawn([] { throw std::runtime_error("first"); });
  const Task<> task = spawn(runs_, After{failing});
  stage_.await(1);
  stage_.launch_all();
  EXPECT_THROW(task.get(), DependencyFailed);
  EXPECT_EQ(runs_, 0);
  EXPECT_THROW(rt_.wait(), TaskErrors);
}

TEST_F(RuntimeFullRoad, ManyFromSeveralThreads) {
  constexpr int kEach = 100;
  int counts[4] = {};
  std::vector<std::jthread> threads;
  for (int& count : counts) {
    threads.emplace_back([&count, this] {
      // One after the other, so that the count needs no protection.
      Task<> last;
      for (int i = 0; i < kEach; ++i)
        last = last.valid() ? spawn(count, After{last}) : spawn(count);
    });
  }
  threads.clear();
  while (!engine_.deck().lanes.quiescent()) {
    stage_.launch_all();
    std::this_thread::yield();
  }
  for (const int count : counts)
    EXPECT_EQ(count, kEach);
}

}  // namespace
}  // namespace polyreme
