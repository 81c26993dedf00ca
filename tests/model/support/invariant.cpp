// A broken invariant of the production code fails the model, with the history of the schedule.
#include "base/checks.hpp"
#include "support/model.hpp"

namespace polyreme::base {

void invariant_failed(const char* what, const char* file, int line) noexcept {
  rl::ctx().fail_test(what, rl::test_result_user_assert_failed,
                      rl::debug_info("invariant", file, static_cast<unsigned>(line)));
  std::abort();
}

}  // namespace polyreme::base
