// What a stall is due to: an id that was never spawned, a circle of dependencies, or bodies that wait for each other.
//
// diagnose() runs on a waiting thread while all slots are free. It looks under the slot pool's lock: then nobody can run
// or complete a task, so successor lists only grow at their heads (a foreign thread may be spawning) and no record that is
// not done goes away. It acts after it has let go of the lock.
//
//   1. Ids that were named but not spawned and that somebody depends on fail with MissingTask; their dependents are
//      cancelled by the ordinary flow of failure.
//   2. Otherwise a search from every body that sleeps in a wait, and from every unfinished id, along "is waited for by"
//      (successor edges, and from an awaited task to the body that waits). A circle through a sleeping body ends that
//      body's wait with CycleError. A circle of dependencies alone fails one of its tasks with CycleError.
//
// A circle of dependencies needs an id that was named before its task was spawned, so check_new_cycle() finds most of
// them at the spawn that closes them, where the error belongs; its search is bounded, this one is not.
#include <algorithm>
#include <unordered_set>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

namespace polyreme::runtime {

using tasks::Record;

namespace {

/// Depth-first search along "is waited for by". Returns the path from `from` to `to`, both included, or nothing.
class PathSearch {
 public:
  explicit PathSearch(std::size_t budget) : budget_(budget) {}

  [[nodiscard]] std::vector<Record*> find(Record& from, const std::unordered_set<const Record*>& to) {
    struct Frame {
      Record* record;
      std::uintptr_t cursor;
    };
    std::unordered_set<const Record*> seen{&from};
    std::vector<Frame> stack{{&from, head_of(from)}};
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.cursor == 0) {
        stack.pop_back();
        continue;
      }
      const graph::Member member = graph::next_member(frame.cursor);
      Record* next = member.successor != nullptr ? member.successor : member.listener->waiting_body;
      if (next == nullptr) continue;
      if (to.contains(next)) {
        std::vector<Record*> path;
        for (const Frame& step : stack) path.push_back(step.record);
        path.push_back(next);
        return path;
      }
      if (!seen.insert(next).second) continue;
      if (seen.size() > budget_) return {};
      stack.push_back({next, head_of(*next)});
    }
    return {};
  }

 private:
  static std::uintptr_t head_of(const Record& record) noexcept {
    const std::uintptr_t head = record.successors.load(sync::memory_order_acquire);
    return head == tasks::kClosed ? 0 : head;
  }

  std::size_t budget_;
};

constexpr std::size_t kSpawnSearchBudget = 512;
constexpr std::size_t kNoBudget = ~std::size_t{0};

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
    const Record* waiting = member.successor != nullptr ? member.successor : member.listener->waiting_body;
    if (waiting == nullptr) {
      by = "a wait for its result";
      continue;
    }
    return detail::name_of(*waiting) + " spawned at " + detail::site_of(*waiting).text();
  }
  return by;
}

}  // namespace

void Engine::check_new_cycle(Record& record, std::span<Record* const> predecessors) const {
  // Everything reachable from `record` waits for it, and it is not ready: nothing there can run or go away meanwhile.
  const std::unordered_set<const Record*> targets(predecessors.begin(), predecessors.end());
  std::vector<Record*> path = PathSearch(kSpawnSearchBudget).find(record, targets);
  if (path.empty()) return;
  path.push_back(&record);
  throw CycleError("polyreme: spawning " + detail::name_of(record) + " closes a circle of dependencies: " +
                   circle_text(path));
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
  bool ended_a_wait = false;
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
  for (Waiter* waiter : waiters_) {
    if (waiter->waiting_body == nullptr || waiter->target == nullptr || waiter->error != nullptr) continue;
    const std::vector<Record*> path = PathSearch(kNoBudget).find(*waiter->waiting_body, {waiter->waiting_body});
    if (path.empty()) continue;
    waiter->error = std::make_exception_ptr(CycleError(
        "polyreme: the wait for " + detail::name_of(*waiter->target) + " in the body of " +
        detail::name_of(*waiter->waiting_body) + " can never end: " + circle_text(path)));
    waiter->parker.unpark();
    findings.ended_a_wait = true;
    return;  // one at a time: its end may free the others
  }
  for (const auto& space : live_spaces()) {
    Record* culprit = nullptr;
    std::string text;
    space->for_each([&](Record& record) {
      if (culprit != nullptr || tasks::done(record)) return;
      if ((tasks::flags_of(record) & (tasks::state::kSpawned | tasks::state::kStarted)) != tasks::state::kSpawned) return;
      const std::vector<Record*> path = PathSearch(kNoBudget).find(record, {&record});
      if (path.empty()) return;
      culprit = &record;
      text = circle_text(path);
    });
    if (culprit == nullptr) continue;
    tasks::add_reference(*culprit);
    findings.doomed.push_back(
        {culprit, std::make_exception_ptr(CycleError("polyreme: a circle of dependencies: " + text)), true});
    return;
  }
}

void Engine::diagnose() {
  // One at a time, and until it has acted: a second search would walk lists that this one is taking apart.
  const std::lock_guard one_at_a_time(diagnosis_mutex_);
  Findings findings;
  deck_.pool.locked([&](bool all_free) {
    if (!all_free || producers_ > 0 || deck_.any_work()) return;
    find_missing(findings);
    if (findings.doomed.empty()) find_circles(findings);
  });
  for (const Findings::Doomed& doomed : findings.doomed) {
    // Between the look and now a foreign thread may have spawned it after all.
    const bool won = doomed.was_spawned ? tasks::take_over_waiting(*doomed.record) : tasks::claim_for_spawn(*doomed.record);
    if (won) fail_without_running(*doomed.record, doomed.error, doomed.was_spawned);
    release(*doomed.record);
  }
  if (findings.doomed.empty()) return;
  deck_.pool.locked([this](bool all_free) {
    if (all_free) on_all_idle_locked();
  });
}

/// Ends a task that no thread will ever run. A spawned one is still counted by its predecessors: it stays until the last of
/// them is done, and the queue entry that this makes drops the engine's reference.
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
  if (Record* next = fail(record, lane, error); next != nullptr) deck_.push(lane, *next);
}

/// When the handles of a space are gone before one of its ids was spawned. With the lock of a diagnosis, as that one walks the
/// lists that this takes apart.
void Engine::give_up(Record& record) noexcept {
  const bool missed = !tasks::sole_owner(record) || record.successors.load(sync::memory_order_acquire) != 0;
  if (missed && tasks::claim_for_spawn(record)) {
    const std::lock_guard one_at_a_time(diagnosis_mutex_);
    fail_without_running(record,
                         std::make_exception_ptr(MissingTask("polyreme: " + graph::id_of(*record.rare) +
                                                             " was never spawned, and nobody is left who knows its space")),
                         false);
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
       " task ids were named but are not spawned, and a registered producer may still do so:" + names);
}

}  // namespace polyreme::runtime
