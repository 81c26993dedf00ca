// For tests of programs that use polyreme: a runtime whose schedule is decided by a seed.
//
//   for (std::uint64_t seed = 0; seed < 100; ++seed) {
//     polyreme::testing::SteppedRuntime rt({.seed = seed});
//     my_algorithm(rt);                                        // fails under some order? Then always with this seed
//   }
#pragma once

#include <polyreme/runtime.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace polyreme::testing {

struct SteppedOptions {
  std::uint64_t seed = 0;
  /// Gets warnings; the default writes them to standard error.
  std::function<void(const std::string&)> warn = {};
};

/// A runtime with one slot, on which nothing runs until the thread that made it steps or waits. Whenever a body begins,
/// ends or waits, the seed picks what goes on next, with equal chances: each ready task, each coroutine that may resume
/// and each body whose wait is over. One seed is one schedule, on any machine, as long as the program itself does the
/// same when it runs in the same order, and no thread but the one that made the runtime and the bodies uses it.
///
/// All else is as on any Runtime: bodies that wait keep their thread, errors and cancellation, missing ids and circles.
/// Time is virtual: a wait with a time limit times out when nothing else can go on, at once, the earliest limit first.
/// So a body must not loop until somebody else does something, but wait.
class SteppedRuntime : public Runtime {
 public:
  /// @throws std::system_error if threads cannot be made.
  explicit SteppedRuntime(const SteppedOptions& options = {});

  /// Lets one task, or one body that waited, run until its next wait or its end. False: nothing could.
  /// @throws UsageError in a body.
  bool step();
  /// Steps until nothing can go on; returns how often. @throws UsageError in a body.
  std::size_t run();
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

 private:
  std::uint64_t seed_;
};

}  // namespace polyreme::testing
