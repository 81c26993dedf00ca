// oneTBB's task_group, which has no dependencies: the quicker way there for independent tasks.
#include "harness.hpp"

#include <tbb/global_control.h>
#include <tbb/task_group.h>

namespace polyreme::bench {
namespace {

class TaskGroup {
 public:
  static constexpr std::string_view kName = "oneTBB task_group";
  static constexpr bool kHasDependencies = false;

  explicit TaskGroup(unsigned slots) : limit_(tbb::global_control::max_allowed_parallelism, slots) {}

  template <Graph G>
  int run(CheckedRun<G>& run) {
    tbb::task_group group;
    for (TaskIndex task = 0; task < run.graph().size(); ++task) {
      group.run([&run, task] { run.body(task); });
    }
    group.wait();
    return 0;
  }

 private:
  tbb::global_control limit_;
};

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::measure_all<polyreme::bench::TaskGroup>);
}
