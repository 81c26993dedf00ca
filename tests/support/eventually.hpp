// For what a runtime does soon, but not before it wakes the waiter: records are freed after the wait for them has
// ended.
#pragma once

#include <thread>

namespace polyreme::test {

/// Returns once `condition()` holds. A test in which it never does runs into its time limit.
template <class Condition>
void await(Condition&& condition) {
  while (!condition())
    std::this_thread::yield();
}

}  // namespace polyreme::test
