// Sizes that the hardware imposes.
#pragma once

#include <cstddef>

namespace polyreme::base {

/// Fields that different threads write are kept this far apart. Fixed at 64 rather than
/// std::hardware_destructive_interference_size, whose value may differ between the library and its users.
inline constexpr std::size_t kCacheLine = 64;

}  // namespace polyreme::base
