// A session: one thread's time with a slot, running tasks until it finds none.
//
// The loop, per task: hand the slot over if a resumed body wants it; every kFairness tasks, look first at what work
// that feeds itself would starve (fair_turn); inside the interpreter, stay there while there is work for it and the
// hold lasts; else the own queue, newest first; else search: steal half of what another lane has. A searcher spins for
// about the cost of one wake and then gives up; its caller parks or stops helping.
//
// Fair turns. A slot whose work feeds itself never searches, and may never change sides between the native domain and
// the interpreter. So a turn looks at foreign lanes in both domains, unless something was taken there since the last
// turn, and at the slot's own queue of the side that it is not on. To take work of the other side it leaves the
// interpreter, or enters it through the gate: if another thread queues there, that one sees to the work. Which side
// comes first alternates, so that endless work on one does not hide that of the other. What a turn takes stands above
// the self-feeding work in its queue, and is done before it; changing back needs no care, as each side gives way to the
// other by itself: the native one when its queue is empty, the interpreter's when the hold has lasted, and at turns.
//
// A task that becomes ready on completion of its last predecessor runs next on the same thread, without a queue, at
// most kChain times in a row.
//
// Priorities. Among the slot's own tasks those of the highest priority go first, in whatever domain; of equal ones
// those of the side that the session is on. A task with a priority always goes through a queue, and one without does
// not run next ahead of the queues while an urgent one waits. Thieves, too, take a lane's highest first. Every second
// fair turn begins at the other end, so that work that feeds itself starves none of a lower priority.
//
// Several slots. A session may hold more slots than the one whose lane it uses; it only keeps them for the runtime.
// When somebody collects slots, a holder gives its up between two tasks, but not before it has looked for a task once:
// so those that need one slot and those that need several take turns.
//
// Port is the runtime: `Entry* run(Entry&, Lane&)` runs one task and returns one that it made ready for this thread,
// or null.
#pragma once

#include "base/prefetch.hpp"
#include "base/ticks.hpp"
#include "launch/deck.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace polyreme::launch {

template <class Port>
class Session {
  using Domain = detail::Domain;

 public:
  static constexpr std::uint32_t kFairness = 512;
  static constexpr std::uint32_t kChain = 64;
  static constexpr std::uint64_t kSpinUs = 30;
  static constexpr std::uint64_t kHoldUs = 200;

  Session(Port& port, Deck& deck) : port_(port), deck_(deck) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  enum class Stop : std::uint8_t { kNoWork, kLostSlot, kAsked };

  /// Takes over `slot`. A searcher is counted in the pool's idle word.
  void board(std::uint32_t slot, bool searching) noexcept {
    slot_ = slot;
    searching_ = searching;
    lane_ = &deck_.lanes[slot];
    begin_turn();
  }
  /// The next look for a task comes before the slot is given to who collects.
  void begin_turn() noexcept { turn_begin_ = tick_; }
  /// The thread will join the pool again when it has lost its slot.
  void set_joins() noexcept { joins_ = true; }
  /// Slots besides slot().
  void hold_more(std::span<const std::uint32_t> slots) { more_.assign(slots.begin(), slots.end()); }
  [[nodiscard]] std::vector<std::uint32_t> take_more() noexcept { return std::exchange(more_, {}); }
  [[nodiscard]] Port& port() const noexcept { return port_; }
  [[nodiscard]] std::uint32_t slot() const noexcept { return slot_; }
  [[nodiscard]] Lane& lane() noexcept { return *lane_; }
  [[nodiscard]] bool searching() const noexcept { return searching_; }
  [[nodiscard]] bool inside() const noexcept { return inside_; }
  /// For a foreign thread that holds the interpreter already.
  void set_inside(bool inside) noexcept {
    inside_ = inside;
    hold_begin_ = base::ticks();
  }

  /// Runs tasks until there are none, or a resumer got the slot, or asked() while searching.
  template <class Asked>
  Stop work(Asked&& asked) {
    while (true) {
      if (deck_.pool.slot_wanted() && hand_over()) return Stop::kLostSlot;
      if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) return Stop::kAsked;
      tasks::Entry* entry = next();
      if (entry == nullptr) {
        entry = search(asked);
        if (entry == nullptr) return asked_ ? Stop::kAsked : Stop::kNoWork;
      }
      stop_searching(true);
      run_chain(entry);
    }
  }

  /// For a wait that needs but some entries: runs those for which ours() holds until asked(), until there are none, or
  /// until something else is to be done first; what that is, is put back. The session may end as a searcher.
  template <class Asked, class Ours>
  void work_on(Asked&& asked, Ours&& ours) {
    while (!asked() && !interrupted()) {
      tasks::Entry* entry = next();
      if (entry == nullptr) entry = search(asked);
      if (entry == nullptr) return;
      stop_searching(true);
      if (!ours(*entry)) {
        deck_.push(*lane_, *entry);
        return;
      }
      run_chain(entry, ours);
    }
  }

  // For a port that runs several entries in one go:
  /// The newest entry of the own queue, of the domain that this thread is in; null also if priorities are to be looked
  /// at.
  [[nodiscard]] tasks::Entry* pop_own() noexcept {
    tasks::Entry* entry = nullptr;
    if (lane_->queues.has_priorities()) return nullptr;
    return lane_->queues.plain(inside_ ? Domain::kInterpreter : Domain::kNative).pop(entry) ? entry : nullptr;
  }
  /// True: something else comes first; the port puts back what it has, and returns.
  [[nodiscard]] bool interrupted() const noexcept {
    return deck_.pool.slot_wanted() || (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) ||
           (lane_->queues.has_priorities() && lane_->queues.urgent_ready());
  }
  /// The port has run so many entries.
  void count(std::uint32_t entries) noexcept { tick_ += entries; }

  /// work() also returns, between two tasks, once `*stop` is true; null: never.
  void stop_when(const std::atomic<bool>* stop) noexcept { stop_ = stop; }

  void leave_interpreter() noexcept {
    if (!inside_) return;
    deck_.interpreter->leave();
    inside_ = false;
  }
  void enter_interpreter() noexcept {
    if (inside_) return;
    const std::uint64_t begin = base::ticks();
    deck_.interpreter->enter();
    set_inside(true);
    lane_->interpreter_enters.add(1);
    lane_->interpreter_wait.add(hold_begin_ - begin);
  }

  /// Gives up being a searcher; with `found`, wakes the next if it was the last one and something is visible.
  void stop_searching(bool found) {
    if (!searching_) return;
    searching_ = false;
    if (deck_.pool.end_search() && found && deck_.any_work()) deck_.pool.wake_one();
  }
  /// After the pool has taken the searcher's mark over (park, give_up).
  void clear_searching() noexcept { searching_ = false; }

 private:
  bool hand_over() {
    if (tick_ == turn_begin_ && !deck_.pool.resumer_waits()) return false;
    stop_searching(true);
    leave_interpreter();
    return deck_.pool.yield_slot(slot_, joins_);
  }

  void run_chain(tasks::Entry* entry) {
    run_chain(entry, [](const tasks::Entry&) { return true; });
  }

  template <class Ours>
  void run_chain(tasks::Entry* entry, Ours&& ours) {
    for (std::uint32_t length = 0;; ++length) {
      const Domain domain = entry->domain;
      const bool enough =
          length == kChain || (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) || !ours(*entry);
      if (enough || (domain == Domain::kInterpreter) != inside_) {
        if (enough || domain == Domain::kInterpreter) break;
        leave_interpreter();
      }
      entry = port_.run(*entry, *lane_);
      if (entry == nullptr) return;
      if (lane_->queues.has_priorities() && lane_->queues.urgent_ready()) [[unlikely]]
        break;
    }
    deck_.push(*lane_, *entry);
  }

  tasks::Entry* next() {
    if (++tick_ - last_turn_ > kFairness) {
      if (tasks::Entry* entry = fair_turn(); entry != nullptr) return entry;
    }
    if (lane_->queues.has_priorities()) [[unlikely]]
      return next_by_priority();
    tasks::Entry* entry = nullptr;
    if (inside_) {
      if (hold_lasts() && take_interpreter_work(entry)) return entry;
      leave_interpreter();
      if (lane_->queues.plain(Domain::kNative).pop(entry)) return entry;
      return try_enter() ? pick_inside() : nullptr;
    }
    if (lane_->queues.plain(Domain::kNative).pop(entry)) return entry;
    if (lane_->queues.ready(Domain::kInterpreter) != 0 && try_enter()) return pick_inside();
    return nullptr;
  }

  /// Apart, so that the compiler keeps next() small.
  [[gnu::noinline]] tasks::Entry* next_by_priority() {
    if (inside_ && !hold_lasts()) leave_interpreter();
    tasks::Entry* entry = nullptr;
    for (const int priority : kHighestFirst) {
      if (take_own(priority, entry)) return entry;
    }
    if (inside_ && take_interpreter_work(entry)) return entry;
    leave_interpreter();
    return nullptr;
  }

  /// From the slot's own queues of one priority; it may change sides for that.
  bool take_own(int priority, tasks::Entry*& entry) {
    TaskQueue& native = lane_->queues.of(Domain::kNative, priority);
    TaskQueue& interpreter = lane_->queues.of(Domain::kInterpreter, priority);
    if (inside_) {
      if (interpreter.pop(entry)) return true;
      if (!native.pop(entry)) return false;
      leave_interpreter();
      return true;
    }
    if (native.pop(entry)) return true;
    return !interpreter.looks_empty() && try_enter() && interpreter.pop(entry);
  }

  [[gnu::noinline]] tasks::Entry* fair_turn() {
    last_turn_ = tick_;
    ++turns_;
    tasks::Entry* entry = nullptr;
    if (lane_->queues.has_priorities() && own_lowest_first()) {
      for (const int priority : kLowestFirst) {
        if (take_own(priority, entry)) return entry;
      }
    }
    entry = other_side_first() ? take_from_other_side() : take_from_this_side();
    if (entry == nullptr) entry = other_side_first() ? take_from_this_side() : take_from_other_side();
    return entry;
  }
  // Eight turns see all combinations.
  [[nodiscard]] bool other_side_first() const noexcept { return turns_ % 2 == 1; }
  [[nodiscard]] bool lowest_first() const noexcept { return turns_ / 2 % 2 == 1; }
  [[nodiscard]] bool own_lowest_first() const noexcept { return lowest_first() && turns_ / 4 % 2 == 1; }

  tasks::Entry* take_from_this_side() { return take_foreign(inside_ ? Domain::kInterpreter : Domain::kNative); }

  tasks::Entry* take_from_other_side() {
    if (inside_) {
      tasks::Entry* entry = take_foreign(Domain::kNative);
      if (entry == nullptr && !lane_->queues.pop(Domain::kNative, entry)) return nullptr;
      leave_interpreter();
      return entry;
    }
    if (deck_.interpreter == nullptr || !interpreter_work_waits() || !try_enter()) return nullptr;
    tasks::Entry* entry = take_foreign(Domain::kInterpreter);
    return entry != nullptr ? entry : pick_inside();
  }

  /// From foreign lanes, unless that was done since the last turn.
  tasks::Entry* take_foreign(Domain domain) {
    const bool taken = std::exchange(taken_from_foreign_[static_cast<std::size_t>(domain)], false);
    if (taken) return nullptr;
    tasks::Entry* entry = steal_from(domain, true);
    taken_from_foreign_[static_cast<std::size_t>(domain)] = false;  // the next turn asks again
    return entry;
  }

  /// In the own queue or in foreign lanes; other slots see to theirs.
  [[nodiscard]] bool interpreter_work_waits() const noexcept {
    for (std::uint32_t i = 0, n = deck_.lanes.size(); i < n; ++i) {
      Lane& lane = deck_.lanes[i];
      if (&lane != lane_ && lane.slot != ~0U) continue;
      if (lane.queues.ready(Domain::kInterpreter) != 0) return true;
    }
    return false;
  }

  bool take_interpreter_work(tasks::Entry*& entry) {
    if (lane_->queues.pop(Domain::kInterpreter, entry)) return true;
    entry = steal_from(Domain::kInterpreter, false);
    return entry != nullptr;
  }

  tasks::Entry* pick_inside() {
    tasks::Entry* entry = nullptr;
    if (take_interpreter_work(entry)) return entry;
    leave_interpreter();
    return nullptr;
  }

  /// True while the hold may go on. A hold that lasted gives way to native work of this slot and to others who want in.
  bool hold_lasts() noexcept {
    // Reading the clock costs as much as a small body: not at every one, unless someone queues.
    if (tick_ % 16 != 0 && !deck_.gate.someone_queues()) return true;
    const std::uint64_t now = base::ticks();
    if (now - hold_begin_ < hold_ticks_) return true;
    if (deck_.gate.someone_queues() || lane_->queues.ready(Domain::kNative) != 0) return false;
    deck_.interpreter->breathe();
    hold_begin_ = base::ticks();
    return true;
  }

  bool try_enter() noexcept {
    if (!deck_.gate.try_queue()) return false;
    stop_searching(true);  // entering may block: nobody must rely on this search
    enter_interpreter();
    deck_.gate.entered();
    // Who came meanwhile left its task to this thread.
    if (deck_.pool.should_wake() && interpreter_work_visible()) deck_.pool.wake_one();
    // Last: what runs there may need others to come in.
    deck_.interpreter->settle();
    return true;
  }

  [[nodiscard]] bool interpreter_work_visible() const noexcept {
    std::uint32_t seen = 0;
    for (std::uint32_t i = 0, n = deck_.lanes.size(); i < n && seen < 2; ++i) {
      seen += deck_.lanes[i].queues.ready(Domain::kInterpreter);
    }
    return seen >= 2;  // one is for this thread
  }

  template <class Asked>
  tasks::Entry* search(Asked&& asked) {
    asked_ = false;
    leave_interpreter();
    if (!searching_) searching_ = deck_.pool.try_begin_search();
    if (!searching_) return steal();
    const std::uint64_t begin = base::ticks();
    while (true) {
      if (tasks::Entry* entry = steal(); entry != nullptr) return entry;
      if (asked()) {
        asked_ = true;
        return nullptr;
      }
      if (base::ticks() - begin > spin_ticks_ || deck_.pool.slot_wanted()) return nullptr;
      for (std::uint32_t i = 0; i < kPauses; ++i)
        sync::spin_pause();
    }
  }

  tasks::Entry* steal() {
    if (tasks::Entry* entry = steal_from(Domain::kNative, false); entry != nullptr) return entry;
    if (deck_.interpreter == nullptr || deck_.gate.someone_queues()) return nullptr;
    for (std::uint32_t i = 0, n = deck_.lanes.size(); i < n; ++i) {
      if (deck_.lanes[i].queues.ready(Domain::kInterpreter) != 0) return try_enter() ? pick_inside() : nullptr;
    }
    return nullptr;
  }

  /// Takes half of some lane's queue: one to run, the rest to the own queue.
  tasks::Entry* steal_from(Domain domain, bool foreign_only) {
    if (!deck_.victims.empty() && !foreign_only) [[unlikely]]
      return steal_nearest(domain);
    const std::uint32_t count = deck_.lanes.size();
    const std::uint32_t begin = foreign_only ? 0 : static_cast<std::uint32_t>(next_random() % count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t victim = begin + i < count ? begin + i : begin + i - count;
      Lane& lane = deck_.lanes[victim];
      if (&lane == lane_ || (foreign_only && lane.slot != ~0U)) continue;
      if (tasks::Entry* entry = steal_half_of(lane, domain, foreign_only && lowest_first()); entry != nullptr) {
        return entry;
      }
    }
    return nullptr;
  }

  /// Foreign threads are nowhere: after the slots of the same node, before those of others.
  tasks::Entry* steal_nearest(Domain domain) {
    const VictimOrder& order = deck_.victims[slot_];
    for (const Distance which : {Distance::kSameCore, Distance::kSameCache, Distance::kSameNode, Distance::kFar}) {
      if (which == Distance::kFar) {
        if (tasks::Entry* entry = steal_from(domain, true); entry != nullptr) return entry;
      }
      const std::span<const std::uint32_t> victims = order.at(which);
      const std::size_t begin = victims.empty() ? 0 : next_random() % victims.size();
      for (std::size_t i = 0; i < victims.size(); ++i) {
        Lane& lane = deck_.lanes[victims[(begin + i) % victims.size()]];
        if (tasks::Entry* entry = steal_half_of(lane, domain, false); entry != nullptr) return entry;
      }
    }
    return nullptr;
  }

  tasks::Entry* steal_half_of(Lane& lane, Domain domain, bool lowest_first) {
    for (const int priority : lowest_first ? kLowestFirst : kHighestFirst) {
      TaskQueue* const queue = lane.queues.if_any(domain, priority);
      std::uint32_t taken = 0;
      if (queue == nullptr || queue->steal_half(loot_, taken) != sync::Steal::kTook) continue;
      lane_->steals.add(1);
      if (lane.slot == ~0U) {
        taken_from_foreign_[static_cast<std::size_t>(domain)] = true;
        lane.back_pressure.taken(deck_.max_ready, [&] { return lane.queues.ready(); });
      }
      for (std::uint32_t k = 1; k < taken && k < kPrefetch; ++k)
        prefetch(loot_[k]);
      if (taken > 1) {
        lane_->queues.of(domain, priority).push_reversed(std::span<tasks::Entry* const>(loot_.data() + 1, taken - 1));
        if (deck_.pool.should_wake() && !searching_) deck_.pool.wake_one();
      }
      return loot_[0];
    }
    return nullptr;
  }

  static void prefetch(const tasks::Entry* entry) noexcept {
    const char* line = reinterpret_cast<const char*>(entry);
    base::prefetch_for_write(line);
    base::prefetch_for_write(line + base::kCacheLine);
  }

  std::uint64_t next_random() noexcept {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
  }

  static constexpr std::uint32_t kPauses = 32;
  static constexpr std::uint32_t kPrefetch = 8;

  Port& port_;
  Deck& deck_;
  Lane* lane_ = nullptr;
  std::uint32_t slot_ = kNoSlot;
  std::vector<std::uint32_t> more_;
  bool joins_ = false;
  std::uint32_t turn_begin_ = 0;  ///< tick at which the slot was boarded
  std::uint32_t tick_ = 0;
  std::uint32_t last_turn_ = 0;               ///< tick of the last fair_turn()
  std::array<bool, 2> taken_from_foreign_{};  ///< by domain: since it was last asked in a turn
  std::uint32_t turns_ = 0;                   ///< fair turns so far
  bool searching_ = false;
  bool inside_ = false;
  bool asked_ = false;
  const std::atomic<bool>* stop_ = nullptr;
  std::uint64_t hold_begin_ = 0;
  const std::uint64_t hold_ticks_ = kHoldUs * base::ticks_per_us();
  const std::uint64_t spin_ticks_ = kSpinUs * base::ticks_per_us();
  std::uint64_t random_ = reinterpret_cast<std::uintptr_t>(this) | 1;
  std::array<tasks::Entry*, 256> loot_;
};

}  // namespace polyreme::launch
