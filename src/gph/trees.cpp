// Shapes that gather and spread.
#include "gph/generator.hpp"

namespace polyreme::gph {
namespace {

// T[level, i]: level 0 has branch^levels leaves; above it each task combines `branch` tasks of the level
// below into the block of the first of them.
void emit_reduction(const Settings& settings, Emitter& out) {
  const std::int64_t levels = settings.whole("levels");
  const std::int64_t branch = settings.whole("branch");
  const std::int64_t leaves = limited_power(branch, levels);
  out.blocks(leaves);
  for (std::int64_t i = 0; i < leaves; ++i) {
    out.task({0, i});
    out.update(i);
  }
  std::int64_t reach = 1;  // leaves below a task of the level before
  for (std::int64_t level = 1; level <= levels; ++level) {
    for (std::int64_t i = 0; i < leaves / (reach * branch); ++i) {
      out.task({level, i});
      for (std::int64_t child = i * branch; child < (i + 1) * branch; ++child) {
        out.after({level - 1, child});
        if (child > i * branch) out.read(child * reach);
      }
      out.update(i * branch * reach);
    }
    reach *= branch;
  }
}

// S[round, i] after R[round-1]; R[round] after all S[round, i]. Blocks: one an i, and one of R.
void emit_reduction_scatter(const Settings& settings, Emitter& out) {
  const std::int64_t rounds = settings.whole("rounds");
  const std::int64_t width = settings.whole("width");
  out.blocks(width + 1);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (std::int64_t i = 0; i < width; ++i) {
      out.task("S", {round, i});
      if (round > 0) {
        out.after("R", {round - 1});
        out.read(width);
      }
      out.update(i);
    }
    out.task("R", {round});
    for (std::int64_t i = 0; i < width; ++i) {
      out.after("S", {round, i});
      out.read(i);
    }
    out.update(width);
  }
}

// M[round, i] after all R[round-1, j]; R[round, j] after all M[round, i]. Blocks: one a map, then one a
// reduce.
void emit_map_reduce(const Settings& settings, Emitter& out) {
  const std::int64_t rounds = settings.whole("rounds");
  const std::int64_t maps = settings.whole("maps");
  const std::int64_t reduces = settings.whole("reduces");
  out.blocks(maps + reduces);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (std::int64_t i = 0; i < maps; ++i) {
      out.task("M", {round, i});
      for (std::int64_t j = 0; round > 0 && j < reduces; ++j) {
        out.after("R", {round - 1, j});
        out.read(maps + j);
      }
      out.update(i);
    }
    for (std::int64_t j = 0; j < reduces; ++j) {
      out.task("R", {round, j});
      for (std::int64_t i = 0; i < maps; ++i) {
        out.after("M", {round, i});
        out.read(i);
      }
      out.update(maps + j);
    }
  }
}

}  // namespace

Generator reduction_generator() {
  return {"reduction",
          "a tree that combines many results into one",
          {{.name = "levels", .help = "levels above the leaves", .default_value = 7, .low = 0, .high = 60},
           {.name = "branch", .help = "tasks that one task combines", .default_value = 2, .low = 2, .high = 1000}},
          emit_reduction};
}

Generator reduction_scatter_generator() {
  return {"reduction-scatter",
          "rounds of wide work that meet in one task each",
          {{.name = "rounds", .help = "how many rounds", .default_value = 10, .low = 1, .high = 1e9},
           {.name = "width", .help = "tasks in each round", .default_value = 100, .low = 1, .high = 1e9}},
          emit_reduction_scatter};
}

Generator map_reduce_generator() {
  return {"map-reduce",
          "every reduce task needs every map task",
          {{.name = "maps", .help = "map tasks in each round", .default_value = 64, .low = 1, .high = 1e9},
           {.name = "reduces", .help = "reduce tasks in each round", .default_value = 8, .low = 1, .high = 1e9},
           {.name = "rounds",
            .help = "how many rounds; each needs all of the one before",
            .default_value = 1,
            .low = 1,
            .high = 1e9}},
          emit_map_reduce};
}

}  // namespace polyreme::gph
