// Waits, helping, and stalls.
//
// A wait inside a body: if the awaited task is ready and nobody has started it, the body's thread runs it in place, on
// its slot. Otherwise the thread gives its slot up, sleeps until the task is done, and takes a slot again ahead of new
// tasks. It runs nothing else meanwhile: a body under an unrelated one on the same stack could wait for what lies below
// it. A worker that blocks sees to it first that another thread exists to serve its slot.
//
// A wait of a foreign thread: the same, but the thread must take a free slot before it runs the task. wait_all() runs
// any task while a slot is free. Waits with a timeout never help: a body has no deadline.
//
// Stalls. When all slots are free, no queue holds a task, and no registered producer is left outside a wait, then
// nothing will ever happen again unless an unregistered thread spawns. If somebody waits then, the first waiter is
// woken to look for the cause (diagnose.cpp). This is decided under the slot pool's lock at each of the events that can
// bring it about: the last slot becomes free; a wait begins; a producer leaves or waits; the runtime begins to close; a
// foreign thread that is no producer commits, or undoes, the spawn of an id while a search may have passed over it.
//
// A thread whose wait has a time limit, or is over, is on its way: it may spawn, so a producer among them counts as
// left, and a body among them keeps missing ids from being given up. When it waits again or leaves, that is one of the
// events.
//
// Shared fields: waiters_, producers_, blocked_workers_ and the marked fields of Waiter belong to the slot pool's lock.
// A Waiter is on the heap with two holders, the waiting thread and the successor list: either may be the last.
#include "runtime/away.hpp"
#include "runtime/captured_graph.hpp"
#include "runtime/engine.hpp"
#include "runtime/in_place.hpp"
#include "runtime/stepper.hpp"
#include "runtime/threads.hpp"

#include <chrono>

namespace polyreme::runtime {

using tasks::Record;

namespace {

using Clock = std::chrono::steady_clock;

void drop(Waiter* waiter) noexcept {
  if (waiter->holders.fetch_sub(1, sync::memory_order_acq_rel) == 1) delete waiter;
}

void wake_waiter(graph::Listener& self, Record& /*done*/) noexcept {
  auto* waiter = static_cast<Waiter*>(&self);
  waiter->parker.unpark();
  drop(waiter);
}

/// `from` + `span`, or as late as the clock can tell.
Clock::time_point later(Clock::time_point from, std::chrono::nanoseconds span) noexcept {
  return span < Clock::time_point::max() - from ? from + span : Clock::time_point::max();
}

/// Seconds that may be too many for an integer, or infinite.
std::chrono::nanoseconds clamped(double seconds) noexcept {
  constexpr double kMost = 1e9;  // 30 years
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(std::min(seconds, kMost)));
}

/// The waiter of this thread's last wait that timed out. It stays in its list until the task is done, so the next timed
/// wait for that task takes it again: a loop of short waits must not fill the list.
struct TimedOut {
  TimedOut() = default;
  TimedOut(const TimedOut&) = delete;
  TimedOut& operator=(const TimedOut&) = delete;
  ~TimedOut() { keep(nullptr); }
  void keep(Waiter* one) noexcept {
    if (waiter != nullptr) drop(waiter);
    waiter = one;
  }
  Waiter* waiter = nullptr;
};
thread_local TimedOut kept_after_timeout;

/// The waiting thread's hold on its waiter.
struct WaiterHandle {
  explicit WaiterHandle(Waiter* one) : waiter(one) {}
  WaiterHandle(const WaiterHandle&) = delete;
  WaiterHandle& operator=(const WaiterHandle&) = delete;
  ~WaiterHandle() {
    if (ended_by_time) {
      kept_after_timeout.keep(waiter);
    } else {
      drop(waiter);
    }
  }
  Waiter* waiter;
  bool ended_by_time = false;
};

/// Makes a waiter for `record` and puts it into the successor list. Null: the record is done.
Waiter* subscribe(Record& record, Record* waiting_body) {
  // While the list holds the waiter, too, its task is not done, so the address means the same task.
  Waiter* const last = kept_after_timeout.waiter;
  if (waiting_body == nullptr && last != nullptr && last->target == &record &&
      last->holders.load(sync::memory_order_acquire) == 2) {
    return std::exchange(kept_after_timeout.waiter, nullptr);
  }
  auto waiter = std::make_unique<Waiter>();
  waiter->notify = wake_waiter;
  waiter->target = &record;
  waiter->waiting_body = waiting_body;
  waiter->holders.store(2, sync::memory_order_relaxed);
  if (!graph::push_listener(record, *waiter)) return nullptr;
  return waiter.release();
}

}  // namespace

// ---- the wait for one task

namespace {

/// A look before a claim is prepared: most waits are for tasks that are not ready.
bool may_claim(const Record& record) noexcept {
  return record.pending.load(sync::memory_order_acquire) == 0 &&
         (tasks::flags_of(record) & tasks::state::kStarted) == 0;
}

}  // namespace

bool Engine::wait_done(Record& record, std::int64_t timeout_ns, const WaitHooks* hooks) {
  if (tasks::done(record)) return true;
  check_process();
  publish_continuation();
  if (!holds_slot_of(*this)) {
    const Away away;
    if (timeout_ns < 0 && help_until_done(record)) return true;
    return block_outside(record, timeout_ns, hooks);
  }
  ThreadContext& self = this_thread;
  if (self.current == &record) {
    throw UsageError("polyreme: " + detail::name_of(record) + " waits for itself; a body cannot use its own result");
  }
  if (timeout_ns < 0 && may_run_above() && !self.never_helps && may_claim(record) && tasks::try_claim(record)) {
    run_above(*self.session, record);
    if (tasks::done(record)) return true;  // else it was suspended, and others will resume it
  }
  return block_in_body(*self.session, record, timeout_ns);
}

/// A waiting body may run what it waits for on its own stack.
bool Engine::may_run_above() noexcept {
  return this_thread.nested < kMaxNested && (stepper_ == nullptr || stepper_->flip());
}

/// Runs a claimed task, or its first part, in place of a wait for it, or for what it belongs to.
void Engine::run_above(Session& session, Record& record) {
  const BodyBelow below(*this, record);
  run_inline(session, record);
}

/// Runs a claimed task on the session's slot, inside or outside the interpreter as it needs.
void Engine::run_inline(Session& session, Record& record) {
  const InPlace in_place(*this, session);
  if (record.domain == detail::Domain::kInterpreter) {
    session.enter_interpreter();
  } else {
    session.leave_interpreter();
  }
  if (Record* next = run_claimed(record, session.lane()); next != nullptr) deck_.push(session.lane(), *next);
}

bool Engine::block_in_body(Session& session, Record& record, std::int64_t timeout_ns) {
  const ThreadContext& self = this_thread;
  Record* const body = self.current;
  ensure_spare();
  // A timed wait ends by itself, perhaps before the listener is told: it must not lead a search to a body that is gone.
  Waiter* const waiter = subscribe(record, timeout_ns < 0 ? body : nullptr);
  const bool is_worker = self.seat != nullptr;
  if (waiter == nullptr) {
    forget_blocked(is_worker);
    return true;
  }
  WaiterHandle handle(waiter);
  return sleep_without_slot(session, *waiter, timeout_ns, [&] { return tasks::done(record); }, handle.ended_by_time);
}

/// The wait of a body that ensure_spare() has seen to: gives the slot up, sleeps, and takes a slot again. False: the
/// time is over.
bool Engine::sleep_without_slot(Session& session, Waiter& waiter, std::int64_t timeout_ns, const Over& over,
                                bool& timed_out) {
  ThreadContext& self = this_thread;
  Record* const body = self.current;
  const bool is_worker = self.seat != nullptr;
  const bool was_inside = session.inside();
  if (body != nullptr && session.lane().trace != nullptr) trace_suspend(*body, session.lane());
  session.leave_interpreter();
  // From here to resume() the thread has no slot: it counts as foreign.
  self.session_serial = 0;
  const std::vector<std::uint32_t> more = session.take_more();
  waiter.on_slot = true;
  waiter.has_deadline = timeout_ns >= 0;
  register_waiter(waiter);
  Slept slept = Slept::kOver;
  if (stepper_ != nullptr) {
    if (stepper_->block(waiter, timeout_ns)) slept = Slept::kTimeout;
  } else {
    give_up_slot(session);
    give_back(more);
    slept = sleep(waiter, timeout_ns, nullptr, over);
    launch::SlotPool::Seat own_seat;
    board_again(session, is_worker ? *self.seat : own_seat, static_cast<std::uint32_t>(1 + more.size()));
  }
  timed_out = slept == Slept::kTimeout;
  // Not before: in between all slots may be idle, and the list must tell a diagnosis that this thread goes on.
  const std::exception_ptr error = unregister_waiter(waiter);
  self.session_serial = serial_;
  self.current = body;
  forget_blocked(is_worker);
  if (body != nullptr && session.lane().trace != nullptr) trace_resume(*body, session.lane());
  if (was_inside) session.enter_interpreter();
  if (error != nullptr) std::rethrow_exception(error);
  return slept == Slept::kOver;
}

bool Engine::block_outside(Record& record, std::int64_t timeout_ns, const WaitHooks* hooks) {
  Waiter* const waiter = subscribe(record, nullptr);
  if (waiter == nullptr) return true;
  WaiterHandle handle(waiter);
  const Slept slept = sleep_outside(*waiter, timeout_ns, hooks, [&] { return tasks::done(record); });
  handle.ended_by_time = slept == Slept::kTimeout;
  return slept == Slept::kOver;
}

/// The sleep of a thread without a slot. @throws what a diagnosis has found.
Engine::Slept Engine::sleep_outside(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over) {
  const InterpreterPause pause(*this);
  waiter.has_deadline = timeout_ns >= 0;
  register_waiter(waiter);
  const Slept slept = sleep(waiter, timeout_ns, hooks, over);
  if (const std::exception_ptr error = unregister_waiter(waiter); error != nullptr) std::rethrow_exception(error);
  return slept;
}

/// A wait, inside a body or outside, by a waiter that is in no successor list: what ends it knows it otherwise.
bool Engine::wait_unlisted(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over) {
  if (holds_slot_of(*this)) {
    ensure_spare();
    if (timeout_ns < 0) waiter.waiting_body = this_thread.current;
    bool timed_out = false;
    return sleep_without_slot(*this_thread.session, waiter, timeout_ns, over, timed_out);
  }
  const Away away;
  return sleep_outside(waiter, timeout_ns, hooks, over) == Slept::kOver;
}

bool Engine::help_until_done(Record& record) {
  if (this_thread.session_serial != 0) return false;
  return tasks::done(record) || (!this_thread.never_helps && help_with(record));
}

/// With a stepper, nobody but its workers runs anything.
std::uint32_t Engine::take_to_help() {
  return stepper_ == nullptr ? deck_.pool.try_take() : launch::kNoSlot;
}

bool Engine::help_with(Record& record) {
  if (!may_claim(record)) return false;
  // Bodies that wait for another engine's tasks in turn may pile up on one stack.
  if (this_thread.nested >= kMaxNested) return false;
  const std::uint32_t slot = take_to_help();
  if (slot == launch::kNoSlot) return false;
  HelperSession helper(*this, slot);
  const bool claimed = tasks::try_claim(record);
  if (claimed) {
    helper.session().stop_searching(true);  // while the body runs nobody must rely on this search
    run_inline(helper.session(), record);
  }
  return claimed && tasks::done(record);  // else it was suspended
}

// ---- the wait for all tasks

void Engine::help_all() {
  const std::uint32_t slot = take_to_help();
  if (slot == launch::kNoSlot) return;
  HelperSession helper(*this, slot);
  helper.session().stop_when(this_thread.stop_helping);
  helper.lost_slot = helper.session().work([this] { return deck_.lanes.quiescent(); }) == Session::Stop::kLostSlot;
}

bool Engine::help_until_quiescent() {
  if (this_thread.session_serial != 0) return false;
  if (deck_.lanes.quiescent()) return true;
  if (!this_thread.never_helps) help_all();
  return deck_.lanes.quiescent();
}

bool Engine::wait_quiescent(std::int64_t timeout_ns, const WaitHooks* hooks) {
  if (holds_slot_of(*this)) {
    throw UsageError(
        "polyreme: wait() in a body would wait for the body itself; wait for single tasks, or return and wait outside");
  }
  check_process();
  publish_continuation();
  if (deck_.lanes.quiescent()) return true;
  const Away away;
  if (timeout_ns < 0 && help_until_quiescent()) return true;
  const WaiterHandle handle(new Waiter);
  Waiter& waiter = *handle.waiter;
  waiter.for_quiescence = true;
  return sleep_outside(waiter, timeout_ns, hooks, [&] { return deck_.lanes.quiescent(); }) == Slept::kOver;
}

void Engine::wait_all() {
  static_cast<void>(wait_quiescent(-1, nullptr));
  throw_failures(take_failures());
}

// ---- sleeping, and who is woken for what

Engine::Slept Engine::sleep(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over) {
  if (stepper_ != nullptr) return sleep_stepping(waiter, timeout_ns, hooks, over);
  using std::chrono::nanoseconds;
  const auto begin = Clock::now();
  const bool timed = timeout_ns >= 0;
  const auto deadline = later(begin, nanoseconds(timed ? timeout_ns : 0));
  auto warn_at = begin + clamped(options_.stall_warning_s);
  while (!over()) {
    auto wake_at = warn_at;
    if (timed && deadline < wake_at) wake_at = deadline;
    if (hooks != nullptr) wake_at = std::min(wake_at, Clock::now() + nanoseconds(hooks->interval_ns));
    if (waiter.parker.park_until(wake_at)) {
      if (take_diagnosis_request(waiter)) diagnose();
      if (has_error(waiter)) return Slept::kOver;
      continue;
    }
    if (over()) break;
    const auto now = Clock::now();
    if (timed && now >= deadline) return Slept::kTimeout;
    if (hooks != nullptr && hooks->abandon(hooks->self)) return Slept::kAbandoned;
    if (now >= warn_at) {
      warn_stall();
      warn_at = now + clamped(2 * options_.stall_warning_s);
    }
  }
  return Slept::kOver;
}

void Engine::register_waiter(Waiter& waiter) {
  const std::int64_t depth = producer_depth(*this);
  deck_.pool.locked([&](bool all_free) {
    waiters_.push_back(&waiter);
    waiter.is_producer = depth > 0 && !waiter.has_deadline;
    if (waiter.is_producer) --producers_;
    if (all_free) on_all_idle_locked();
  });
}

std::exception_ptr Engine::unregister_waiter(Waiter& waiter) noexcept {
  return deck_.pool.locked([&](bool all_free) {
    waiters_.erase(std::ranges::find(waiters_, &waiter));
    if (waiter.is_producer) ++producers_;
    waiter.on_slot = false;         // the waiter of a wait that timed out is taken again by the next one
    waiter.waiting_body = nullptr;  // with an error the listener stays, and may outlive the body
    // It was asked to look for the cause of a stall, and leaves without: another one must.
    if (waiter.asked_to_diagnose && all_free) on_all_idle_locked();
    return waiter.error;
  });
}

bool Engine::take_diagnosis_request(Waiter& waiter) noexcept {
  return deck_.pool.locked([&](bool) { return std::exchange(waiter.asked_to_diagnose, false); });
}

bool Engine::has_error(Waiter& waiter) noexcept {
  return deck_.pool.locked([&](bool) { return waiter.error != nullptr; });
}

void Engine::on_all_idle_locked() noexcept {
  if (waiters_.empty() || stepper_ != nullptr) return;  // a driver that waits sees for itself
  const bool quiescent = deck_.lanes.quiescent();
  Waiter* blocked = nullptr;
  for (Waiter* waiter : waiters_) {
    if (waiter->for_quiescence && quiescent) {
      waiter->parker.unpark();
    } else if (blocked == nullptr && !over_locked(*waiter)) {
      blocked = waiter;
    }
  }
  if (blocked == nullptr || producers_left_locked() || deck_.any_work()) return;
  blocked->asked_to_diagnose = true;
  blocked->parker.unpark();
}

/// After an event that needs no slot and may be what a stall has waited for.
void Engine::look_for_stall() noexcept {
  deck_.pool.locked([this](bool all_free) {
    if (all_free) on_all_idle_locked();
  });
}

/// What it waits for has come, or an error instead: its thread is on its way.
bool Engine::over_locked(const Waiter& waiter) const noexcept {
  if (waiter.error != nullptr || waiter.elsewhere) return true;
  if (waiter.target != nullptr) return tasks::done(*waiter.target);
  if (waiter.arrivals != nullptr) return waiter.arrivals->any();
  return waiter.scope != nullptr ? waiter.scope->over_since(waiter.scope_use) : deck_.lanes.quiescent();
}

/// Somebody may still spawn: a registered thread that does not wait, waits with a time limit, or whose wait is over.
/// Nobody may while the runtime closes.
bool Engine::producers_left_locked() const noexcept {
  if (closing_.load(std::memory_order_relaxed)) return false;
  return producers_ > 0 || std::ranges::any_of(waiters_, [this](const Waiter* waiter) {
           return waiter->is_producer && over_locked(*waiter);
         });
}

/// This thread is about to wait, or to run something else, perhaps for another engine: the task that it keeps while it
/// is in a destructor, and the nodes that it keeps while it is in one of their graph, must not wait for that.
void Engine::publish_continuation() {
  if (Record* const kept = std::exchange(this_thread.continuation, nullptr); kept != nullptr)
    of(*kept).deck_.push(this_thread.session->lane(), *kept);
  if (ReplayFrame* const frame = this_thread.replay; frame != nullptr) publish_sources(*frame);
}

void Engine::add_producer() {
  std::int64_t& depth = producer_depth(*this);
  if (++depth == 1) deck_.pool.locked([this](bool) { ++producers_; });
}

void Engine::remove_producer() {
  std::int64_t& depth = producer_depth(*this);
  if (depth == 0) throw UsageError("polyreme: this thread is not registered as a producer");
  if (--depth == 0) lose_producer();
}

void Engine::lose_producer() noexcept {
  deck_.pool.locked([this](bool all_free) {
    --producers_;
    if (all_free) on_all_idle_locked();
  });
}

void Engine::hold_back(launch::Lane& lane) {
  publish_continuation();
  const InterpreterPause pause(*this);
  const auto park = [this](sync::Parker& parker) {
    const auto patience = clamped(options_.stall_warning_s);
    if (parker.park_until(later(Clock::now(), patience))) return;
    warn("polyreme: spawn() sleeps because more than " + std::to_string(deck_.max_ready) +
         " ready tasks of this thread wait for a slot, and none was free for long; if what runs waits for this thread, "
         "raise max_ready");
    parker.park();
  };
  lane.back_pressure.sleep_while_full(deck_.max_ready, [&] { return lane.queues.ready(); }, park);
}

}  // namespace polyreme::runtime
