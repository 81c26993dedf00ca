// What the model programs share.
//
// A model is a class derived from Model<threads>: it builds the structure under test, thread(index) is run by each
// thread, and after(), or the destructor, sees the end. Exploration runs it under many schedules; a broken property
// ends the program with the history of the schedule that broke it.
#pragma once

#include "sync/atomic.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace polyreme::model {

/// A property. `what` says what is broken.
inline void require(bool holds, const char* what, sync::Where where = sync::Where::current()) {
  if (!holds) rl::ctx().fail_test(what, rl::test_result_user_assert_failed, sync::debug_info(where));
}

/// A choice that the checker makes: 0 … count - 1.
[[nodiscard]] inline unsigned choose(unsigned count) {
  return rl::rand(count);
}

/// One run of a model: everything in it lives for one schedule.
class AnyModel {
 public:
  AnyModel() = default;
  AnyModel(const AnyModel&) = delete;
  AnyModel& operator=(const AnyModel&) = delete;
  virtual ~AnyModel() = default;
  virtual void thread(unsigned index) = 0;
  /// All threads have ended.
  virtual void after() {}
};

/// 2, 3 or 4 threads.
template <unsigned kCount>
class Model : public AnyModel {
 public:
  static constexpr unsigned kThreads = kCount;
};

/// Schedules in which threads stand still for long; see support/stalling_scheduler.hpp.
struct Stalling {
  std::uint64_t schedules;
};

/// Schedules whose next thread is drawn at each step; the number of a schedule is its seed.
struct Random {
  std::uint64_t schedules;
};

/// All schedules with at most `switches` switches from a thread that could go on.
struct Bounded {
  unsigned switches;
};

class Exploration {
 public:
  /// Runs one model; does nothing after a failure.
  template <class SomeModel, class Search>
  Exploration& explore(const char* name, Search search) {
    run(name, SomeModel::kThreads, [] { return std::unique_ptr<AnyModel>(std::make_unique<SomeModel>()); }, search);
    return *this;
  }

  /// For main().
  [[nodiscard]] int exit_status() const noexcept { return failed_ ? EXIT_FAILURE : EXIT_SUCCESS; }

 private:
  using Factory = std::unique_ptr<AnyModel> (*)();
  void run(const char* name, unsigned threads, Factory factory, Random search);
  void run(const char* name, unsigned threads, Factory factory, Stalling search);
  void run(const char* name, unsigned threads, Factory factory, Bounded search);

  bool failed_ = false;
};

}  // namespace polyreme::model
