// Spawn, run, completion. runtime/engine.hpp has the map.
#include "runtime/engine.hpp"

#include "graph/dependencies.hpp"
#include "runtime/stepper.hpp"
#include "runtime/threads.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace polyreme::runtime {

using tasks::Record;

// ---- spawn

Record& Engine::allocate(launch::Lane& lane, std::uint64_t references, std::uint64_t flags) {
  auto* record = static_cast<Record*>(lane.blocks.allocate());
  lane.taken.add(1);
  tasks::reset(*record, references, flags);
  return *record;
}

std::uint64_t Engine::next_id(launch::Lane& lane) noexcept {
  if (lane.next_id == lane.id_end) [[unlikely]] {
    lane.next_id = kIdRange * id_ranges_.fetch_add(1, std::memory_order_relaxed);
    lane.id_end = lane.next_id + kIdRange;
    if (lane.next_id == 0) lane.next_id = 1;  // 0 means "no task"
  }
  return lane.next_id++;
}

Record& Engine::make() {
  launch::Lane& lane = lane_for(*this);
  Record& record = allocate(lane, 1, 0);
  record.id = next_id(lane);
  return record;
}

Record& Engine::make_done() {
  Record& record = make();
  record.state.fetch_or(tasks::state::kSpawned | tasks::state::kStarted, sync::memory_order_relaxed);
  record.pending.store(0, sync::memory_order_relaxed);
  static_cast<void>(graph::close_list(record.successors));
  return record;
}

void Engine::check_open() const {
  check_process();
  // Bodies may go on spawning while the runtime closes: it waits for what they spawn.
  if (closing_.load(std::memory_order_relaxed) && !in_body_of(*this)) [[unlikely]] {
    throw RuntimeClosed("polyreme: spawn on a closed runtime; spawn before it is closed, or open another one");
  }
}

/// In the child of a fork nobody is there to run anything: an error instead of a wait for ever.
void Engine::check_process() const {
  if (stayed_in_parent(serial_)) [[unlikely]]
    throw belongs_to_parent();
}

Record& Engine::begin_spawn(const detail::BodyOps& ops, std::source_location site, detail::Domain domain) {
  check_open();
  return begin_own(ops, site, domain);
}

/// Also while the runtime closes.
Record& Engine::begin_own(const detail::BodyOps& ops, std::source_location site, detail::Domain domain) {
  launch::Lane& lane = lane_for(*this);
  Record& record = allocate(lane, 2, tasks::state::kSpawned);  // the engine's reference, and the handle's
  record.id = next_id(lane);
  record.ops = &ops;
  record.site.here = site;
  record.domain = domain;
  return record;
}

Record& Engine::begin_named_spawn(const detail::BodyOps& ops, std::source_location site, detail::Domain domain,
                                  std::string_view name, graph::SpaceState* space,
                                  std::span<const std::int64_t> index) {
  if (space == nullptr) {
    Record& record = begin_spawn(ops, site, domain);
    tasks::rare_of(record).label = name;
    return record;
  }
  check_open();
  if (!space->comes_from(*this)) {
    throw UsageError("polyreme: the id " + space->label(index) +
                     " belongs to another runtime; spawn it there, or use a space of this one");
  }
  Record* const record = space->find_or_name(index);
  if (record == nullptr || !tasks::claim_for_spawn(*record)) {
    if (record != nullptr) release(*record);
    throw DuplicateId("polyreme: " + space->label(index) +
                      " was spawned before (or given up as missing); each id names one task");
  }
  return fill_claimed(*record, ops, site, domain, name);
}

Record& Engine::begin_spawn_into(Record& record, const detail::BodyOps& ops, std::source_location site,
                                 detail::Domain domain, std::string_view name) {
  check_open();
  if (&of(record) != this) {
    throw UsageError("polyreme: the id " + detail::name_of(record) + " belongs to another runtime");
  }
  if (!tasks::claim_for_spawn(record)) {
    throw DuplicateId("polyreme: " + detail::name_of(record) +
                      " was spawned before (or given up as missing); each id names one task");
  }
  tasks::add_reference(record);  // the caller's
  return fill_claimed(record, ops, site, domain, name);
}

/// The record of a named id, now claimed, with one reference for the caller: adds the engine's.
Record& Engine::fill_claimed(Record& record, const detail::BodyOps& ops, std::source_location site,
                             detail::Domain domain, std::string_view name) {
  record.rare->space->note_spawned();
  tasks::add_reference(record);
  record.ops = &ops;
  record.site.here = site;
  record.domain = domain;
  record.rare->label = name;
  return record;
}

void Engine::abort_spawn(Record& record) noexcept {
  record.ops = nullptr;
  record.site.here = {};
  graph::for_each_block(record, [this](void* block) { free_block(block); });
  record.scalar_result = false;
  record.flags = 0;
  if (record.rare != nullptr) record.rare->cores = 1;
  const bool was_named = record.rare != nullptr && record.rare->space != nullptr;
  if (record.rare != nullptr && record.rare->space != nullptr) {
    record.rare->space->note_unspawned();
    tasks::unclaim_spawn(record);
  }
  release(record);
  release(record);
  if (was_named) look_for_stall();  // a search for missing ids has passed over this one while it was being made
}

void Engine::commit_spawn(Record& record, std::span<Record* const> predecessors) {
  launch::Lane& lane = lane_for(*this);
  if (!predecessors.empty()) {
    link(record, predecessors, lane);
    return;
  }
  const bool cancelled = enter_graph(record, lane);
  if (lane.trace != nullptr) [[unlikely]]
    trace_spawn(record, predecessors, lane);
  // Release: partner is try_claim in a helping waiter.
  record.pending.store(0, sync::memory_order_release);
  if (!cancelled) [[likely]] {
    make_ready(record, lane);
    return;
  }
  // First, or its body might run; the entry in a queue drops the engine's reference. The destructor of a body that
  // waited may have come back on another slot.
  cancel_committed(record);
  make_ready(record, lane_for(*this));
}

/// Counts the task, and lets it join the current scope. True: that is cancelled, and so must the task be.
inline bool Engine::enter_graph(Record& record, launch::Lane& lane) {
  const ThreadContext& self = this_thread;
  if (self.entered == nullptr && self.scope_of_current == nullptr) [[likely]] {
    lane.spawned.add(1);
    return false;
  }
  ScopeState* const scope = current_scope();
  if (scope != nullptr) return scope->join(record, [&] { lane.spawned.add(1); });
  lane.spawned.add(1);
  return false;
}

/// Of a task that belongs to no scope and is not committed by commit_spawn().
void Engine::count_apart(Record& record) {
  launch::Lane& lane = lane_for(*this);
  lane.spawned.add(1);
  if (lane.trace != nullptr) [[unlikely]]
    trace_spawn(record, {}, lane);
}

bool Engine::enter_run(Record& record, launch::Lane& lane) {
  return enter_graph(record, lane);
}

namespace {

/// Makes a committed task ready once another one is done.
struct Starter : graph::Listener {
  Record* record = nullptr;
};

void start_now(graph::Listener& self, Record& /*done*/) noexcept {
  const std::unique_ptr<Starter> starter(static_cast<Starter*>(&self));
  Engine::of(*starter->record).start_committed(*starter->record);
}

}  // namespace

void Engine::commit_when_done(Record& record, Record& target) {
  auto starter = std::make_unique<Starter>();
  starter->notify = start_now;
  starter->record = &record;
  count_apart(record);
  if (graph::push_listener(target, *starter)) {
    starter.release();  // NOLINT(bugprone-unused-return-value): start_now() owns it now
  } else {
    start_committed(record);
  }
}

void Engine::start_committed(Record& record) {
  record.pending.store(0, sync::memory_order_release);  // partner: try_claim
  make_ready(record, lane_for(*this));
}

void Engine::link(Record& record, std::span<Record* const> predecessors, launch::Lane& lane) {
  for (const Record* predecessor : predecessors) {
    if (&of(*predecessor) != this) {
      throw UsageError("polyreme: " + detail::name_of(*predecessor) +
                       " belongs to another runtime; tasks depend on tasks of their own runtime");
    }
    if (predecessor == &record) {
      throw CycleError("polyreme: " + detail::name_of(record) + " depends on itself");
    }
  }
  // Only a task whose id was named before can be an ancestor of its own predecessors.
  const bool awaited = record.rare != nullptr && record.rare->space != nullptr &&
                       record.successors.load(sync::memory_order_acquire) != 0;
  if (awaited) check_new_cycle(record, predecessors);
  graph::EdgeWriter edges(record, predecessors.size(), [&] {
    void* block = lane.blocks.allocate();
    lane.taken.add(1);
    return block;
  });
  const bool cancelled = enter_graph(record, lane);
  if (lane.trace != nullptr) [[unlikely]]
    trace_spawn(record, predecessors, lane);
  const auto count = static_cast<std::uint32_t>(predecessors.size());
  // All dependencies are counted before the first edge is pushed. So the count cannot reach 0 while some are not
  // pushed, and no guard is needed.
  // Release: partner is request_cancel. From here on the task may be cancelled, and completed, while edges are pushed:
  // the engine's reference, which the entry in a queue drops, keeps it.
  record.pending.store(count, sync::memory_order_release);
  if (cancelled) [[unlikely]]
    cancel_committed(record);  // before an edge makes it ready, or its body might run
  std::uint32_t met = 0;
  for (Record* predecessor : predecessors) {
    if (edges.push_to(*predecessor)) continue;
    ++met;
    if ((tasks::flags_of(*predecessor) & (tasks::state::kFailed | tasks::state::kCancelled)) != 0) [[unlikely]] {
      complete::poison(record, cause_for_dependents(*predecessor), *predecessor);
    }
  }
  // From the last push on the task may be running, unless all dependencies were met.
  const bool ready = met == count || (met != 0 && record.pending.fetch_sub(met, sync::memory_order_acq_rel) == met);
  if (ready) {
    if (met == count) record.pending.store(0, sync::memory_order_release);  // nobody else counts; partner: try_claim
    make_ready(record, cancelled ? lane_for(*this) : lane);  // a destructor that waited may have changed the slot
  } else if (lane.slot == ~0U && deck_.pool.all_idle() && producer_depth(*this) == 0) {
    look_for_stall();  // a diagnosis does not wait for this thread, and may have passed over the task just before
  }
}

void Engine::make_ready(Record& record, launch::Lane& lane) {
  if ((record.flags & tasks::kNoContinuation) == 0) [[likely]] {
    deck_.push_plain(lane, record);
  } else if ((record.flags & tasks::kFullRoad) == 0) {
    deck_.push(lane, record);
  } else {
    take_full_road(record, lane);
  }
}

void Engine::take_full_road(Record& record, launch::Lane& lane) {
  if (record.rare == nullptr || record.rare->cores == 1) {
    POLYREME_CHECK(full_road_ != nullptr);
    full_road_(full_road_stage_, record);
  } else if (const std::uint64_t state = record.state.load(sync::memory_order_relaxed);
             (state & tasks::state::kPoisoned) != 0 ||
             ((state & tasks::state::kStarted) != 0 && !tasks::has_suspended(record))) {
    deck_.push(lane, record);  // its body will not run, or somebody else has cancelled it: it needs nothing
  } else {
    collect_for(record);
  }
}

void Engine::launch(Record& record) {
  deck_.push(lane_for(*this), record);
}

// ---- run

Record* run_nothing(void* /*storage*/, Record& /*self*/) {
  return nullptr;
}

const detail::BodyOps kNothingToRun{&run_nothing, [](void*) noexcept {}, nullptr, &typeid(void)};

tasks::Entry* Engine::run(tasks::Entry& entry, launch::Lane& lane) noexcept {
  if ((entry.flags & (tasks::kGraphNode | tasks::kGraphSources)) != 0) [[unlikely]]
    return replay(entry);
  auto& record = static_cast<Record&>(entry);
  if (!tasks::try_start(record)) {
    if (tasks::take_resumption(record)) return run_resumed(record, lane);
    // A helping waiter claimed it and left the engine's reference to this queue entry.
    release(record);
    return nullptr;
  }
  return run_claimed(record, lane);
}

Record* Engine::run_claimed(Record& record, launch::Lane& lane) noexcept {
  const std::uint64_t state = record.state.load(sync::memory_order_relaxed);
  if ((state & tasks::state::kPoisoned) != 0 ||
      (cancelling_.load(std::memory_order_relaxed) != 0 && (record.flags & tasks::kNotice) == 0)) [[unlikely]] {
    return cancel(record);
  }
  const ThreadContext& self = this_thread;
  if ((state & tasks::state::kScope) != 0 || self.scope_of_current != nullptr || self.entered != nullptr) [[unlikely]]
    return run_with_scope(record, lane, nullptr);
  return run_body(record, lane);
}

/// The next part of a body that was suspended.
Record* Engine::run_resumed(Record& record, launch::Lane& lane) noexcept {
  if ((record.flags & tasks::kRepeatable) != 0 && !end_pause(record)) {
    return thrown(record, std::exchange(record.rare->retry->last, nullptr), tasks::cancel_requested(record));
  }
  return run_with_scope(record, lane, tasks::take_entered(record));
}

/// Engines that were opened in the child go on.
void Engine::check_forked_body(bool failed) const noexcept {
  if (stayed_in_parent(serial_)) end_forked_body(failed);
}

Record* Engine::run_body(Record& record, launch::Lane& lane) noexcept {
  ThreadContext& self = this_thread;
  Record* const outer = self.current;
  self.current = &record;
  if (lane.trace != nullptr) [[unlikely]]
    tasks::has_suspended(record) ? trace_resume(record, lane) : trace_start(record, lane);
  Record* awaited = nullptr;
  std::exception_ptr error;
  bool is_cancellation = false;
  // The handlers end before the task does: nothing here holds the exception then but what a waiter can see.
  try {
    awaited = record.ops->run(record.body, record);
  } catch (const TaskCancelled&) {
    error = std::current_exception();
    is_cancellation = true;
  } catch (...) {
    error = std::current_exception();
  }
  self.current = outer;
  if (error != nullptr) [[unlikely]]
    return thrown(record, std::move(error), is_cancellation);
  if (self.forked) [[unlikely]]
    check_forked_body(false);
  if (awaited != nullptr) [[unlikely]]
    return suspend(record, *awaited, self.session->lane());
  // A body that waited may have come back on another slot.
  return complete(record, self.session->lane(), nullptr);
}

/// What the body spawns joins the scopes that it has entered, or that of its task, and no scope of a body below it on
/// the stack.
Record* Engine::run_with_scope(Record& record, launch::Lane& lane, detail::EnteredScope* entered) noexcept {
  ThreadContext& self = this_thread;
  ScopeState* const outer_scope = std::exchange(self.scope_of_current, scope_of(record));
  detail::EnteredScope* const outer_entered = std::exchange(self.entered, entered);
  Record* const next = run_body(record, lane);
  self.scope_of_current = outer_scope;
  self.entered = outer_entered;
  return next;
}

Record* Engine::complete(Record& record, launch::Lane& lane, const std::exception_ptr* cause) noexcept {
  if (lane.trace != nullptr) [[unlikely]]
    trace_end(record, lane);
  Record* continuation = nullptr;
  const detail::Domain domain = record.domain;
  complete::finish(record, cause, [&](Record& successor) {
    if (continuation == nullptr && successor.domain == domain && (successor.flags & tasks::kNoContinuation) == 0) {
      continuation = &successor;
    } else {
      make_ready(successor, lane);
    }
  });
  // Success without a result: nobody will ask the id for more than that it is done.
  if (record.rare != nullptr && record.rare->space != nullptr && cause == nullptr &&
      *record.ops->result_type == typeid(void)) {
    record.rare->space->retire(record);
  }
  const std::uint64_t state = record.state.load(sync::memory_order_relaxed);
  lane.completed.add(1);
  if ((state & tasks::state::kScope) != 0) [[unlikely]]
    leave_scope(record);
  if ((state & tasks::state::kClaimed) != 0) return continuation;
  if (continuation == nullptr || record.ops == nullptr || record.ops->destroy_result == nullptr) {
    release(record);
    return continuation;
  }
  // The result's destructor may wait, even for the task that is to run next here.
  this_thread.continuation = continuation;
  release(record);
  return std::exchange(this_thread.continuation, nullptr);
}

Record* Engine::fail(Record& record, std::exception_ptr error, std::exception_ptr tasks::Rare::* place) noexcept {
  const std::exception_ptr cause = note_root_failure(record, error);
  tasks::Rare& rare = tasks::rare_of(record);
  rare.*place = std::move(error);
  rare.for_dependents = cause;
  record.ops = nullptr;  // run() destroyed the body
  tasks::set_outcome(record, tasks::state::kFailed);
  return complete(record, lane_for(*this), &cause);  // a scope that was cancelled for it ran destructors meanwhile
}

Record* Engine::cancel(Record& record) noexcept {
  const std::exception_ptr cause = record.rare != nullptr ? record.rare->failure : nullptr;
  if (cause != nullptr) {
    if (ScopeState* scope = scope_of(record); scope != nullptr) {
      scope->add_cancelled(1);
    } else {
      const std::lock_guard lock(failures_mutex_);
      ++failures_.cancelled;
    }
  }
  drop_body(record);
  return complete_unrun(record, cause);
}

void Engine::drop_body(Record& record) noexcept {
  record.ops->destroy_body(record.body);
  record.ops = nullptr;
}

/// `why`: kOnRequest or 0.
Record* Engine::complete_unrun(Record& record, const std::exception_ptr& cause, std::uint64_t why) noexcept {
  tasks::set_outcome(record, tasks::state::kCancelled | why);
  // A destructor that waited may have come back on another slot.
  return complete(record, lane_for(*this), &cause);
}

// ---- end of a record

void Engine::release(Record& record) noexcept {
  if (tasks::drop_reference(record)) free_record(record);
}

namespace {

/// What this thread is destroying. Never destroyed itself: handles may be dropped by the last destructors of a thread.
struct Freeing {
  std::uint32_t depth = 0;  ///< records on the stack whose results are being destroyed
  Record* later = nullptr;  ///< records to free after these, linked by `successors`
};
constinit thread_local Freeing freeing;

}  // namespace

void Engine::free_record(Record& record) noexcept {
  // Failed and cancelled tasks have no ops left; nor has a placeholder that was never spawned.
  if (record.ops == nullptr || record.ops->destroy_result == nullptr) {
    free_rest(record);
    return;
  }
  if (freeing.depth == kMaxFreeing) {
    // A long chain of results that own handles must not take a stack frame for each.
    record.successors.store(reinterpret_cast<std::uintptr_t>(freeing.later), sync::memory_order_relaxed);
    freeing.later = &record;
    return;
  }
  free_with_result(record);
  while (freeing.depth == 0 && freeing.later != nullptr) {
    Record& next = *freeing.later;
    freeing.later = reinterpret_cast<Record*>(next.successors.load(sync::memory_order_relaxed));
    of(next).free_with_result(next);
  }
}

void Engine::free_with_result(Record& record) noexcept {
  ++freeing.depth;
  record.ops->destroy_result(record.body);
  --freeing.depth;
  free_rest(record);
}

void Engine::free_rest(Record& record) noexcept {
  graph::for_each_block(record, [this](void* block) { free_block(block); });
  delete record.rare;
  free_block(&record);
}

void* Engine::allocate_block() {
  launch::Lane& lane = lane_for(*this);
  void* const block = lane.blocks.allocate();
  lane.taken.add(1);
  return block;
}

void Engine::free_block(void* block) noexcept {
  launch::Lane* lane = lane_if_any(*this);
  if (lane != nullptr && !closed_.load(std::memory_order_relaxed)) [[likely]] {
    lane->blocks.free(block);
    lane->freed.add(1);  // the last touch: from here on a closed engine may be reaped
    return;
  }
  // A thread that never spawned, or a handle that outlived its runtime.
  depot_.free_one(block);
  freed_outside_.fetch_add(1, std::memory_order_release);
}

Engine& Engine::of(const Record& record) noexcept {
  return *static_cast<Engine*>(base::BlockDepot::owner_of(&record));
}

std::shared_ptr<graph::SpaceState> Engine::make_space(std::string name) {
  if (closing_.load(std::memory_order_relaxed) && !in_body_of(*this)) {
    throw RuntimeClosed("polyreme: space '" + name + "' of a closed runtime; make it before the runtime is closed");
  }
  auto space = std::make_shared<graph::SpaceState>(*this, std::move(name));
  const std::lock_guard lock(spaces_mutex_);
  if (spaces_.size() >= purge_spaces_at_) {
    std::erase_if(spaces_, [](const std::weak_ptr<graph::SpaceState>& one) { return one.expired(); });
    purge_spaces_at_ = 2 * spaces_.size() + 64;
  }
  spaces_.push_back(space);
  return space;
}

Engine::Stats Engine::stats() {
  Stats stats{};
  stats.completed = deck_.lanes.sum(&launch::Lane::completed);
  stats.spawned = deck_.lanes.sum(&launch::Lane::spawned);
  stats.steals = deck_.lanes.sum(&launch::Lane::steals);
  stats.interpreter_enters = deck_.lanes.sum(&launch::Lane::interpreter_enters);
  stats.interpreter_wait_ns = deck_.lanes.sum(&launch::Lane::interpreter_wait) * 1000 / base::ticks_per_us();
  const std::uint64_t freed = deck_.lanes.sum(&launch::Lane::freed) + freed_outside_.load(std::memory_order_acquire);
  stats.live_blocks = deck_.lanes.sum(&launch::Lane::taken) - freed;
  for (std::uint32_t i = 0, n = deck_.lanes.size(); i < n; ++i) {
    const std::uint64_t ready = deck_.lanes[i].queues.ready();
    stats.ready += ready;
    if (i < slots_) stats.ready_by_slot.push_back(ready);
  }
  if (stepper_ != nullptr) stats.ready += stepper_->ready();
  const launch::SlotPool::Counts counts = deck_.pool.counts();
  stats.parks = counts.parks;
  stats.wakes = counts.wakes;
  stats.free_slots = deck_.pool.free_slots();
  stats.workers = slots_;
  const std::lock_guard lock(threads_mutex_);
  stats.threads = static_cast<std::uint32_t>(threads_.size());
  return stats;
}

}  // namespace polyreme::runtime

// ---- The hot half of include/polyreme/detail/abi.hpp stands here, so that it is compiled together with what it calls.

namespace polyreme::detail {

using runtime::Engine;

Record& begin_spawn(Engine& engine, const BodyOps& ops, std::source_location site, Domain domain) {
  return engine.begin_spawn(ops, site, domain);
}

Record& begin_named_spawn(Engine& engine, const BodyOps& ops, std::source_location site, std::string_view name,
                          graph::SpaceState* space, std::span<const std::int64_t> index, Domain domain) {
  return engine.begin_named_spawn(ops, site, domain, name, space, index);
}

void abort_spawn(Record& record) noexcept {
  Engine::of(record).abort_spawn(record);
}

void commit_spawn(Record& record, std::span<Record* const> predecessors) {
  Engine& engine = Engine::of(record);
  try {
    engine.commit_spawn(record, predecessors);
  } catch (...) {
    record.ops->destroy_body(record.body);
    engine.abort_spawn(record);
    throw;
  }
  launch::Lane& lane = runtime::lane_for(engine);
  if (engine.is_ahead(lane)) [[unlikely]]
    engine.hold_back(lane);
}

void retain(Record& record) noexcept {
  tasks::add_reference(record);
}

void release(Record& record) noexcept {
  Engine::of(record).release(record);
}

}  // namespace polyreme::detail
