// OpenMP tasks, ordered by `depend` clauses on one address a task, created by one thread of the team.
#include "harness.hpp"

#include <omp.h>

namespace polyreme::bench {
namespace {

/// Stands for the datum that a task writes. Only its address is used; eight bytes suit the runtimes' address
/// hashes.
using Token = double;

template <Graph G>
void spawn_task(CheckedRun<G>* run, Token* tokens, TaskIndex task) {
  [[maybe_unused]] const Token* const self = tokens + task;
  const Predecessors before = run->graph().predecessors(task);
  // Pragmas take a fixed number of clauses; an iterator clause is the alternative and costs more.
  switch (before.size()) {
    case 0: {
      if constexpr (G::kHasDependencies) {
#pragma omp task default(none) firstprivate(run, task) shared(self) depend(out : self[0])
        run->body(task);
      } else {
#pragma omp task default(none) firstprivate(run, task)
        run->body(task);
      }
      break;
    }
    case 1: {
      [[maybe_unused]] const Token* const a = tokens + before[0];
#pragma omp task default(none) firstprivate(run, task) shared(self, a) depend(out : self[0]) depend(in : a[0])
      run->body(task);
      break;
    }
    case 2: {
      [[maybe_unused]] const Token* const a = tokens + before[0];
      [[maybe_unused]] const Token* const b = tokens + before[1];
#pragma omp task default(none) firstprivate(run, task) shared(self, a, b) depend(out : self[0]) depend(in : a[0], b[0])
      run->body(task);
      break;
    }
    default: {
      [[maybe_unused]] const Token* const a = tokens + before[0];
      [[maybe_unused]] const Token* const b = tokens + before[1];
      [[maybe_unused]] const Token* const c = tokens + before[2];
#pragma omp task default(none) firstprivate(run, task) shared(self, a, b, c) depend(out : self[0]) \
    depend(in : a[0], b[0], c[0])
      run->body(task);
      break;
    }
  }
}

class OpenMp {
 public:
  static constexpr std::string_view kName = "OpenMP";
  static constexpr bool kHasDependencies = true;

  explicit OpenMp(unsigned slots) : slots_(static_cast<int>(slots)) { omp_set_dynamic(0); }

  template <Graph G>
  int run(CheckedRun<G>& run) {
    tokens_.resize(run.graph().size());
    CheckedRun<G>* const shared_run = &run;
    Token* const tokens = tokens_.data();
#pragma omp parallel num_threads(slots_) default(none) firstprivate(shared_run, tokens)
#pragma omp single
    for (TaskIndex task = 0; task < shared_run->graph().size(); ++task) {
      spawn_task(shared_run, tokens, task);
    }
    return 0;
  }

 private:
  int slots_;
  std::vector<Token> tokens_;
};

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::measure_all<polyreme::bench::OpenMp>);
}
