// How long a cache line takes from one core to another: the machine's own figure beside every comparison.
//
//   bench_pingpong [--repeats R]
//
// Two threads, each pinned to a core of its own, hand one word back and forth. One JSON object is printed
// with the nanoseconds one way of each repetition.
#include "harness.hpp"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace polyreme::bench {
namespace {

struct alignas(64) Line {
  std::atomic<std::uint32_t> turn{0};
};

std::vector<std::size_t> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("cannot read the usable cores");
  std::vector<std::size_t> cores;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

void pin_this_thread(std::size_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) {
    throw std::runtime_error("cannot pin a thread to core " + std::to_string(core));
  }
}

/// Waits for every odd value below 2 * rounds and answers with the next even one.
void answer(Line& line, std::uint32_t rounds) {
  for (std::uint32_t round = 0; round < rounds; ++round) {
    while (line.turn.load(std::memory_order_acquire) != 2 * round + 1) {
    }
    line.turn.store(2 * round + 2, std::memory_order_release);
  }
}

double one_way_ns(std::uint32_t rounds, std::size_t here, std::size_t there) {
  Line line;
  // The partner inherits the core on which it is made, so a refused pin shows before anyone waits.
  pin_this_thread(here);
  pin_this_thread(there);
  std::jthread partner([&] { answer(line, rounds); });
  pin_this_thread(here);
  std::chrono::steady_clock::time_point started;
  constexpr std::uint32_t kWarmUp = 1000;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    if (round == kWarmUp) started = std::chrono::steady_clock::now();
    line.turn.store(2 * round + 1, std::memory_order_release);
    while (line.turn.load(std::memory_order_acquire) != 2 * round + 2) {
    }
  }
  const auto time = std::chrono::steady_clock::now() - started;
  return std::chrono::duration<double, std::nano>(time).count() / (2.0 * (rounds - kWarmUp));
}

void pingpong(const Options& options) {
  const std::vector<std::size_t> cores = usable_cores();
  if (cores.size() < 2) throw std::runtime_error("two cores are needed; this process may use one");
  Measurement result{"ping-pong", "cache line", 200'000, 2, {}, {}};
  for (unsigned repeat = 0; repeat < options.repeats; ++repeat) {
    result.ns_per_task.push_back(one_way_ns(result.tasks, cores[0], cores[1]));
  }
  print_json(std::cout, result);
}

}  // namespace
}  // namespace polyreme::bench

int main(int argc, char** argv) {
  return polyreme::bench::guarded_main(argc, argv, polyreme::bench::pingpong);
}
