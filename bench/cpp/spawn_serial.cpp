// The floor: the bodies in a plain loop, without any runtime. What it costs is the order check itself.
#include "harness.hpp"

namespace polyreme::bench {
namespace {

struct Serial {
  static constexpr std::string_view kName = "serial loop";
  static constexpr bool kHasDependencies = true;

  explicit Serial(unsigned) {}

  template <Graph G>
  int run(CheckedRun<G>& run) {
    for (TaskIndex task = 0; task < run.graph().size(); ++task)
      run.body(task);
    return 0;
  }
};

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::measure_all<polyreme::bench::Serial>);
}
