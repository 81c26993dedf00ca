#include "runtime/scope.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace polyreme::runtime {

using tasks::Record;

void ScopeState::begin(ScopeState* parent, bool cancel_on_error) {
  cancelled_.store(0, sync::memory_order_relaxed);
  cancel_on_error_ = cancel_on_error;
  parent_.store(parent, sync::memory_order_relaxed);
  if (parent == nullptr) return;
  const sync::Mutex::Guard lock(tree_);
  parent->within_.push_back(this);
  parent->hold();
  if (parent->cancelled()) cancelled_.store(1, sync::memory_order_release);
}

Failures ScopeState::end() {
  if (ScopeState* const outer = parent(); outer != nullptr) {
    const sync::Mutex::Guard lock(tree_);
    std::erase(outer->within_, this);
  }
  use_.fetch_add(1, sync::memory_order_relaxed);
  const sync::Mutex::Guard lock(mutex_);
  members_.clear();
  members_.shrink_to_fit();
  sweep_at_ = kSweepAt;
  return std::exchange(failures_, Failures{});
}

void ScopeState::cancel(Taken& taken) {
  const sync::Mutex::Guard tree(tree_);
  cancel_locked(taken);
}

void ScopeState::cancel_locked(Taken& taken) {
  if (cancelled()) return;
  // What is cancelled is so with everything within, even if memory runs out in between: then it can be done again.
  for (ScopeState* scope : within_)
    scope->cancel_locked(taken);
  const sync::Mutex::Guard lock(mutex_);
  taken.unstarted.reserve(taken.unstarted.size() + members_.size());
  taken.started.reserve(taken.started.size() + members_.size());
  cancelled_.store(1, sync::memory_order_release);
  for (Record* record : members_) {
    switch (tasks::request_cancel_in_scope(*record, number_)) {
      case tasks::CancelRequest::kTaken:
        taken.unstarted.push_back(record);
        break;
      case tasks::CancelRequest::kNoted:
        taken.started.push_back(record);
        break;
      case tasks::CancelRequest::kNotSpawned:
        break;
    }
  }
}

void ScopeState::sweep_locked() {
  std::erase_if(members_, [this](const Record* record) { return tasks::scope_of(*record) != number_; });
  sweep_at_ = std::max(kSweepAt, 2 * members_.size());
}

bool ScopeState::start_when_over(Record& record) {
  const sync::Mutex::Guard lock(mutex_);
  starters_.reserve(starters_.size() + 1);
  add_watcher();  // before the look: whoever counts to 0 afterwards comes for the starters
  if (over()) {
    remove_watcher();
    return false;
  }
  starters_.push_back(&record);
  return true;
}

std::vector<Record*> ScopeState::take_starters() {
  const sync::Mutex::Guard lock(mutex_);
  if (starters_.empty() || !over()) return {};
  for (std::size_t i = 0; i < starters_.size(); ++i)
    remove_watcher();
  return std::exchange(starters_, {});
}

void ScopeState::add_failure(Failure failure) {
  const sync::Mutex::Guard lock(mutex_);
  failures_.roots.push_back(std::move(failure));
}

void ScopeState::add_failures(Failures&& failures) {
  const sync::Mutex::Guard lock(mutex_);
  failures_.add(std::move(failures));
}

void ScopeState::add_cancelled(std::uint64_t count) {
  const sync::Mutex::Guard lock(mutex_);
  failures_.cancelled += count;
}

Failures ScopeState::take_failures() {
  const sync::Mutex::Guard lock(mutex_);
  return std::exchange(failures_, Failures{});
}

ScopeState& ScopeTable::take() {
  const std::lock_guard lock(mutex_);
  if (!free_.empty()) {
    ScopeState& scope = *free_.back();
    free_.pop_back();
    return scope;
  }
  if (made_ == tasks::kMaxScope) {
    throw UsageError("polyreme: " + std::to_string(tasks::kMaxScope) +
                     " scopes are open at once, and no more can be; leave some");
  }
  free_.reserve(made_ + 1);  // give_back() cannot fail
  const std::uint32_t number = made_ + 1;
  const auto chunk = static_cast<std::size_t>(std::bit_width(number)) - 1;
  if (chunks_[chunk] == nullptr) chunks_[chunk] = std::make_unique<std::unique_ptr<ScopeState>[]>(1U << chunk);
  auto& place = chunks_[chunk][number - (1U << chunk)];
  place = std::make_unique<ScopeState>(engine_, number, tree_);
  ++made_;
  return *place;
}

void ScopeTable::give_back(ScopeState& scope) noexcept {
  const std::lock_guard lock(mutex_);
  free_.push_back(&scope);
}

bool ScopeTable::in_use() noexcept {
  const std::lock_guard lock(mutex_);
  return free_.size() != made_ || std::ranges::any_of(free_, &ScopeState::watched);
}

}  // namespace polyreme::runtime
