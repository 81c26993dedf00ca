// How long it takes to cancel a million tasks that wait for one that runs: by the scope that they are in, by one
// request to a task before them, and by a request to each.
#include <polyreme/runtime.hpp>
#include <polyreme/scope.hpp>

#include "harness.hpp"

#include <atomic>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace polyreme::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// A runtime in which one task runs until the end, and all others wait for it.
class Behind {
 public:
  explicit Behind(unsigned slots) : rt({.workers = slots}) {}
  Behind(const Behind&) = delete;
  Behind& operator=(const Behind&) = delete;
  ~Behind() {
    open_.store(true);
    open_.notify_all();
  }

  void spawn(TaskIndex tasks, std::vector<Task<void>>* handles) {
    for (TaskIndex task = 0; task < tasks; ++task) {
      Task<void> one = rt.spawn({.after = {before}}, [this] { ran.fetch_add(1, std::memory_order_relaxed); });
      if (handles != nullptr) handles->push_back(std::move(one));
    }
  }

  Runtime rt;
  std::atomic<TaskIndex> ran{0};

 private:
  std::atomic<bool> open_{false};

 public:
  Task<void> gate = rt.spawn([this] { open_.wait(false); });
  Task<void> before = rt.spawn({.after = {gate}}, [] {});
};

/// Returns the time; all tasks are done then.
Clock::duration by_scope(Behind& behind, TaskIndex tasks) {
  Scope scope(behind.rt);
  behind.spawn(tasks, nullptr);
  const auto started = Clock::now();
  scope.cancel();
  scope.wait();
  return Clock::now() - started;
}

Clock::duration by_predecessor(Behind& behind, TaskIndex tasks) {
  std::vector<Task<void>> handles;
  handles.reserve(tasks);
  behind.spawn(tasks, &handles);
  const auto started = Clock::now();
  behind.before.cancel();
  for (const Task<void>& task : handles)
    task.wait();
  return Clock::now() - started;
}

Clock::duration by_handle(Behind& behind, TaskIndex tasks) {
  std::vector<Task<void>> handles;
  handles.reserve(tasks);
  behind.spawn(tasks, &handles);
  const auto started = Clock::now();
  for (const Task<void>& task : handles)
    task.cancel();
  return Clock::now() - started;
}

void measure(const Options& options, std::string_view row, Clock::duration (*cancel)(Behind&, TaskIndex)) {
  const TaskIndex tasks = 1'000'000 / options.divide;
  std::cout << R"({"runtime": "polyreme", "row": ")" << row << R"(", "tasks": )" << tasks << R"(, "seconds": [)";
  for (unsigned repeat = 0; repeat < options.repeats; ++repeat) {
    Behind behind(options.slots);
    const auto time = cancel(behind, tasks);
    if (behind.ran.load() != 0) throw std::runtime_error("a task ran although it was cancelled");
    std::cout << (repeat == 0 ? "" : ", ") << std::chrono::duration<double>(time).count() * options.divide;
  }
  std::cout << "]}\n";
}

void cancel_all(const Options& options) {
  measure(options, "a scope", by_scope);
  measure(options, "a task before them", by_predecessor);
  measure(options, "each of them", by_handle);
}

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::cancel_all);
}
