// Whether a long stream of polyreme tasks makes the process grow.
#include <polyreme/runtime.hpp>

#include "harness.hpp"
#include "memory.hpp"

#include <atomic>

namespace polyreme::bench {
namespace {

/// Spawns pairs, the second task after the first, so that records, edges and handles come and go.
void spawn_stream(Runtime& runtime, TaskIndex tasks, std::atomic<TaskIndex>& ran) {
  const auto body = [&ran] { ran.fetch_add(1, std::memory_order_relaxed); };
  for (TaskIndex pair = 0; pair < tasks / 2; ++pair) {
    const Task<void> first = runtime.spawn(body);
    runtime.spawn({.after = {first}}, body);
  }
  runtime.wait();
}

void stream(const Options& options) {
  const TaskIndex first = 1'000'000 / options.divide;
  const TaskIndex all = 10 * first;
  Runtime runtime({.workers = options.slots});
  std::atomic<TaskIndex> ran{0};
  spawn_stream(runtime, first, ran);
  const std::size_t after_first = resident_bytes();
  spawn_stream(runtime, all - first, ran);
  const std::size_t after_all = resident_bytes();
  if (ran.load() != all) throw std::runtime_error("not every task ran once");
  print_stream("polyreme", first, after_first, all, after_all);
}

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::stream);
}
