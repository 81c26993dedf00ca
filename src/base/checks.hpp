// Invariant checks.
//
// POLYREME_CHECK stays on in every build: it guards invariants whose violation would corrupt memory or lose a task.
// POLYREME_ASSERT is for equations that are costly or on the hot path; it is compiled in when POLYREME_CHECKS is
// defined.
#pragma once

namespace polyreme::base {

/// Stops the process after writing `what` and the place to standard error. A broken invariant is a bug of polyreme,
/// never of its user, and nothing can be trusted after it.
[[noreturn]] void invariant_failed(const char* what, const char* file, int line) noexcept;

}  // namespace polyreme::base

#define POLYREME_CHECK(condition)                       \
  (__builtin_expect(static_cast<bool>(condition), true) \
       ? static_cast<void>(0)                           \
       : ::polyreme::base::invariant_failed(#condition, __FILE__, __LINE__))

#if defined(POLYREME_CHECKS) && POLYREME_CHECKS
#define POLYREME_ASSERT(condition) POLYREME_CHECK(condition)
#else
#define POLYREME_ASSERT(condition) static_cast<void>(0)
#endif
