// Command line, repetition, clock and output of the spawn benchmarks.
//
//   bench_NAME [--graph NAME]... [--repeats R] [--slots N] [--divide D]
//
// prints one JSON object a graph: the tasks, and the nanoseconds a task of each repetition, from the first
// spawn to the end of the wait and the order check. What an engine leaves behind is released after the clock
// has stopped and reported apart. One untimed run of each graph comes first, so that memory is warm.
#pragma once

#include "checked_run.hpp"
#include "graphs.hpp"

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace polyreme::bench {

struct Options {
  std::vector<std::string> graphs;  ///< empty: all
  unsigned repeats = 5;
  unsigned slots = 2;
  unsigned divide = 1;  ///< sizes are divided by this, for a quick look

  [[nodiscard]] bool wants(std::string_view graph) const;
};

/// Throws std::invalid_argument that names the bad argument.
[[nodiscard]] Options parse_options(int argc, const char* const* argv);

struct Measurement {
  std::string_view runtime;
  std::string_view graph;
  TaskIndex tasks = 0;
  unsigned slots = 0;
  std::vector<double> ns_per_task;
  std::vector<double> release_ns_per_task;
};

void print_json(std::ostream& out, const Measurement& measurement);

/// Runs `program` and turns an exception into a message and exit code 2 for bad arguments, 1 for anything
/// else.
[[nodiscard]] int guarded_main(int argc, const char* const* argv, void (*program)(const Options&));

namespace detail {

/// Calls `once(run)` for each repetition; what it returns is released after the clock has stopped.
template <Graph G, class Once>
void measure(std::string_view runtime, const Options& options, CheckedRun<G>& run, Once&& once) {
  using Clock = std::chrono::steady_clock;
  const TaskIndex tasks = run.graph().size();
  Measurement result{runtime, G::kName, tasks, options.slots, {}, {}};
  const auto per_task = [&](Clock::duration time) {
    return std::chrono::duration<double, std::nano>(time).count() / tasks;
  };
  for (unsigned repeat = 0; repeat <= options.repeats; ++repeat) {
    run.reset();
    Clock::time_point stopped;
    const auto started = Clock::now();
    {
      [[maybe_unused]] const auto leftovers = once(run);
      run.verify();
      stopped = Clock::now();
    }
    const auto released = Clock::now();
    if (repeat == 0) continue;
    result.ns_per_task.push_back(per_task(stopped - started));
    result.release_ns_per_task.push_back(per_task(released - stopped));
  }
  print_json(std::cout, result);
}

template <class Engine, Graph G>
void measure_spawn(Engine& engine, const Options& options, const G& graph) {
  if (!options.wants(G::kName)) return;
  CheckedRun<G> run(graph);
  measure(Engine::kName, options, run, [&](CheckedRun<G>& one) { return engine.run(one); });
}

template <class Engine, Graph G>
void measure_replay(Engine& engine, const Options& options, const G& graph) {
  if (!options.wants(G::kName)) return;
  CheckedRun<G> run(graph);
  auto captured = engine.capture(graph, [&run](TaskIndex task) { run.body(task); });
  measure(Engine::kName, options, run, [&](CheckedRun<G>&) {
    captured->run();
    return 0;
  });
}

}  // namespace detail

/// Measures all graphs that the options ask for and the engine can express. An Engine is made from a number
/// of slots; `run(CheckedRun&)` spawns every task, waits for all, and returns what is still to be released.
template <class Engine>
void measure_all(const Options& options) {
  Engine engine(options.slots);
  const auto scaled = [&](TaskIndex tasks) { return std::max<TaskIndex>(tasks / options.divide, 16); };
  detail::measure_spawn(engine, options, Independent{scaled(1'000'000)});
  if constexpr (Engine::kHasDependencies) {
    detail::measure_spawn(engine, options, Chain{scaled(100'000)});
    detail::measure_spawn(engine, options, Tree{scaled(1u << 16)});
    detail::measure_spawn(engine, options, Reduction{scaled(1u << 16) - 1});
    detail::measure_spawn(engine, options, Wavefront{scaled(512)});
    detail::measure_spawn(engine, options, Random{scaled(100'000)});
    detail::measure_spawn(engine, options, RandomFar{scaled(100'000)});
  }
}

/// The same for graphs that are made once and run again. `capture(graph, body)` returns a pointer to something whose
/// `run()` calls body(task) for each task, and waits.
template <class Engine>
void replay_all(const Options& options) {
  Engine engine(options.slots);
  const auto scaled = [&](TaskIndex tasks) { return std::max<TaskIndex>(tasks / options.divide, 16); };
  detail::measure_replay(engine, options, Independent{scaled(1'000'000)});
  detail::measure_replay(engine, options, Chain{scaled(100'000)});
  detail::measure_replay(engine, options, Tree{scaled(1u << 16)});
  detail::measure_replay(engine, options, Wavefront{scaled(512)});
  detail::measure_replay(engine, options, Random{scaled(100'000)});
}

}  // namespace polyreme::bench
