// Asks for a cache line that will be written.
#pragma once

namespace polyreme::base {

inline void prefetch_for_write(const void* address) noexcept {
#if defined(__x86_64__)
  // The builtin falls back to a read prefetch unless the compiler targets newer processors, and a line that another
  // core wrote then has to travel twice. Every x86-64 processor executes this one, some as a no-op.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

}  // namespace polyreme::base
