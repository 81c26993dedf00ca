// METG(50 %): the smallest task granularity at which half of the throughput is reached that the slots would have if
// tasks cost nothing. After Slaughter et al., "Task Bench" (SC 2020).
//
//   bench_metg_NAME [--repeats R] [--slots N] [--divide D]
//
// The tasks are those of a one-dimensional stencil of width 16, each with the check of all benchmarks and a kernel of a
// given number of steps. What the kernel alone takes is measured in a plain loop. For each number of steps,
//   granularity = time × slots / tasks, efficiency = (kernel alone × tasks / slots) / time,
// and the figure is the granularity where the efficiency passes one half, between the two nearest numbers of steps.
#pragma once

#include "harness.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <vector>

namespace polyreme::bench {

/// Arithmetic that takes time in proportion to `steps` and touches no memory.
inline void kernel(std::uint32_t steps) noexcept {
  double value = 1.0;
  for (std::uint32_t i = 0; i < steps; ++i) {
    value = value * 0.999'999 + 1e-9;
    asm volatile("" : "+x"(value));
  }
}

namespace detail {

template <class Fn>
double shortest_ns(unsigned repeats, Fn&& fn) {
  using Clock = std::chrono::steady_clock;
  double best = INFINITY;
  for (unsigned i = 0; i < repeats; ++i) {
    const auto begin = Clock::now();
    fn();
    best = std::min(best, std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace detail

template <class Engine>
void find_metg(const Options& options) {
  const Stencil graph{std::max<TaskIndex>(2000 / options.divide, 50)};
  const double tasks = graph.size();
  Engine engine(options.slots);
  CheckedRun<Stencil> run(graph);
  std::uint32_t steps = 1;
  auto captured = engine.capture(graph, [&run, &steps](TaskIndex task) {
    kernel(steps);
    run.body(task);
  });
  const auto replay = [&] {
    run.reset();
    captured->run();
    run.verify();
  };
  replay();

  Measurement result{Engine::kName, Stencil::kName, graph.size(), options.slots, {}, {}};
  for (unsigned repeat = 0; repeat < options.repeats; ++repeat) {
    double finer = 0;  // of the last number of steps
    double finer_efficiency = 0;
    double metg = 0;
    for (std::uint32_t next = 4; metg == 0; next += next / 4) {
      if (next > 100'000) throw std::runtime_error("half of the throughput is never reached");
      steps = next;
      const double alone = detail::shortest_ns(3, [&] {
        for (TaskIndex task = 0; task < graph.size(); ++task)
          kernel(steps);
      });
      const double time = detail::shortest_ns(3, replay);
      const double granularity = time * options.slots / tasks;
      const double efficiency = alone / options.slots / time;
      if (efficiency >= 0.5) {
        const double part = finer == 0 ? 1 : (0.5 - finer_efficiency) / (efficiency - finer_efficiency);
        metg = finer == 0 ? granularity : finer + part * (granularity - finer);
      }
      finer = granularity;
      finer_efficiency = efficiency;
    }
    result.ns_per_task.push_back(metg);
  }
  print_json(std::cout, result);
}

}  // namespace polyreme::bench
