// Schedules with few switches at random places: what needs one thread to stand still for long while others go on.
//
// Drawing the next thread at each step, as Relacy's random scheduler does, hardly ever lets a thread stand still for
// more than a dozen steps. Here threads have priorities, and the first one that can go on does, until it blocks or
// yields, or until the schedule has one of its few chosen steps: then the running thread becomes the last one. After
// the probabilistic concurrency testing of Burckhardt, Kothari, Musuvathi and Nagarakatte (ASPLOS 2010).
#pragma once

#include "support/model.hpp"

#include <algorithm>
#include <array>

namespace polyreme::model {

template <rl::thread_id_t kThreads>
class StallingScheduler : public rl::scheduler<StallingScheduler<kThreads>, rl::scheduler_thread_info, kThreads> {
  using Base = rl::scheduler<StallingScheduler<kThreads>, rl::scheduler_thread_info, kThreads>;

 public:
  using typename Base::shared_context_t;
  using typename Base::thread_info_t;
  struct task_t {};

  StallingScheduler(rl::test_params& params, shared_context_t& context, rl::thread_id_t dynamic_threads)
      : Base(params, context, dynamic_threads) {}

  rl::thread_id_t iteration_begin_impl() {
    random_.seed(this->iter_);
    for (unsigned i = 0; i < kThreads; ++i)
      order_[i] = static_cast<rl::thread_id_t>(i);
    for (unsigned i = kThreads; i > 1; --i)
      std::swap(order_[i - 1], order_[draw(i)]);
    // Nobody knows how many steps there will be: up to 16, 32, … 1024.
    const unsigned horizon = 16U << draw(7);
    for (unsigned& step : stalls_)
      step = draw(horizon);
    step_ = 0;
    return first_running();
  }

  rl::thread_id_t schedule_impl(rl::unpark_reason& reason, unsigned yield) {
    if (const auto woken = this->wake_for_no_reason(reason); woken >= 0) return woken;
    ++step_;
    if (yield != 0 || std::ranges::find(stalls_, step_) != stalls_.end()) stall(this->thread_->index_);
    reason = rl::unpark_reason_normal;
    return first_running();
  }

  bool iteration_end_impl() { return this->iter_ == this->params_.iteration_count; }
  unsigned rand_impl(unsigned limit, rl::sched_type /*type*/) { return draw(limit); }
  rl::iteration_t iteration_count_impl() { return this->params_.iteration_count; }
  void get_state_impl(std::ostream& /*stream*/) {}
  void set_state_impl(std::istream& /*stream*/) {}
  void on_thread_block(rl::thread_id_t /*thread*/, bool /*yield*/) {}

 private:
  static constexpr std::size_t kStalls = 3;

  unsigned draw(unsigned limit) { return static_cast<unsigned>(random_.rand()) % limit; }

  rl::thread_id_t first_running() {
    for (const rl::thread_id_t thread : order_) {
      if (this->threads_[thread].state_ == rl::thread_state_running) return thread;
    }
    return order_[0];
  }

  void stall(rl::thread_id_t thread) {
    const auto place = std::ranges::find(order_, thread);
    std::rotate(place, place + 1, order_.end());
  }

  /// A condition variable wakes spuriously, or a timed wait ends; -1: neither.
  rl::thread_id_t wake_for_no_reason(rl::unpark_reason& reason) {
    const bool must = this->running_threads_count == 0;
    if (this->timed_thread_count_ > 0 && (must || draw(16) == 0)) {
      reason = rl::unpark_reason_timeout;
      return unpark(this->timed_threads_[draw(static_cast<unsigned>(this->timed_thread_count_))]);
    }
    if (!must && this->spurious_thread_count_ > 0 && draw(64) == 0) {
      reason = rl::unpark_reason_spurious;
      return unpark(this->spurious_threads_[draw(static_cast<unsigned>(this->spurious_thread_count_))]);
    }
    return -1;
  }

  rl::thread_id_t unpark(const thread_info_t* thread) {
    this->unpark_thread(thread->index_);
    return thread->index_;
  }

  rl::random_generator random_;
  std::array<rl::thread_id_t, static_cast<std::size_t>(kThreads)> order_{};
  std::array<unsigned, kStalls> stalls_{};
  unsigned step_ = 0;
};

}  // namespace polyreme::model
