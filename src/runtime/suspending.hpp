// The engine as the port of graph/awaiting.hpp.
#pragma once

#include "graph/awaiting.hpp"

namespace polyreme::runtime {

struct AwaitPort {
  static void resume(tasks::Record& record) noexcept;
  static void release(tasks::Record& record) noexcept;
};

using Awaiting = graph::Awaiting<AwaitPort>;

}  // namespace polyreme::runtime
