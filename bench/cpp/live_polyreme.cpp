// What an unfinished polyreme task occupies: a million of them behind one gate, of which nobody keeps a
// handle.
#include <polyreme/runtime.hpp>

#include "harness.hpp"
#include "memory.hpp"

#include <atomic>

namespace polyreme::bench {
namespace {

void live_tasks(const Options& options) {
  const TaskIndex tasks = 1'000'000 / options.divide;
  Runtime runtime({.workers = options.slots});
  std::atomic<bool> open{false};
  std::atomic<TaskIndex> ran{0};
  const Task<void> gate = runtime.spawn([&open] { open.wait(false); });

  const std::size_t before = resident_bytes();
  for (TaskIndex task = 0; task < tasks; ++task) {
    runtime.spawn({.after = {gate}}, [&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
  }
  const std::size_t after = resident_bytes();

  open.store(true);
  open.notify_all();
  runtime.wait();
  if (ran.load() != tasks) throw std::runtime_error("not every task ran once");
  print_live("polyreme", tasks, before, after);
}

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::live_tasks);
}
