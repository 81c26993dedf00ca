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
#include <variant>
#include <vector>

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
  template <class SomeModel, class Search>
  Exploration& explore(const char* name, Search search) {
    plans_.push_back(
        {name, SomeModel::kThreads, [] { return std::unique_ptr<AnyModel>(std::make_unique<SomeModel>()); }, search});
    return *this;
  }

  /// Runs the models, in their order, up to the first failure; the status for main(). A short part of each search at
  /// random comes first: what breaks one model at once need not wait for the long searches of the others.
  [[nodiscard]] int run() const;

  struct Plan {
    const char* name;
    unsigned threads;
    std::unique_ptr<AnyModel> (*factory)();
    std::variant<Random, Stalling, Bounded> search;
  };

 private:
  std::vector<Plan> plans_;
};

}  // namespace polyreme::model
