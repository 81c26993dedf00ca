// Root failures: where they are collected, and how they are told.
#include <polyreme/errors.hpp>

#include "runtime/engine.hpp"

#include <exception>
#include <mutex>
#include <string>
#include <utility>

namespace polyreme::runtime {

using tasks::Record;

std::exception_ptr Engine::note_root_failure(Record& record, const std::exception_ptr& error) noexcept {
  const std::string name = detail::name_of(record);
  Failure failure{name, detail::site_of(record), error};
  if (ScopeState* scope = scope_of(record); scope != nullptr) {
    scope->add_failure(std::move(failure));
    if (scope->cancels_on_error()) cancel_scope(*scope);
  } else {
    const std::lock_guard lock(failures_mutex_);
    failures_.roots.push_back(std::move(failure));
  }
  return not_run_because(name, error);
}

std::exception_ptr not_run_because(const std::string& what, const std::exception_ptr& error) {
  return std::make_exception_ptr(DependencyFailed("polyreme: not run, because " + what + " failed", error));
}

Failures Engine::take_failures() {
  const std::lock_guard lock(failures_mutex_);
  return std::exchange(failures_, Failures{});
}

void Engine::throw_failures(Failures failures) {
  if (failures.roots.empty()) return;
  std::string what = "polyreme: " + std::to_string(failures.roots.size()) +
                     (failures.roots.size() == 1 ? " task failed, " : " tasks failed, ") +
                     std::to_string(failures.cancelled) + " not run because of that";
  constexpr std::size_t kNamed = 8;
  for (std::size_t i = 0; i < failures.roots.size() && i < kNamed; ++i)
    what += "\n  " + describe(failures.roots[i]);
  if (failures.roots.size() > kNamed) what += "\n  …";
  throw TaskErrors(what, std::move(failures.roots), failures.cancelled);
}

std::string describe(const Failure& failure) {
  std::string text = failure.task;
  if (failure.site.known()) text += ", spawned at " + failure.site.text();
  try {
    std::rethrow_exception(failure.error);
  } catch (const std::exception& error) {
    return text + ": " + error.what();
  } catch (...) {
    return text + ": an exception that is no std::exception";
  }
}

}  // namespace polyreme::runtime
