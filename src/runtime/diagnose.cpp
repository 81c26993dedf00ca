// What a stall is due to: an id that was never spawned, a circle of dependencies, or bodies that wait for each other.
//
// diagnose() runs on a waiting thread while all slots are free. It looks under the slot pool's lock: then nobody can
// run or complete a task, so successor lists only grow at their heads (a foreign thread may be spawning) and no record
// that is not done goes away. It acts after it has let go of the lock.
//
//   1. Ids that were named but not spawned and that somebody depends on fail with MissingTask; their dependents are
//      cancelled by the ordinary flow of failure.
//   2. Otherwise a search from every body that waits, and from every unfinished id, along "is waited for by"
//      (successor edges, and from an awaited task to the body that waits). A circle through a sleeping body ends that
//      body's wait with CycleError, be it that the body sleeps on a thread or that it is suspended without one. A
//      circle of dependencies alone fails one of its tasks with CycleError.
//
// A circle of dependencies needs an id that was named before its task was spawned, so check_new_cycle() finds most of
// them at the spawn that closes them, where the error belongs; its search is bounded, this one is not.
#include "runtime/engine.hpp"
#include "runtime/suspending.hpp"
#include "runtime/threads.hpp"

#include <algorithm>
#include <functional>
#include <unordered_set>

namespace polyreme::runtime {

using tasks::Record;

namespace {

/// The task whose body waits by this listener, or null.
Record* body_of(const graph::Listener& listener) noexcept {
  if (Awaiting::is_awaiting(listener)) return Awaiting::suspended_in(listener);
  // Nothing else would end while all slots are free, so each task of the list is one that the body needs.
  const Arrivals* const arrivals = Arrivals::of_listener(listener);
  return arrivals != nullptr ? arrivals->waiting_body : listener.waiting_body;
}

/// The members of a task's successor list that are tasks, those that wait for it: its dependents and, if asked for,
/// bodies that sleep in a wait for it. The latter may wake at any time but under the slot pool's lock.
class Waiting {
 public:
  Waiting(const Record& record, bool with_bodies) noexcept
      : with_bodies_(with_bodies), cursor_(record.successors.load(sync::memory_order_acquire)) {
    if (cursor_ == tasks::kClosed) cursor_ = 0;
  }

  /// The next one, or null after the last.
  [[nodiscard]] Record* next() noexcept {
    while (cursor_ != 0) {
      const graph::Member member = graph::next_member(cursor_);
      if (member.successor != nullptr) return member.successor;
      if (!with_bodies_) continue;
      if (Record* const body = body_of(*member.listener); body != nullptr) return body;
    }
    return nullptr;
  }

 private:
  bool with_bodies_;
  std::uintptr_t cursor_;
};

struct Frame {
  Record* record;
  Waiting waiting;
  std::size_t next_scope_wait = 0;
};

/// A body that sleeps until a scope is over.
struct ScopeWait {
  const ScopeState* scope;
  Record* body;
};

/// Finds circles of "is waited for by", depth first. Searches from several roots share what they have seen, so that
/// together they are linear.
class CircleSearch {
 public:
  /// `scope_of(record)` is the scope that a task belongs to, or null.
  CircleSearch(std::vector<ScopeWait> scope_waits, std::function<const ScopeState*(const Record&)> scope_of)
      : scope_waits_(std::move(scope_waits)), scope_of_(std::move(scope_of)) {}

  /// A circle that can be reached from `root`, its first task repeated at its end; empty if there is none. Once one was
  /// found, the object is used up.
  [[nodiscard]] std::vector<Record*> find(Record& root) {
    if (!seen_.insert(&root).second) return {};
    std::vector<Frame> stack{{&root, Waiting(root, true)}};
    open_.insert(&root);
    while (!stack.empty()) {
      Record* next = stack.back().waiting.next();
      if (next == nullptr) next = next_scope_wait(stack.back());
      if (next == nullptr) {
        open_.erase(stack.back().record);
        stack.pop_back();
      } else if (open_.contains(next)) {
        std::vector<Record*> circle;
        bool inside = false;
        for (const Frame& frame : stack) {
          inside = inside || frame.record == next;
          if (inside) circle.push_back(frame.record);
        }
        circle.push_back(next);
        return circle;
      } else if (seen_.insert(next).second) {
        open_.insert(next);
        stack.push_back({next, Waiting(*next, true)});
      }
    }
    return {};
  }

 private:
  /// The next body that waits for a scope which the task is in.
  [[nodiscard]] Record* next_scope_wait(Frame& frame) const {
    while (frame.next_scope_wait < scope_waits_.size()) {
      const ScopeWait& wait = scope_waits_[frame.next_scope_wait++];
      if (wait.scope->contains(scope_of_(*frame.record))) return wait.body;
    }
    return nullptr;
  }

  const std::vector<ScopeWait> scope_waits_;
  const std::function<const ScopeState*(const Record&)> scope_of_;
  std::unordered_set<const Record*> seen_;
  std::unordered_set<const Record*> open_;  ///< on the stack
};

/// The path from `from` to one of `to` along dependencies, both ends included. Empty: there is none, or the search has
/// met `budget` tasks.
std::vector<Record*> find_path(Record& from, const std::unordered_set<const Record*>& to, std::size_t budget) {
  std::unordered_set<const Record*> seen{&from};
  std::vector<Frame> stack{{&from, Waiting(from, false)}};
  while (!stack.empty()) {
    Record* next = stack.back().waiting.next();
    if (next == nullptr) {
      stack.pop_back();
    } else if (to.contains(next)) {
      std::vector<Record*> path;
      path.reserve(stack.size() + 1);
      for (const Frame& frame : stack)
        path.push_back(frame.record);
      path.push_back(next);
      return path;
    } else if (seen.insert(next).second) {
      if (seen.size() > budget) return {};
      stack.push_back({next, Waiting(*next, false)});
    }
  }
  return {};
}

constexpr std::size_t kSpawnSearchBudget = 512;

/// "A -> B -> A": each is waited for by the next.
std::string circle_text(const std::vector<Record*>& path) {
  constexpr std::size_t kNamed = 12;
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i == kNamed && path.size() > kNamed + 2) {
      text += " -> … (" + std::to_string(path.size() - kNamed - 1) + " more)";
      i = path.size() - 1;
    }
    if (i != 0) text += " -> ";
    text += detail::name_of(*path[i]);
  }
  return text;
}

/// A task that waits for `record`, for the message.
std::string someone_waiting_for(const Record& record) {
  std::uintptr_t cursor = record.successors.load(sync::memory_order_acquire);
  std::string by;
  while (cursor != 0 && cursor != tasks::kClosed) {
    const graph::Member member = graph::next_member(cursor);
    const Arrivals* const arrivals = member.successor == nullptr ? Arrivals::of_listener(*member.listener) : nullptr;
    if (arrivals != nullptr && !arrivals->waited_for()) continue;  // that wait was for another one, or timed out
    const Record* waiting = member.successor != nullptr ? member.successor : body_of(*member.listener);
    if (waiting == nullptr) {
      by = "a wait for its result";
      continue;
    }
    return detail::name_of(*waiting) + " spawned at " + detail::site_of(*waiting).text();
  }
  return by;
}

}  // namespace

void Engine::check_new_cycle(Record& record, std::span<Record* const> predecessors) {
  // Everything reachable from `record` waits for it, and it is not ready: nothing there can run. Nor can it go away
  // under the lock of a diagnosis, which whoever ends tasks that are not ready holds.
  const std::lock_guard one_at_a_time(diagnosis_mutex_);
  const std::unordered_set<const Record*> targets(predecessors.begin(), predecessors.end());
  std::vector<Record*> path = find_path(record, targets, kSpawnSearchBudget);
  if (path.empty()) return;
  path.push_back(&record);
  throw CycleError("polyreme: spawning " + detail::name_of(record) +
                   " closes a circle of dependencies: " + circle_text(path));
}

std::vector<std::shared_ptr<graph::SpaceState>> Engine::live_spaces() {
  const std::lock_guard lock(spaces_mutex_);
  std::vector<std::shared_ptr<graph::SpaceState>> spaces;
  std::erase_if(spaces_, [&](const std::weak_ptr<graph::SpaceState>& weak) {
    if (auto space = weak.lock()) {
      spaces.push_back(std::move(space));
      return false;
    }
    return true;
  });
  return spaces;
}

struct Engine::Findings {
  struct Doomed {
    Record* record;  ///< with a reference
    std::exception_ptr error;
    bool was_spawned;
  };
  std::vector<Doomed> doomed;
  std::vector<Doomed> interrupted;  ///< suspended bodies whose wait has been ended
};

void Engine::find_missing(Findings& findings) {
  for (const auto& space : live_spaces()) {
    if (space->unspawned() == 0) continue;
    space->for_each([&](Record& record) {
      if ((tasks::flags_of(record) & tasks::state::kSpawned) != 0) return;
      const std::string by = someone_waiting_for(record);
      if (by.empty()) return;
      tasks::add_reference(record);
      findings.doomed.push_back({&record,
                                 std::make_exception_ptr(MissingTask("polyreme: " + graph::id_of(*record.rare) +
                                                                     " was never spawned, but is needed by " + by)),
                                 false});
    });
  }
}

void Engine::find_circles(Findings& findings) {
  std::vector<ScopeWait> scope_waits;
  for (const Waiter* waiter : waiters_) {
    if (waiter->scope != nullptr && waiter->waiting_body != nullptr)
      scope_waits.push_back({waiter->scope, waiter->waiting_body});
  }
  CircleSearch search(std::move(scope_waits), [this](const Record& record) { return scope_of(record); });
  std::vector<Record*> circle;
  for (const Waiter* waiter : waiters_) {
    if (circle.empty() && waiter->waiting_body != nullptr) circle = search.find(*waiter->waiting_body);
  }
  if (circle.empty()) {
    for_each_suspended([&](Record& record) {
      if (circle.empty()) circle = search.find(record);
    });
  }
  for (const auto& space : live_spaces()) {
    space->for_each([&](Record& record) {
      const bool spawned = (tasks::flags_of(record) & tasks::state::kSpawned) != 0;
      if (circle.empty() && spawned && !tasks::done(record)) circle = search.find(record);
    });
  }
  // One at a time: the end of one may free the others.
  if (!circle.empty()) break_circle(circle, findings);
}

void Engine::break_circle(const std::vector<Record*>& circle, Findings& findings) {
  for (Waiter* waiter : waiters_) {
    if (waiter->waiting_body == nullptr || std::ranges::find(circle, waiter->waiting_body) == circle.end()) continue;
    const std::string what = waiter->target != nullptr     ? detail::name_of(*waiter->target)
                             : waiter->arrivals != nullptr ? "the next of several tasks"
                                                           : "a scope";
    waiter->error = std::make_exception_ptr(CycleError("polyreme: the wait for " + what + " in the body of " +
                                                       detail::name_of(*waiter->waiting_body) +
                                                       " can never end: " + circle_text(circle)));
    waiter->parker.unpark();
    return;
  }
  for (std::size_t i = 1; i < circle.size(); ++i) {
    Record& body = *circle[i];
    if (!tasks::is_suspended(body)) continue;
    tasks::add_reference(body);
    // Here, where no other wait of the same body can have begun. It goes on after the lock.
    if (tasks::interrupt(body, false)) {
      findings.interrupted.push_back(
          {&body,
           std::make_exception_ptr(CycleError("polyreme: the wait for " + detail::name_of(*circle[i - 1]) +
                                              " in the body of " + detail::name_of(body) +
                                              " can never end: " + circle_text(circle))),
           true});
    } else {
      static_cast<void>(tasks::drop_reference(body));  // somebody else has ended the wait, and the circle with it
    }
    return;
  }
  for (Record* record : circle) {
    constexpr std::uint64_t kBoth = tasks::state::kSpawned | tasks::state::kStarted;
    if ((tasks::flags_of(*record) & kBoth) != tasks::state::kSpawned) continue;
    // An id, of which each circle has one: it has a Rare already, so nobody else is making one.
    if (record->rare == nullptr || record->rare->space == nullptr) continue;
    tasks::add_reference(*record);
    findings.doomed.push_back(
        {record, std::make_exception_ptr(CycleError("polyreme: a circle of dependencies: " + circle_text(circle))),
         true});
    return;
  }
}

void Engine::diagnose() {
  // One at a time, and until it has acted: a second search would walk lists that this one is taking apart.
  const std::lock_guard one_at_a_time(diagnosis_mutex_);
  Findings findings;
  deck_.pool.locked([&](bool all_free) {
    if (!all_free || producers_left_locked() || deck_.any_work()) return;
    // A circle is broken once: a body whose wait was ended by an error is on its way to a slot.
    if (std::ranges::any_of(waiters_, [](const Waiter* waiter) { return waiter->error != nullptr; })) return;
    // A body that goes on may yet spawn what is missing. When it is idle again, this is asked again.
    const auto goes_on = [this](const Waiter* waiter) {
      return waiter->on_slot && (waiter->has_deadline || over_locked(*waiter));
    };
    if (std::ranges::none_of(waiters_, goes_on)) find_missing(findings);
    if (findings.doomed.empty()) find_circles(findings);
  });
  for (const Findings::Doomed& doomed : findings.doomed) {
    // Between the look and now a foreign thread may have spawned it after all.
    const bool won =
        doomed.was_spawned ? tasks::take_over_waiting(*doomed.record) : tasks::claim_for_spawn(*doomed.record);
    if (won) fail_without_running(*doomed.record, doomed.error, doomed.was_spawned);
    release(*doomed.record);
  }
  for (const Findings::Doomed& one : findings.interrupted) {
    resume_with(*one.record, one.error);
    release(*one.record);
  }
  if (!findings.doomed.empty()) look_for_stall();
}

/// Ends a task that no thread will ever run. A spawned one is still counted by its predecessors: it stays until the
/// last of them is done, and the queue entry that this makes drops the engine's reference.
void Engine::fail_without_running(Record& record, const std::exception_ptr& error, bool was_spawned) {
  launch::Lane& lane = lane_for(*this);
  tasks::Rare& rare = tasks::rare_of(record);
  if (!was_spawned) {
    rare.space->note_spawned();
    lane.spawned.add(1);
    tasks::add_reference(record);  // the engine's, which complete() drops
    record.domain = detail::Domain::kNative;
  } else {
    record.ops->destroy_body(record.body);
    static_cast<void>(tasks::set_poisoned(record));
  }
  const auto place = was_spawned ? &tasks::Rare::doom : &tasks::Rare::failure;
  if (Record* next = fail(record, error, place); next != nullptr) deck_.push(lane, *next);
}

/// When the handles of a space are gone before one of its ids was spawned. With the lock of a diagnosis, as that one
/// walks the lists that this takes apart.
void Engine::give_up(Record& record) noexcept {
  const bool missed = !tasks::sole_owner(record) || record.successors.load(sync::memory_order_acquire) != 0;
  if (missed && tasks::claim_for_spawn(record)) {
    std::unique_lock one_at_a_time(diagnosis_mutex_);
    fail_without_running(
        record,
        std::make_exception_ptr(MissingTask("polyreme: " + graph::id_of(*record.rare) +
                                            " was never spawned, and nobody is left who knows its space")),
        false);
    one_at_a_time.unlock();
    look_for_stall();
  }
  release(record);
}

void Engine::warn_stall() {
  std::unique_lock one_at_a_time(diagnosis_mutex_);
  std::string names;
  std::size_t count = 0;
  deck_.pool.locked([&](bool all_free) {
    if (!all_free || deck_.any_work()) return;
    for (const auto& space : live_spaces()) {
      space->for_each([&](Record& record) {
        constexpr std::size_t kNamed = 10;
        if ((tasks::flags_of(record) & tasks::state::kSpawned) != 0) return;
        const std::string by = someone_waiting_for(record);
        if (by.empty() || ++count > kNamed) return;
        names += "\n  " + graph::id_of(*record.rare) + ", needed by " + by;
      });
    }
  });
  one_at_a_time.unlock();
  if (count == 0) return;
  warn("polyreme: a wait goes on, and all slots are idle: " + std::to_string(count) +
       (count == 1 ? " task id was named but is" : " task ids were named but are") +
       " not spawned, and a registered producer may still do so:" + names);
}

}  // namespace polyreme::runtime
