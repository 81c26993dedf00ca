#include "runtime/arrivals.hpp"

#include <polyreme/detail/abi.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

namespace polyreme::runtime {

using tasks::Record;

Arrivals::Handle Arrivals::of(std::span<Record* const> tasks) {
  Handle handle(new Arrivals(tasks));
  Arrivals& self = *handle;
  for (Place& place : self.places_) {
    self.holders_.fetch_add(1, sync::memory_order_relaxed);
    detail::retain(*place.record);
    if (!graph::push_listener(*place.record, place)) arrive_and_let_go(place, *place.record);
  }
  return handle;
}

Arrivals::Arrivals(std::span<Record* const> tasks) : places_(tasks.size()) {
  order_.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    Place& place = places_[i];
    place.notify = &arrive_and_let_go;
    place.waiting_body = nullptr;
    place.arrivals = this;
    place.record = tasks[i];
    of_one_engine_ = of_one_engine_ && &Engine::of(*tasks[i]) == &Engine::of(*tasks[0]);
  }
}

void Arrivals::let_go() noexcept {
  // Acquire-release: whoever is last sees what all others did here.
  if (holders_.fetch_sub(1, sync::memory_order_acq_rel) == 1) delete this;
}

void Arrivals::arrive(Place& place) noexcept {
  const std::lock_guard lock(mutex_);
  place.arrived = true;
  order_.push_back(static_cast<std::size_t>(&place - places_.data()));
  if (sleeper_ != nullptr) sleeper_->unpark();
}

void Arrivals::arrive_and_let_go(graph::Listener& self, Record& done) noexcept {
  auto& place = static_cast<Place&>(self);
  Arrivals& arrivals = *place.arrivals;
  arrivals.arrive(place);
  arrivals.let_go();
  detail::release(done);
}

std::size_t Arrivals::take() noexcept {
  const std::lock_guard lock(mutex_);
  return taken_ == order_.size() ? kNone : order_[taken_++];
}

Record* Arrivals::unfinished() noexcept {
  const std::lock_guard lock(mutex_);
  while (first_unfinished_ < places_.size() && places_[first_unfinished_].arrived)
    ++first_unfinished_;
  return first_unfinished_ < places_.size() ? places_[first_unfinished_].record : nullptr;
}

bool Arrivals::any() const noexcept {
  const std::lock_guard lock(mutex_);
  return taken_ != order_.size();
}

bool Arrivals::waited_for() const noexcept {
  const std::lock_guard lock(mutex_);
  return sleeper_ != nullptr;
}

Arrivals* Arrivals::of_listener(const graph::Listener& listener) noexcept {
  return listener.notify == &arrive_and_let_go ? static_cast<const Place&>(listener).arrivals : nullptr;
}

Arrivals::Sleeper::Sleeper(Arrivals& arrivals, sync::Parker& parker) noexcept : arrivals_(arrivals) {
  const std::lock_guard lock(arrivals_.mutex_);
  arrivals_.sleeper_ = &parker;
}

Arrivals::Sleeper::~Sleeper() {
  const std::lock_guard lock(arrivals_.mutex_);
  arrivals_.sleeper_ = nullptr;
}

// ---- the wait

/// The search for circles finds the body that waits for the next arrival.
class Engine::ArrivalWait {
 public:
  ArrivalWait(Engine& engine, Arrivals& arrivals, Record* body) noexcept
      : engine_(engine), arrivals_(body != nullptr ? &arrivals : nullptr) {
    if (arrivals_ != nullptr) engine_.deck_.pool.locked([&](bool) { arrivals_->waiting_body = body; });
  }
  ArrivalWait(const ArrivalWait&) = delete;
  ArrivalWait& operator=(const ArrivalWait&) = delete;
  ~ArrivalWait() {
    if (arrivals_ != nullptr) engine_.deck_.pool.locked([&](bool) { arrivals_->waiting_body = nullptr; });
  }

 private:
  Engine& engine_;
  Arrivals* const arrivals_;
};

bool Engine::wait_next(Arrivals& arrivals, std::int64_t timeout_ns, const WaitHooks* hooks) {
  const Record* const unfinished = arrivals.unfinished();
  if (arrivals.any() || unfinished == nullptr) return true;
  // A body waits as one of its own runtime, whosever the tasks are.
  if (const ThreadContext& self = this_thread; self.session_serial != 0 && &self.session->port() != this)
    return self.session->port().wait_next(arrivals, timeout_ns, hooks);
  check_process();
  publish_continuation();
  Waiter waiter;  // in no successor list: known to nobody once it is unregistered
  waiter.arrivals = &arrivals;
  waiter.elsewhere = !arrivals.of_one_engine() || &of(*unfinished) != this;
  const Arrivals::Sleeper sleeper(arrivals, waiter.parker);
  const bool searched = holds_slot_of(*this) && timeout_ns < 0 && !waiter.elsewhere;
  const ArrivalWait for_searches(*this, arrivals, searched ? this_thread.current : nullptr);
  return wait_unlisted(waiter, timeout_ns, hooks, [&arrivals] { return arrivals.any(); });
}

}  // namespace polyreme::runtime
