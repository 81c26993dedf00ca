// One random program of tasks, run under one schedule, and the oracle for what must hold of it. Program and schedule
// follow from the seed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace polyreme::pipeline {

/// What happened, for the summary: that the programs reach what they are meant to reach.
struct Tally {
  std::uint64_t tasks = 0;
  std::uint64_t threw = 0;
  std::uint64_t unrun = 0;
  std::uint64_t stopped = 0;
  std::uint64_t repeated = 0;
  std::uint64_t missing = 0;
  std::uint64_t circles = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t graph_runs = 0;
};

/// Runs the program of `seed`. Returns what was wrong, a line each; empty if nothing. `log`: null, or what is done is
/// written there.
[[nodiscard]] std::string run_program(std::uint64_t seed, Tally& tally, std::ostream* log);

}  // namespace polyreme::pipeline
