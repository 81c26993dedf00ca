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

/// What part of a search at random is run.
enum class Part : std::uint8_t { kShort, kWhole };
constexpr std::uint64_t kShortPart = 50;

/// True: no schedule broke a property.
template <int kThreads, template <rl::thread_id_t> class Scheduler>
bool holds(const Exploration::Plan& plan, Part part, rl::test_params& params) {
  Suite<kThreads>::factory = plan.factory;
  params.execution_depth_limit = 10'000;
  std::ostringstream progress;
  params.progress_stream = &progress;
  rl::ostringstream state;
  const auto begin = std::chrono::steady_clock::now();
  const bool good = rl::run_test<Suite<kThreads>, Scheduler<kThreads>>(params, state, false) == rl::test_result_success;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  if (part == Part::kWhole || !good) {
    std::cout << plan.name << ": " << params.stop_iteration << " schedules, " << elapsed.count() << " s" << std::endl;
  }
  if (!good) {
    // Once more, from the schedule that failed, with its history.
    params.initial_state = state.str();
    params.collect_history = true;
    rl::run_test<Suite<kThreads>, Scheduler<kThreads>>(params, state, true);
  }
  return good;
}

template <template <rl::thread_id_t> class Scheduler>
bool holds(const Exploration::Plan& plan, Part part, rl::test_params& params) {
  switch (plan.threads) {
    case 2:
      return holds<2, Scheduler>(plan, part, params);
    case 3:
      return holds<3, Scheduler>(plan, part, params);
    case 4:
      return holds<4, Scheduler>(plan, part, params);
    default:
      std::cerr << plan.name << " has " << plan.threads << " threads; a model has 2, 3 or 4" << std::endl;
      return false;
  }
}

std::uint64_t length_of(std::uint64_t schedules, Part part) {
  return part == Part::kWhole ? schedules * scale() : schedules / kShortPart;
}

bool search(const Exploration::Plan& plan, Part part, Random random) {
  rl::test_params params;
  params.search_type = rl::random_scheduler_type;
  params.iteration_count = length_of(random.schedules, part);
  return holds<rl::random_scheduler>(plan, part, params);
}

bool search(const Exploration::Plan& plan, Part part, Stalling stalling) {
  rl::test_params params;
  // To the rest of Relacy it is another random scheduler.
  params.search_type = rl::random_scheduler_type;
  params.iteration_count = length_of(stalling.schedules, part);
  return holds<StallingScheduler>(plan, part, params);
}

bool search(const Exploration::Plan& plan, Part part, Bounded bounded) {
  if (part == Part::kShort) return true;
  rl::test_params params;
  params.search_type = rl::fair_context_bound_scheduler_type;
  params.context_bound = bounded.switches;
  return holds<rl::context_bound_scheduler>(plan, part, params);
}

}  // namespace

int Exploration::run() const {
  for (const Part part : {Part::kShort, Part::kWhole}) {
    for (const Plan& plan : plans_) {
      if (!std::visit([&](auto kind) { return search(plan, part, kind); }, plan.search)) return EXIT_FAILURE;
    }
  }
  return EXIT_SUCCESS;
}

}  // namespace polyreme::model
