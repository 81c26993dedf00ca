// The compiled half of include/polyreme/testing.hpp.
#include <polyreme/testing.hpp>

#include "runtime/engine.hpp"

namespace polyreme::testing {

namespace {

runtime::Engine* open_stepped(const SteppedOptions& options) {
  runtime::EngineOptions wanted;
  wanted.seed = options.seed;
  wanted.warn = options.warn;
  return runtime::Engine::open(std::move(wanted));
}

}  // namespace

SteppedRuntime::SteppedRuntime(const SteppedOptions& options) : Runtime(open_stepped(options)), seed_(options.seed) {}

bool SteppedRuntime::step() {
  return engine().step();
}

std::size_t SteppedRuntime::run() {
  std::size_t steps = 0;
  while (step())
    ++steps;
  return steps;
}

}  // namespace polyreme::testing
