// The compiled half of include/polyreme/testing.hpp.
#include <polyreme/testing.hpp>

#include "runtime/engine.hpp"

#include <utility>

namespace polyreme::testing {

namespace {

runtime::Engine* open_stepped(SteppedOptions&& options) {
  runtime::EngineOptions wanted;
  wanted.seed = options.seed;
  wanted.warn = std::move(options.warn);
  return runtime::Engine::open(std::move(wanted));
}

}  // namespace

SteppedRuntime::SteppedRuntime(SteppedOptions options)
    : Runtime(open_stepped(std::move(options))), seed_(options.seed) {}

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
