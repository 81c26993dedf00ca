// The instances of Relacy: one for each number of threads and kind of search, whatever the models are.
#include "support/model.hpp"
#include "support/stalling_scheduler.hpp"

#include <chrono>
#include <iostream>
#include <sstream>

namespace polyreme::model {

namespace {

/// How much longer to search at random than the tests do: the environment variable POLYREME_MODEL_SCALE, 1 by default.
std::uint64_t scale() {
  const char* text = std::getenv("POLYREME_MODEL_SCALE");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

template <int kThreads>
class Suite : public rl::test_suite<Suite<kThreads>, kThreads> {
 public:
  static inline std::unique_ptr<AnyModel> (*factory)() = nullptr;

  void before() { model_ = factory(); }
  void thread(unsigned index) { model_->thread(index); }
  void after() {
    model_->after();
    model_.reset();
  }

 private:
  std::unique_ptr<AnyModel> model_;
};

/// True: no schedule broke a property.
template <int kThreads, template <rl::thread_id_t> class Scheduler>
bool holds(const char* name, std::unique_ptr<AnyModel> (*factory)(), rl::test_params& params) {
  Suite<kThreads>::factory = factory;
  params.execution_depth_limit = 10'000;
  std::ostringstream progress;
  params.progress_stream = &progress;
  rl::ostringstream state;
  const auto begin = std::chrono::steady_clock::now();
  const bool good = rl::run_test<Suite<kThreads>, Scheduler<kThreads>>(params, state, false) == rl::test_result_success;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  std::cout << name << ": " << params.stop_iteration << " schedules, " << elapsed.count() << " s" << std::endl;
  if (!good) {
    // Once more, from the schedule that failed, with its history.
    params.initial_state = state.str();
    params.collect_history = true;
    rl::run_test<Suite<kThreads>, Scheduler<kThreads>>(params, state, true);
  }
  return good;
}

template <template <rl::thread_id_t> class Scheduler>
bool holds(const char* name, unsigned threads, std::unique_ptr<AnyModel> (*factory)(), rl::test_params& params) {
  switch (threads) {
    case 2:
      return holds<2, Scheduler>(name, factory, params);
    case 3:
      return holds<3, Scheduler>(name, factory, params);
    case 4:
      return holds<4, Scheduler>(name, factory, params);
    default:
      std::cerr << name << " has " << threads << " threads; a model has 2, 3 or 4" << std::endl;
      return false;
  }
}

}  // namespace

void Exploration::run(const char* name, unsigned threads, Factory factory, Random search) {
  if (failed_) return;
  rl::test_params params;
  params.search_type = rl::random_scheduler_type;
  params.iteration_count = search.schedules * scale();
  failed_ = !holds<rl::random_scheduler>(name, threads, factory, params);
}

void Exploration::run(const char* name, unsigned threads, Factory factory, Stalling search) {
  if (failed_) return;
  rl::test_params params;
  // To the rest of Relacy it is another random scheduler.
  params.search_type = rl::random_scheduler_type;
  params.iteration_count = search.schedules * scale();
  failed_ = !holds<StallingScheduler>(name, threads, factory, params);
}

void Exploration::run(const char* name, unsigned threads, Factory factory, Bounded search) {
  if (failed_) return;
  rl::test_params params;
  params.search_type = rl::fair_context_bound_scheduler_type;
  params.context_bound = search.switches;
  failed_ = !holds<rl::context_bound_scheduler>(name, threads, factory, params);
}

}  // namespace polyreme::model
