// A graph in which a task fails: what depends on it does not run, everything else does, and wait() reports
// the failure with the task that caused it.
//
// Prints:
//
//    42
//    average: polyreme: not run, because load 2 failed
//    load 2: sensor 2 is out of order
//    1 not run
#include <polyreme/runtime.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

namespace {

int load(int sensor) {
  if (sensor == 2) throw std::runtime_error("sensor " + std::to_string(sensor) + " is out of order");
  return 42 * sensor;
}

}  // namespace

int main() {
  polyreme::Runtime rt;
  auto first = rt.spawn({.name = "load 1"}, load, 1);
  auto second = rt.spawn({.name = "load 2"}, load, 2);
  auto average = rt.spawn({.name = "average"}, [](int a, int b) { return (a + b) / 2; }, first, second);

  std::cout << first.get() << '\n';
  try {
    std::cout << average.get() << '\n';
  } catch (const polyreme::DependencyFailed& error) {
    std::cout << "average: " << error.what() << '\n';
  }
  try {
    rt.wait();
  } catch (const polyreme::TaskErrors& errors) {
    for (const polyreme::Failure& failure : errors.failures()) {
      try {
        std::rethrow_exception(failure.error);
      } catch (const std::exception& error) {
        std::cout << failure.task << ": " << error.what() << '\n';
      }
    }
    std::cout << errors.cancelled_dependents() << " not run\n";
  }
}
