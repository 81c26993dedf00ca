// What the model programs share.
//
// A model is a class derived from rl::test_suite<Model, threads>: before() builds the structure under test, thread(index)
// is run by each thread, after() sees the end. explore() runs it under many schedules; a broken property ends the program
// with the history of the schedule that broke it.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "sync/atomic.hpp"

namespace polyreme::model {

/// A property. `what` says what is broken.
inline void require(bool holds, const char* what, sync::Where where = sync::Where::current()) {
  if (!holds) rl::ctx().fail_test(what, rl::test_result_user_assert_failed, sync::debug_info(where));
}

/// A choice that the checker makes: 0 … count - 1.
[[nodiscard]] inline unsigned choose(unsigned count) { return rl::rand(count); }

/// Schedules drawn at random; the number of a schedule is its seed.
struct Random {
  std::uint64_t schedules;
};

/// All schedules with at most `switches` switches from a thread that could go on.
struct Bounded {
  unsigned switches;
};

/// How much longer to search than the tests do: the environment variable POLYREME_MODEL_SCALE, 1 by default.
[[nodiscard]] inline std::uint64_t scale() {
  const char* text = std::getenv("POLYREME_MODEL_SCALE");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

class Exploration {
 public:
  template <class Model>
  Exploration& explore(const char* name, Random search) {
    rl::test_params params;
    params.search_type = rl::random_scheduler_type;
    params.iteration_count = search.schedules * scale();
    return run<Model, rl::random_scheduler<Model::params::thread_count>>(name, params);
  }

  template <class Model>
  Exploration& explore(const char* name, Bounded search) {
    rl::test_params params;
    params.search_type = rl::fair_context_bound_scheduler_type;
    params.context_bound = search.switches;
    return run<Model, rl::context_bound_scheduler<Model::params::thread_count>>(name, params);
  }

  /// For main().
  [[nodiscard]] int exit_status() const noexcept { return failed_ ? EXIT_FAILURE : EXIT_SUCCESS; }

 private:
  template <class Model, class Scheduler>
  Exploration& run(const char* name, rl::test_params& params) {
    if (failed_) return *this;
    params.execution_depth_limit = 10'000;
    std::ostringstream progress;
    params.progress_stream = &progress;
    rl::ostringstream state;
    const auto begin = std::chrono::steady_clock::now();
    failed_ = rl::run_test<Model, Scheduler>(params, state, false) != rl::test_result_success;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    std::cout << name << ": " << params.stop_iteration << " schedules, " << elapsed.count() << " s" << std::endl;
    if (failed_) {
      // Once more, from the schedule that failed, with its history.
      params.initial_state = state.str();
      params.collect_history = true;
      rl::run_test<Model, Scheduler>(params, state, true);
    }
    return *this;
  }

  bool failed_ = false;
};

}  // namespace polyreme::model
