// OpenMP has no graphs that are kept: every run spawns its tasks from a single region, with depend clauses on two rows
// of data.
#include "metg.hpp"

#include <array>
#include <memory>
#include <omp.h>

namespace polyreme::bench {
namespace {

class SpawningOpenMp {
 public:
  static constexpr std::string_view kName = "OpenMP";

  explicit SpawningOpenMp(unsigned slots) { omp_set_num_threads(static_cast<int>(slots)); }

  template <class Body>
  struct Spawning {
    const Stencil& graph;
    Body body;
    // Two rows with a place more at each end; a task writes its own and reads the three above.
    std::array<std::array<char, 64>, 2> rows{};

    void run() {
#pragma omp parallel
#pragma omp single
      for (TaskIndex task = 0; task < graph.size(); ++task) {
        [[maybe_unused]] char* const above = &rows[(task / graph.width + 1) % 2][task % graph.width];
        [[maybe_unused]] char* const own = &rows[task / graph.width % 2][task % graph.width + 1];
#pragma omp task depend(in : above[0], above[1], above[2]) depend(out : *own) firstprivate(task)
        body(task);
      }
    }
  };

  template <class Body>
  [[nodiscard]] auto capture(const Stencil& graph, Body body) {
    return std::make_unique<Spawning<Body>>(Spawning<Body>{graph, body});
  }
};

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  using namespace polyreme::bench;
  return guarded_main(argc, argv, find_metg<SpawningOpenMp>);
}
