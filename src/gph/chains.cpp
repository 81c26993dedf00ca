// Shapes made of chains, or of nothing but single tasks.
#include "gph/generator.hpp"

#include <algorithm>

namespace polyreme::gph {
namespace {

// T[i]; writes block i.
void emit_independent(const Settings& settings, Emitter& out) {
  const std::int64_t tasks = settings.whole("tasks");
  out.blocks(tasks);
  for (std::int64_t i = 0; i < tasks; ++i) {
    out.task({i});
    out.write(i);
  }
}

// T[chain, step] after T[chain, step-1] and the back_links steps before that; updates block `chain`.
void emit_serial(const Settings& settings, Emitter& out) {
  const std::int64_t chains = settings.whole("chains");
  const std::int64_t steps = settings.whole("steps");
  const std::int64_t links = 1 + settings.whole("back_links");
  out.blocks(chains);
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t chain = 0; chain < chains; ++chain) {
      out.task({chain, step});
      for (std::int64_t back = 1; back <= std::min(links, step); ++back)
        out.after({chain, step - back});
      out.update(chain);
    }
  }
}

// T[step, chain] after T[step-1, chain]; after every sync_every steps a task B[n] that all chains wait for,
// as when a simulation writes output or tests for convergence. Blocks: one a chain, and one of B.
void emit_timesteps(const Settings& settings, Emitter& out) {
  const std::int64_t chains = settings.whole("chains");
  const std::int64_t steps = settings.whole("steps");
  const std::int64_t sync_every = settings.whole("sync_every");
  const auto ends_with_sync = [&](std::int64_t step) { return sync_every != 0 && (step + 1) % sync_every == 0; };
  out.blocks(chains + 1);
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t chain = 0; chain < chains; ++chain) {
      out.task({step, chain});
      if (step > 0 && ends_with_sync(step - 1)) {
        out.after("B", {step / sync_every - 1});
        out.read(chains);
      } else if (step > 0) {
        out.after({step - 1, chain});
      }
      out.update(chain);
    }
    if (!ends_with_sync(step)) continue;
    out.task("B", {step / sync_every});
    for (std::int64_t chain = 0; chain < chains; ++chain) {
      out.after({step, chain});
      out.read(chain);
    }
    out.update(chains);
  }
}

}  // namespace

Generator independent_generator() {
  return {"independent",
          "tasks without dependencies",
          {{.name = "tasks", .help = "how many", .default_value = 1000, .low = 1, .high = 1e9}},
          emit_independent};
}

Generator serial_generator() {
  return {"serial",
          "chains of tasks, one after the other in each",
          {{.name = "chains", .help = "how many chains", .default_value = 1, .low = 1, .high = 1e9},
           {.name = "steps", .help = "tasks in each chain", .default_value = 1000, .low = 1, .high = 1e9},
           {.name = "back_links",
            .help = "how many more earlier tasks of its chain a task depends on",
            .default_value = 0,
            .low = 0,
            .high = 1000}},
          emit_serial};
}

Generator timesteps_generator() {
  return {"timesteps",
          "chains that advance step by step and meet every few steps",
          {{.name = "chains", .help = "how many chains", .default_value = 16, .low = 1, .high = 1e9},
           {.name = "steps", .help = "steps of each chain", .default_value = 100, .low = 1, .high = 1e9},
           {.name = "sync_every",
            .help = "steps between two tasks that all chains wait for; 0: never",
            .default_value = 10,
            .low = 0,
            .high = 1e9}},
          emit_timesteps};
}

}  // namespace polyreme::gph
