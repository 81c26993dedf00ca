// The engine's part in scopes; runtime/scope.hpp has the protocol.
#include <polyreme/scope.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <exception>
#include <string>
#include <utility>

namespace polyreme::runtime {

using tasks::Record;

/// The scope that a task joins which the calling thread spawns, or null.
ScopeState* Engine::current_scope() const noexcept {
  const ThreadContext& self = this_thread;
  for (const detail::EnteredScope* one = self.entered; one != nullptr; one = one->outer) {
    if (&one->scope->engine() == this) return one->scope;
  }
  ScopeState* const scope = self.scope_of_current;
  return scope != nullptr && &scope->engine() == this ? scope : nullptr;
}

ScopeState* Engine::scope_of(const Record& record) noexcept {
  const std::uint32_t number = tasks::scope_of(record);
  return number == 0 ? nullptr : &scopes_[number];
}

void Engine::leave_scope(Record& record) noexcept {
  ScopeState& scope = *scope_of(record);
  tasks::clear_scope(record);
  leave_held(scope);
}

ScopeState& Engine::open_scope(bool cancel_on_error) {
  check_open();
  ScopeState& scope = scopes_.take();
  try {
    scope.begin(current_scope(), cancel_on_error);
  } catch (...) {
    scopes_.give_back(scope);
    throw;
  }
  return scope;
}

void Engine::cancel_scope(ScopeState& scope) {
  static_cast<void>(lane_for(*this));  // before anything is taken: it may throw
  ScopeState::Taken taken;
  std::exception_ptr error;
  try {
    scope.cancel(taken);
  } catch (...) {
    error = std::current_exception();  // out of memory half-way: what was taken must end all the same
  }
  // Outside the locks: bodies that are destroyed and callbacks of stop tokens may do anything.
  for (Record* record : taken.unstarted) {
    end_taken(*record);
    release(*record);
  }
  for (Record* record : taken.started) {
    tell_started(*record);
    release(*record);
  }
  if (error != nullptr) std::rethrow_exception(error);
}

void Engine::commit_when_over(Record& record, ScopeState& scope) {
  launch::Lane& lane = lane_for(*this);
  lane.spawned.add(1);
  if (lane.trace != nullptr) [[unlikely]]
    trace_spawn(record, {}, lane);
  if (!scope.start_when_over(record)) start_committed(record);
}

void Engine::close_scope(ScopeState& scope) noexcept {
  // Whoever counted the last member may not have come to them yet.
  for (Record* record : scope.take_starters())
    start_committed(*record);
  ScopeState* const parent = scope.parent();
  Failures failures = scope.end();
  if (parent != nullptr) {
    parent->add_failures(std::move(failures));
  } else if (closed()) {
    for (const Failure& failure : failures.roots)
      warn("polyreme: a failure that no wait() reported: " + describe(failure));
  } else {
    const std::lock_guard lock(failures_mutex_);
    failures_.add(std::move(failures));
  }
  const bool last = parent != nullptr && parent->leave();
  scopes_.give_back(scope);
  if (last) end_of_scope(*parent);
}

void Engine::abandon_scope(ScopeState& scope) noexcept {
  if (scope.abandon()) close_scope(scope);
}

namespace {

void enter(detail::EnteredScope& entered) noexcept {
  entered.outer = std::exchange(this_thread.entered, &entered);
}

/// Scopes are left from the innermost one outwards, as a rule.
void leave(const detail::EnteredScope& entered) noexcept {
  detail::EnteredScope** place = &this_thread.entered;
  while (*place != nullptr && *place != &entered)
    place = &(*place)->outer;
  if (*place != nullptr) *place = entered.outer;
}

}  // namespace

}  // namespace polyreme::runtime

namespace polyreme {

Scope::Scope(Runtime& runtime, ScopeOptions options)
    : engine_(runtime.engine()),
      entered_{&engine_.open_scope(options.cancel_on_error), nullptr},
      exceptions_(std::uncaught_exceptions()) {
  runtime::enter(entered_);
}

Scope::~Scope() {
  runtime::leave(entered_);
  try {
    if (std::uncaught_exceptions() > exceptions_) cancel();
    static_cast<void>(engine_.wait_scope(*entered_.scope, entered_.scope->use(), -1, nullptr));
    engine_.close_scope(*entered_.scope);
  } catch (const std::exception& error) {
    engine_.warn(std::string("polyreme: a scope was left before it was over: ") + error.what());
    engine_.abandon_scope(*entered_.scope);
  }
}

void Scope::wait() {
  static_cast<void>(engine_.wait_scope(*entered_.scope, entered_.scope->use(), -1, nullptr));
  runtime::Engine::throw_failures(entered_.scope->take_failures());
}

bool Scope::wait_for_ns(std::int64_t timeout_ns) {
  const bool over = engine_.wait_scope(*entered_.scope, entered_.scope->use(), timeout_ns, nullptr);
  if (over) runtime::Engine::throw_failures(entered_.scope->take_failures());
  return over;
}

void Scope::cancel() {
  engine_.cancel_scope(*entered_.scope);
}

bool Scope::cancelled() const noexcept {
  return entered_.scope->cancelled();
}

Scope::Entry::Entry(Scope& scope) : entered_{scope.entered_.scope, nullptr} {
  runtime::enter(entered_);
}

Scope::Entry::~Entry() {
  runtime::leave(entered_);
}

}  // namespace polyreme
