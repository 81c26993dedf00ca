#include "base/checks.hpp"

#include <cstdio>
#include <cstdlib>

namespace polyreme::base {

void invariant_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "polyreme: broken invariant `%s` at %s:%d; please report this\n", what, file, line);
  std::abort();
}

}  // namespace polyreme::base
