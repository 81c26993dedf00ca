// Whole programs under seeded schedules.
//
//   polyreme_pipeline [--programs N] [--first SEED]   the seeds that once failed, then N from SEED on
//   polyreme_pipeline --seed SEED                     one program, with all that it does
//
// Prints the seed of each program that fails; a program that hangs is one that fails.
#include "pipeline/program.hpp"

#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using polyreme::pipeline::run_program;
using polyreme::pipeline::Tally;

constexpr unsigned kHangSeconds = 60;

/// Of so many programs one is run twice more, to see that a seed is a schedule.
constexpr std::uint64_t kRepeatOneIn = 50;

std::atomic<std::uint64_t> running{0};  // for the handler

extern "C" void say_what_hangs(int /*signal*/) {
  std::array<char, 64> text{};
  constexpr std::string_view kBefore = "FAILED --seed ";
  std::memcpy(text.data(), kBefore.data(), kBefore.size());
  char* const end = std::to_chars(text.data() + kBefore.size(), text.data() + 50, running.load()).ptr;
  constexpr std::string_view kAfter = ": hangs\n";
  std::memcpy(end, kAfter.data(), kAfter.size());
  static_cast<void>(!write(STDERR_FILENO, text.data(), static_cast<std::size_t>(end - text.data()) + kAfter.size()));
  _exit(1);
}

std::vector<std::uint64_t> seeds_that_failed() {
  std::ifstream file(POLYREME_SOURCE_DIR "/tests/pipeline/seeds.txt");
  std::vector<std::uint64_t> seeds;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.front() != '#') seeds.push_back(std::stoull(line));
  }
  return seeds;
}

bool passes(std::uint64_t seed, Tally& tally, std::ostream* log) {
  running.store(seed);
  alarm(kHangSeconds);
  const std::string wrong = run_program(seed, tally, log);
  alarm(0);
  if (!wrong.empty()) std::cerr << "FAILED --seed " << seed << ":\n" << wrong;
  return wrong.empty();
}

std::string log_of(std::uint64_t seed) {
  Tally tally;
  std::ostringstream log;
  log << run_program(seed, tally, &log);
  return log.str();
}

/// The program does the same, in the same order, when it is run again.
bool repeats(std::uint64_t seed) {
  running.store(seed);
  alarm(kHangSeconds);
  const bool same = log_of(seed) == log_of(seed);
  alarm(0);
  if (!same) std::cerr << "FAILED --seed " << seed << ":\n  did something else when it was run again\n";
  return same;
}

/// Only one thread runs at a time: on one core, letting another one go costs least.
void stay_on_one_core() {
  const int core = sched_getcpu();
  if (core < 0) return;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<std::size_t>(core), &mask);
  static_cast<void>(sched_setaffinity(0, sizeof(mask), &mask));
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t programs = 3000;
  std::uint64_t first = 0;
  std::optional<std::uint64_t> only;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    const bool known = name == "--programs" || name == "--first" || name == "--seed";
    if (!known || i + 1 == count) {
      std::cerr << "usage: polyreme_pipeline [--programs N] [--first SEED] | --seed SEED\n";
      return 2;
    }
    const std::uint64_t value = std::stoull(arguments[++i]);
    if (name == "--programs") programs = value;
    if (name == "--first") first = value;
    if (name == "--seed") only = value;
  }
  std::signal(SIGALRM, say_what_hangs);
  stay_on_one_core();
  Tally tally;
  if (only.has_value()) return passes(*only, tally, &std::cout) ? 0 : 1;
  std::uint64_t failed = 0;
  std::uint64_t passed = 0;
  const auto run = [&](std::uint64_t seed) {
    const bool good = passes(seed, tally, nullptr) && (seed % kRepeatOneIn != 0 || repeats(seed));
    ++(good ? passed : failed);
  };
  for (const std::uint64_t seed : seeds_that_failed())
    run(seed);
  for (std::uint64_t i = 0; i < programs && failed < 20; ++i)
    run(first + i);
  std::cout << tally.tasks << " tasks: " << tally.threw << " threw, " << tally.unrun << " did not run, "
            << tally.stopped << " stopped, " << tally.repeated << " repeated, " << tally.missing << " missing, "
            << tally.circles << " circles, " << tally.timeouts << " timeouts, " << tally.graph_runs
            << " runs of graphs\n";
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}
