// polyreme: tasks spawned from the main thread, each after the handles of its predecessors.
#include <polyreme/runtime.hpp>

#include "harness.hpp"

#include <bit>
#include <span>

namespace polyreme::bench {
namespace {

/// The handles of the tasks: an array of all, as a program keeps them, or of the last one alone where no task names an
/// older one.
class Handles {
 public:
  template <Graph G>
  explicit Handles(const G& graph) : tasks_(graph.reach() <= 1 ? 1 : std::bit_ceil(std::size_t{graph.size()})) {}

  Task<void>& operator[](TaskIndex task) noexcept { return tasks_[task & (tasks_.size() - 1)]; }

 private:
  std::vector<Task<void>> tasks_;
};

class Polyreme {
 public:
  static constexpr std::string_view kName = "polyreme";
  static constexpr bool kHasDependencies = true;

  explicit Polyreme(unsigned slots) : runtime_({.workers = slots}) {}

  template <Graph G>
  [[nodiscard]] auto run(CheckedRun<G>& run) {
    Handles handles(run.graph());
    for (TaskIndex task = 0; task < run.graph().size(); ++task) {
      const auto body = [&run, task] { run.body(task); };
      const Predecessors before = run.graph().predecessors(task);
      switch (before.size()) {
        case 0:
          handles[task] = runtime_.spawn(body);
          break;
        case 1:
          handles[task] = runtime_.spawn({.after = {handles[before[0]]}}, body);
          break;
        case 2:
          handles[task] = runtime_.spawn({.after = {handles[before[0]], handles[before[1]]}}, body);
          break;
        default:
          handles[task] = runtime_.spawn({.after = {handles[before[0]], handles[before[1]], handles[before[2]]}}, body);
          break;
      }
    }
    runtime_.wait();
    return handles;
  }

 private:
  Runtime runtime_;
};

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::measure_all<polyreme::bench::Polyreme>);
}
