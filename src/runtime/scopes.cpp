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
  count_apart(record);
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
  if (parent != nullptr && parent->leave()) end_of_scope(*parent);
  scopes_.give_back(scope);  // last: from then on nothing may keep the engine
}

void Engine::abandon_scope(ScopeState& scope) noexcept {
  const Watching watching(scope);  // somebody else may end it while this thread looks
  if (scope.abandon()) close_scope(scope);
}

// ---- the wait for a scope

/// `use` is scope.use() at a time when the caller knew that it was not ended.
bool Engine::wait_scope(ScopeState& scope, std::uint32_t use, std::int64_t timeout_ns, const WaitHooks* hooks) {
  if (scope.over_since(use)) return true;
  check_process();
  publish_continuation();
  if (holds_slot_of(*this)) {
    if (this_thread.current != nullptr && scope.contains(scope_of(*this_thread.current))) {
      throw UsageError("polyreme: " + detail::name_of(*this_thread.current) +
                       " waits for the scope that it belongs to, and would wait for itself; wait outside its tasks");
    }
    if (timeout_ns < 0 && !this_thread.never_helps) help_scope(*this_thread.session, scope);
  }
  Waiter waiter;  // in no successor list: known to nobody once it is unregistered
  waiter.scope = &scope;
  waiter.scope_use = use;
  const Watching watching(scope);
  return wait_unlisted(waiter, timeout_ns, hooks, [&scope, use] { return scope.over_since(use); });
}

/// Runs what the body has spawned last, as long as it belongs to the scope: with nothing else on the stack, a slot
/// comes through a tree of scopes without a thread for each of its inner nodes.
void Engine::help_scope(Session& session, const ScopeState& scope) {
  while (!scope.over() && may_run_above()) {
    tasks::Entry* entry = nullptr;
    session.lane().queues.for_each([&](launch::TaskQueue& queue) {
      if (entry == nullptr && !queue.pop(entry)) entry = nullptr;
    });
    if (entry == nullptr) return;
    constexpr std::uint16_t kNotForHere = tasks::kFullRoad | tasks::kGraphNode | tasks::kGraphSources;
    auto* const record = (entry->flags & kNotForHere) == 0 ? static_cast<Record*>(entry) : nullptr;
    if (record == nullptr || !scope.contains(scope_of(*record))) {
      deck_.push(session.lane(), *entry);
      return;
    }
    if (tasks::has_suspended(*record)) {
      deck_.push(session.lane(), *record);  // ready again, or a stale entry: a session tells
      return;
    }
    if (tasks::try_start(*record)) {
      run_above(session, *record);
    } else {
      release(*record);
    }
  }
}

/// The last member has left. All that wait for it look again.
void Engine::end_of_scope(ScopeState& scope) noexcept {
  deck_.pool.locked([&](bool) {
    for (Waiter* waiter : waiters_) {
      if (waiter->scope == &scope) waiter->parker.unpark();
    }
  });
  for (Record* record : scope.take_starters())
    start_committed(*record);
  if (scope.take_abandoned()) close_scope(scope);
}

}  // namespace polyreme::runtime

namespace polyreme {

Scope::Scope(Runtime& runtime, ScopeOptions options)
    : engine_(runtime.engine()),
      entered_{&engine_.open_scope(options.cancel_on_error), nullptr},
      exceptions_(runtime::exceptions_in_flight()) {
  runtime::enter_scope(entered_);
}

Scope::~Scope() {
  const bool innermost = runtime::this_thread.entered == &entered_;
  if (runtime::leave_entered(entered_) && !innermost) {
    engine_.warn(
        "polyreme: a scope was left while one that was entered in it is still open; leave the inner one first. Nobody "
        "waits for the tasks of the outer one now");
    engine_.abandon_scope(*entered_.scope);
    return;
  }
  try {
    if (runtime::exceptions_in_flight() > exceptions_) cancel();
    static_cast<void>(engine_.wait_scope(*entered_.scope, entered_.scope->use(), -1, nullptr));
    engine_.close_scope(*entered_.scope);
  } catch (const std::exception& error) {
    engine_.warn(std::string("polyreme: a scope was left before it was over: ") + error.what());
    engine_.abandon_scope(*entered_.scope);
  }
}

void Scope::wait() {
  static_cast<void>(wait_for_ns(-1));
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
  runtime::enter_scope(entered_);
}

Scope::Entry::~Entry() {
  static_cast<void>(runtime::leave_entered(entered_));
}

}  // namespace polyreme
