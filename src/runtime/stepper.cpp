#include "runtime/stepper.hpp"

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "task/awaiting.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <span>
#include <utility>

namespace polyreme::runtime {

using tasks::Record;

namespace {

using Clock = std::chrono::steady_clock;

/// How long a thread that waits, while nothing can go on, leaves others the time to change that. They are outside of
/// what the seed decides, and nobody is told of what they do.
constexpr std::chrono::milliseconds kNap{2};

/// A session that is to stop at once leaves all but one node of a captured graph to the next step.
constinit const std::atomic<bool> kAlways{true};

constexpr std::int64_t kPatienceNs = 50'000'000;

}  // namespace

// ---- the driver

Stepper::Step Stepper::step(std::int64_t deadline_ns, std::int64_t patience_ns) {
  const std::unique_lock driving(driver_mutex_, std::try_to_lock);
  if (!driving) return Step::kBusy;
  if (!await_worker(patience_ns)) return Step::kRuns;
  collect();
  while (!pick()) {
    Sleeper* const sleeper = earliest();
    const std::int64_t sleeper_ns = sleeper == nullptr ? kNever : sleeper->deadline_ns;
    const std::int64_t timer_ns = engine_.timers_.next().time_since_epoch().count();
    if (std::min(sleeper_ns, timer_ns) > deadline_ns || (sleeper == nullptr && timer_ns == kNever)) {
      if (deadline_ns == kNever) return Step::kNothing;
      pass_time_until(deadline_ns);
      return Step::kTimeout;
    }
    pass_time_until(std::min(sleeper_ns, timer_ns));
    if (sleeper_ns < timer_ns) {
      let_go(*sleeper, true);
      break;
    }
    engine_.timers_.fire_next();  // makes a task ready
    collect();
  }
  return await_worker(patience_ns) ? Step::kRan : Step::kRuns;
}

void Stepper::while_still(const std::function<void()>& fn) {
  const std::lock_guard driving(driver_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (running_ || !ready_.empty()) return;
  }
  fn();
}

/// Lets go what the seed says. False: nothing is ready.
bool Stepper::pick() {
  while (true) {
    const std::vector<Sleeper*> awake = bodies_awake();
    if (awake.empty() && ready_.empty()) return false;
    const auto index = static_cast<std::size_t>(below(awake.size() + ready_.size()));
    if (index < awake.size()) {
      let_go(*awake[index], false);
      return true;
    }
    const std::size_t place = index - awake.size();
    tasks::Entry* const entry = ready_[place];
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(place));
    ready_count_.store(ready_.size(), std::memory_order_relaxed);
    if (drop_if_stale(*entry)) continue;  // which may have run a destructor that waits, and so has made steps
    let_go(*entry);
    return true;
  }
}

/// Takes everything out of the lanes' queues, in an order that does not depend on time or addresses.
void Stepper::collect() {
  launch::Deck& deck = engine_.deck();
  std::array<tasks::Entry*, 64> some;
  for (std::uint32_t i = 0, n = deck.lanes.size(); i < n; ++i) {
    deck.lanes[i].queues.for_each([&](launch::TaskQueue& queue) {
      std::uint32_t count = 0;
      while (queue.steal_half(some, count) != sync::Steal::kEmpty)
        ready_.insert(ready_.end(), some.begin(), some.begin() + count);
    });
  }
  ready_count_.store(ready_.size(), std::memory_order_relaxed);
}

/// A task that a helping waiter ran, or that was cancelled, leaves an entry that does nothing but hold a reference.
bool Stepper::drop_if_stale(tasks::Entry& entry) {
  if ((entry.flags & (tasks::kGraphNode | tasks::kGraphSources)) != 0) return false;
  auto& record = static_cast<Record&>(entry);
  if ((tasks::flags_of(record) & tasks::state::kStarted) == 0 || tasks::is_resumable(record)) return false;
  engine_.release(record);
  return true;
}

/// Bodies whose wait is over.
std::vector<Stepper::Sleeper*> Stepper::bodies_awake() {
  const std::lock_guard lock(mutex_);
  std::vector<Sleeper*> awake;
  engine_.deck_.pool.locked([&](bool) {
    std::ranges::copy_if(asleep_, std::back_inserter(awake),
                         [this](const Sleeper* one) { return engine_.over_locked(one->waiter); });
  });
  return awake;
}

Stepper::Sleeper* Stepper::earliest() {
  const std::lock_guard lock(mutex_);
  const auto first = std::ranges::min_element(asleep_, std::less<>(), &Sleeper::deadline_ns);
  return first == asleep_.end() || (*first)->deadline_ns == kNever ? nullptr : *first;
}

void Stepper::let_go(tasks::Entry& entry) {
  Worker* worker = nullptr;
  while (worker == nullptr) {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        worker = idle_.back();
        idle_.pop_back();
        running_ = true;
      }
    }
    // For each body that waits there is a thread more, which may be on its way.
    if (worker == nullptr) driver_parker_.park();
  }
  worker->entry = &entry;
  worker->parker.unpark();
}

void Stepper::let_go(Sleeper& sleeper, bool timed_out) {
  {
    const std::lock_guard lock(mutex_);
    asleep_.erase(std::ranges::find(asleep_, &sleeper));
    running_ = true;
  }
  sleeper.timed_out = timed_out;
  sleeper.parker.unpark();
}

/// False: the step goes on when `patience_ns` is over (negative: never).
bool Stepper::await_worker(std::int64_t patience_ns) {
  const auto until = Clock::now() + std::chrono::nanoseconds(patience_ns);
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (!running_) return true;
    }
    if (patience_ns < 0) {
      driver_parker_.park();
    } else if (!driver_parker_.park_until(until)) {
      const std::lock_guard lock(mutex_);
      return !running_;
    }
  }
}

void Stepper::pass_time_until(std::int64_t time_ns) {
  const std::lock_guard lock(mutex_);
  now_ns_ = std::max(now_ns_, time_ns);
}

std::chrono::nanoseconds Stepper::now() {
  const std::lock_guard lock(mutex_);
  return std::chrono::nanoseconds(now_ns_);
}

std::int64_t Stepper::deadline_after(std::int64_t timeout_ns) {
  const std::lock_guard lock(mutex_);
  return timeout_ns < 0 || timeout_ns >= kNever - now_ns_ ? kNever : now_ns_ + timeout_ns;
}

void Stepper::stop() {
  std::vector<Worker*> leaving;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    leaving.swap(idle_);
  }
  for (Worker* worker : leaving)
    worker->parker.unpark();
}

/// splitmix64 (Steele, Lea and Flood, 2014): the same everywhere, unlike the standard library's distributions.
std::uint64_t Stepper::below(std::uint64_t count) noexcept {
  random_ += 0x9e3779b97f4a7c15U;
  std::uint64_t bits = random_;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return (bits ^ (bits >> 31)) % count;  // `count` is far too small for the remainder to favour any
}

// ---- the active worker

tasks::Entry* Stepper::await_entry(Worker& worker, bool ends_step) {
  worker.entry = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (ends_step) running_ = false;
    if (!stopping_) idle_.push_back(&worker);
    driver_parker_.unpark();
    if (stopping_) return nullptr;
  }
  worker.parker.park();
  return worker.entry;
}

bool Stepper::block(Waiter& waiter, std::int64_t timeout_ns) {
  Sleeper self{waiter, deadline_after(timeout_ns)};
  {
    const std::lock_guard lock(mutex_);
    asleep_.push_back(&self);
    running_ = false;
    driver_parker_.unpark();
  }
  self.parker.park();
  return self.timed_out;
}

// ---- the engine's part

bool Engine::step() {
  if (stepper_ == nullptr) throw UsageError("polyreme: only a runtime that was opened with a seed can step");
  if (holds_slot_of(*this)) {
    throw UsageError("polyreme: step() in a body; step from the thread that drives the runtime");
  }
  check_process();
  publish_continuation();
  const InterpreterPause pause(*this);
  return stepper_->step(Stepper::kNever, -1) == Stepper::Step::kRan;
}

/// The wait of a thread without a slot: it drives meanwhile, or lets another thread do so.
Engine::Slept Engine::sleep_stepping(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks,
                                     const Over& over) {
  const std::int64_t deadline = stepper_->deadline_after(timeout_ns);
  const std::chrono::nanoseconds interval(hooks != nullptr ? hooks->interval_ns : kPatienceNs);
  auto ask_at = Clock::now() + interval;
  bool diagnosed = false;  // since something last went on, or had the time to
  while (!over() && !has_error(waiter)) {
    const Stepper::Step step = stepper_->step(deadline, interval.count());
    if (step == Stepper::Step::kTimeout) return Slept::kTimeout;
    const bool nothing = step == Stepper::Step::kNothing;
    if (nothing && !diagnosed) {
      stepper_->while_still([this] { diagnose(); });  // nobody may run anything meanwhile
    } else if (nothing || step == Stepper::Step::kBusy) {
      static_cast<void>(waiter.parker.park_until(Clock::now() + kNap));
    }
    diagnosed = nothing && !diagnosed;
    if (hooks != nullptr && Clock::now() >= ask_at) {
      if (!over() && hooks->abandon(hooks->self)) return Slept::kAbandoned;
      ask_at = Clock::now() + interval;
    }
  }
  return Slept::kOver;
}

Timers::Clock::time_point Engine::now() {
  return stepper_ != nullptr ? Timers::Clock::time_point(stepper_->now()) : Timers::Clock::now();
}

void Engine::stepped_worker_main() {
  ThreadContext& self = this_thread;
  launch::SlotPool::Seat seat;  // tells this thread from a foreign one
  Session session(*this, deck_);
  Stepper::Worker worker;
  self.session = &session;
  self.seat = &seat;
  session.board(0, false);
  session.stop_when(&kAlways);
  for (tasks::Entry* entry = stepper_->await_entry(worker, false); entry != nullptr;
       entry = stepper_->await_entry(worker, true)) {
    self.session_serial = serial_;
    if (entry->domain == detail::Domain::kInterpreter) {
      session.enter_interpreter();
      deck_.interpreter->settle();
    }
    if (tasks::Entry* const next = run(*entry, session.lane()); next != nullptr) deck_.push(session.lane(), *next);
    session.leave_interpreter();
    self.session_serial = 0;
  }
  if (deck_.interpreter != nullptr) deck_.interpreter->thread_ends();
}

}  // namespace polyreme::runtime
