// Scopes: tasks that are waited for, fail and are cancelled together.
//
// Who belongs. A task joins the scope that is current on the thread that spawns it: the innermost one that this thread
// has entered in the body that it runs, or else the scope of that body's own task. Scopes form a tree. Tasks outside
// all scopes pay nothing for them.
//
// Members. `open_` counts the tasks that have joined and are not over, and the inner scopes that are not left. A scope
// is over when it is 0. The list of members is for cancellation alone: it has the addresses of records, but no
// references, for a scope must not keep results alive. Records live in memory that never holds anything else in their
// first word, and that word names the scope as long as the task belongs to it. So whoever finds the scope's number
// there, in the same read-modify-write that takes a reference, has a task of this scope: be it the one that was listed
// or a later one at the same address, which then is another member. What no longer is one is swept out of the list when
// it has doubled.
//
// Join and cancel. Both lock `mutex_`; a cancel, which goes through the scopes within, also the lock of the whole tree.
// A task joins (listed, number set, counted) before it can be started, in one go. A cancel sets `cancelled_` and takes
// all members that have not started; a task that joins later finds `cancelled_` set and is cancelled by the thread that
// spawns it.
//
// End. Whoever counts `open_` down to 0 (seq_cst), then reads `watched_` (seq_cst), wakes the waiters; a waiter counts
// itself in `watched_` (seq_cst), then reads `open_` (seq_cst), before it sleeps: one of them sees the other.
//
// Reuse. The state of a scope is reused for a later one, never freed while the engine lives, so a late look at it is
// harmless. The engine lives for as long as a scope is open or watched: who comes late, and has nothing else that keeps
// it, has made its mark in `watched_` (Watching) when it knew that the scope was not ended, and takes it out last of
// all; an engine that is done with looks at the marks once no scope is open, so that there are no new ones. Whoever
// ends a scope counts its uses (`use_`); a thread whose wait outlasts that, as others may end the scope as soon as it
// is over, tells by the count that what is open is a later scope, and takes its own mark out of `watched_` alone, which
// is never reset. Whoever wakes waiters late wakes those of the later scope, who look at their own count for nothing.
//
// A scope whose wait was ended by an error is abandoned: it counts as watched, and whoever finds it over and takes
// `abandoned_` ends it. Who comes late may take that of a later scope, which is not over, and puts it back.
//
// tests/model/scope.cpp runs ScopeState under the model checker.
#pragma once

#include <polyreme/detail/abi.hpp>
#include <polyreme/errors.hpp>

#include "sync/atomic.hpp"
#include "sync/mutex.hpp"
#include "task/record.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <vector>

namespace polyreme::runtime {

class Engine;

/// Root failures, and how many tasks did not run because of them.
struct Failures {
  std::vector<Failure> roots;
  std::uint64_t cancelled = 0;

  void add(Failures&& others) {
    roots.insert(roots.end(), std::make_move_iterator(others.roots.begin()),
                 std::make_move_iterator(others.roots.end()));
    cancelled += others.cancelled;
  }
};

class ScopeState {
 public:
  /// `tree` is shared by all scopes of the engine.
  ScopeState(Engine& engine, std::uint32_t number, sync::Mutex& tree) : engine_(engine), number_(number), tree_(tree) {}
  ScopeState(const ScopeState&) = delete;
  ScopeState& operator=(const ScopeState&) = delete;

  [[nodiscard]] Engine& engine() const noexcept { return engine_; }
  /// From 1.
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] ScopeState* parent() const noexcept { return parent_.load(sync::memory_order_relaxed); }
  /// For who knows that the scope is not ended.
  [[nodiscard]] bool over() const noexcept { return open_.load(sync::memory_order_seq_cst) == 0; }
  /// How many scopes had this state before.
  [[nodiscard]] std::uint32_t use() const noexcept { return use_.load(sync::memory_order_relaxed); }
  /// For who knew that when its use() was `use`.
  [[nodiscard]] bool over_since(std::uint32_t use) const noexcept {
    // A later scope's members were counted after the end of the one before: join() and hold() release that.
    return over() || this->use() != use;
  }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_.load(sync::memory_order_acquire) != 0; }
  [[nodiscard]] bool cancels_on_error() const noexcept { return cancel_on_error_; }
  /// True for itself and every scope within.
  [[nodiscard]] bool contains(const ScopeState* inner) const noexcept {
    while (inner != nullptr && inner != this)
      inner = inner->parent();
    return inner == this;
  }

  /// A fresh or a former scope becomes a new one inside `parent`, or null.
  void begin(ScopeState* parent, bool cancel_on_error);
  /// The new scope is over, and gone from its parent; what it leaves unreported.
  [[nodiscard]] Failures end();

  /// A task that is about to be committed joins. `counted()` runs once nothing can fail any more, and before the task
  /// can be completed. True: the scope is cancelled, and so must the task be.
  template <class Counted>
  [[nodiscard]] bool join(tasks::Record& record, Counted&& counted) {
    const sync::Mutex::Guard lock(mutex_);
    if (members_.size() >= sweep_at_) sweep_locked();
    members_.push_back(&record);
    counted();
    open_.fetch_add(1, sync::memory_order_release);  // partner: over_since()
    tasks::set_scope(record, number_);
    return cancelled();
  }
  /// Somebody who knows that the scope is not left keeps it from being over, until leave().
  void hold() noexcept { open_.fetch_add(1, sync::memory_order_release); }
  /// A member is over. True: it was the last, and somebody may wait for that.
  [[nodiscard]] bool leave() noexcept {
    return open_.fetch_sub(1, sync::memory_order_seq_cst) == 1 && watched_.load(sync::memory_order_seq_cst) != 0;
  }

  /// Nobody waits for its end any more, which whoever brings it about sees to. True: it is over, and the caller must.
  [[nodiscard]] bool abandon() noexcept {
    add_watcher();
    // seq_cst, and the look at open_ after it: partner is the last leave(), and the look at abandoned_ after that.
    abandoned_.store(1, sync::memory_order_seq_cst);
    return take_abandoned();
  }
  /// True: the scope is abandoned and over, and the caller, and nobody else, must end it.
  [[nodiscard]] bool take_abandoned() noexcept {
    while (over() && abandoned_.load(sync::memory_order_seq_cst) != 0 &&
           abandoned_.exchange(0, sync::memory_order_seq_cst) != 0) {
      if (over()) {
        remove_watcher();
        return true;
      }
      // A later scope was begun and abandoned since the first look. Its last member may leave before it is put back.
      abandoned_.store(1, sync::memory_order_seq_cst);
    }
    return false;
  }

  /// Once nobody can begin to watch: false when all that did are gone.
  [[nodiscard]] bool watched() const noexcept {
    return watched_.load(sync::memory_order_acquire) != 0;  // partner: remove_watcher(), after the last look of all
  }
  void add_watcher() noexcept { watched_.fetch_add(1, sync::memory_order_seq_cst); }
  void remove_watcher() noexcept { watched_.fetch_sub(1, sync::memory_order_seq_cst); }

  /// What cancel() has taken from a scope: with a reference each.
  struct Taken {
    std::vector<tasks::Record*> unstarted;  ///< to be completed
    std::vector<tasks::Record*> started;    ///< to be told
  };
  /// Also of all scopes within. Once: again, it takes nothing.
  void cancel(Taken& taken);

  /// A committed task becomes ready once the scope is over; the engine's reference goes with it. False: it is over now.
  [[nodiscard]] bool start_when_over(tasks::Record& record);
  /// What was to be started, if it is over.
  [[nodiscard]] std::vector<tasks::Record*> take_starters();

  void add_failure(Failure failure);
  void add_failures(Failures&& failures);
  void add_cancelled(std::uint64_t count);
  [[nodiscard]] Failures take_failures();

 private:
  static constexpr std::size_t kSweepAt = 256;

  void sweep_locked();
  void cancel_locked(Taken& taken);

  Engine& engine_;
  const std::uint32_t number_;
  sync::Mutex& tree_;  ///< guards `within_` of all scopes; taken before the mutex of one, of which nobody holds two
  // Set by begin(), while nobody else knows the scope. The parent is looked up by who comes late, too.
  sync::Atomic<ScopeState*> parent_{nullptr};
  bool cancel_on_error_ = false;

  sync::Atomic<std::int64_t> open_{0};
  sync::Atomic<std::uint32_t> use_{0};
  sync::Atomic<std::uint32_t> watched_{0};
  sync::Atomic<std::uint32_t> cancelled_{0};
  sync::Atomic<std::uint32_t> abandoned_{0};

  sync::Mutex mutex_;
  std::vector<tasks::Record*> members_;
  std::size_t sweep_at_ = kSweepAt;
  std::vector<ScopeState*> within_;  ///< under tree_
  std::vector<tasks::Record*> starters_;
  Failures failures_;
};

/// Made by who knows that the scope is not ended: keeps its state, and its engine, from going away.
class Watching {
 public:
  explicit Watching(ScopeState& scope) noexcept : scope_(scope) { scope_.add_watcher(); }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  ~Watching() { scope_.remove_watcher(); }

 private:
  ScopeState& scope_;
};

/// All scopes of a runtime, those in use and those to be used again.
class ScopeTable {
 public:
  explicit ScopeTable(Engine& engine) : engine_(engine) {}

  /// @throws UsageError when kMaxScope are open.
  [[nodiscard]] ScopeState& take();
  void give_back(ScopeState& scope) noexcept;
  /// The scope of a number that a record has.
  [[nodiscard]] ScopeState& operator[](std::uint32_t number) const noexcept {
    const auto chunk = static_cast<std::size_t>(std::bit_width(number)) - 1;
    return *chunks_[chunk][number - (1U << chunk)];
  }
  /// False: none is open, and nobody looks at one any more.
  [[nodiscard]] bool in_use() noexcept;

 private:
  /// Chunk k has the numbers from 2^k on, twice as many as the chunk before it: a number leads to its scope without a
  /// lock.
  using Chunk = std::unique_ptr<std::unique_ptr<ScopeState>[]>;

  Engine& engine_;
  sync::Mutex tree_;
  std::mutex mutex_;
  std::array<Chunk, 64 - tasks::state::kScopeShift> chunks_;
  std::uint32_t made_ = 0;
  std::vector<ScopeState*> free_;
};

}  // namespace polyreme::runtime
