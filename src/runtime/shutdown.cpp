// Start, close, and the end of an engine's life.
//
// close(), step by step:
//   1. closing_: foreign threads can no longer spawn. Bodies still can.
//   2. Wait until every spawned task is completed. A stall is diagnosed as in any wait, so this ends.
//   3. Stop the pool: parked workers leave with no slot. Join them, and the spares. A queue may still hold entries of
//   tasks
//      that a waiter claimed, or that were given up: they hold the engine's reference, and are dropped.
//   4. closed_: from now on blocks are freed to the depot under its lock, whoever drops a handle.
//   5. Root failures that no wait has reported go to the warning handler.
// bury() puts the closed engine into the graveyard. A buried engine is deleted once all blocks that were taken are
// free, and it is known that the last thread to free one has left it (Lane::freed is its last touch).
#include <polyreme/errors.hpp>

#include "runtime/engine.hpp"
#include "runtime/stepper.hpp"
#include "runtime/threads.hpp"
#include "runtime/topology.hpp"
#include "trace/recorder.hpp"
#include "trace/tap.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace polyreme::runtime {

namespace {

struct Graveyard {
  std::mutex mutex;
  std::vector<Engine*> engines;
};

/// Never destroyed: handles may be dropped after static destructors have run.
Graveyard& graveyard() {
  static auto* const instance = new Graveyard;
  return *instance;
}

std::uint32_t usable_cores() noexcept {
  // Respects the affinity mask, unlike a count of what is plugged in.
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&mask)));
  return std::max(1U, std::thread::hardware_concurrency());
}

constexpr std::uint32_t kMaxWorkers = 1024;

std::uint32_t checked_workers(std::uint32_t workers) {
  if (workers > kMaxWorkers) {
    throw UsageError("polyreme: workers=" + std::to_string(workers) + "; at most " + std::to_string(kMaxWorkers) +
                     " make sense on one node");
  }
  return workers == 0 ? std::min(usable_cores(), kMaxWorkers) : workers;
}

}  // namespace

Engine::Engine(EngineOptions options)
    : serial_(next_engine_serial()),
      options_(std::move(options)),
      slots_(checked_workers(options_.workers)),
      depot_(this),
      deck_(slots_) {
  deck_.use(options_.interpreter);
  deck_.max_ready = options_.max_ready;
  for (std::uint32_t slot = 0; slot < slots_; ++slot)
    deck_.lanes.add(depot_, slot);
  if (options_.pin) deck_.victims = launch::victim_orders(this_machine().places(slots_));
  if (!options_.seed.has_value()) return;
  stepper_ = std::make_unique<Stepper>(*this, *options_.seed);
  timers_.use_by_hand();
}

Engine::~Engine() = default;  // here, where trace::Recorder is complete

Engine* Engine::open(EngineOptions options) {
  reap();
  if (!(options.stall_warning_s > 0.0)) {
    throw UsageError("polyreme: stall_warning_s=" + std::to_string(options.stall_warning_s) +
                     "; it is a number of seconds above 0");
  }
  if (options.seed.has_value()) {
    options.workers = 1;
    options.max_ready = kUnlimited;  // a producer that slept would wait for somebody else to drive
  }
  static_cast<void>(base::ticks_per_us());  // measured before anybody waits for it
  auto* engine = new Engine(std::move(options));
  announce_engine(*engine);
  try {
    const std::lock_guard lock(engine->threads_mutex_);
    for (std::uint32_t i = 0; i < engine->slots_; ++i)
      engine->start_worker_locked();
    // The thread that opens a runtime is the one that spawns, as a rule: until it waits, what others wait for may come.
    engine->add_producer();
  } catch (...) {
    engine->close();
    bury(engine);
    throw;
  }
  return engine;
}

void Engine::start_worker_locked() {
  threads_.reserve(threads_.size() + 1);
  threads_.emplace_back([this] { worker_main(); });
}

launch::Lane& Engine::add_foreign_lane() {
  launch::Lane& lane = deck_.lanes.add(depot_, ~0U);
  attach_trace(lane);
  return lane;
}

void Engine::close() {
  if (holds_slot_of(*this)) {
    throw UsageError("polyreme: a body cannot close the runtime that runs it; return, and close it outside");
  }
  if (closed_.load(std::memory_order_acquire)) return;
  if (stayed_in_parent(serial_)) return;
  closing_.store(true, std::memory_order_release);
  look_for_stall();  // producers do not count any more: whoever waits for an id that was not spawned has to hear of it
  static_cast<void>(wait_quiescent(-1, nullptr));
  if (stepper_ != nullptr) {
    // A thread may be left in a destructor that waits, after the last task was counted.
    while (step()) {
    }
    stepper_->stop();
  }
  timers_.stop();
  deck_.pool.stop();
  {
    // A joining thread must not hold the interpreter: workers may need it for their last breath.
    const InterpreterPause pause(*this);
    // Again and again: a thread that is still in a destructor that waits may start a spare.
    std::vector<std::thread> leaving;
    do {
      for (std::thread& thread : leaving)
        thread.join();
      leaving.clear();
      const std::lock_guard lock(threads_mutex_);
      leaving.swap(threads_);
    } while (!leaving.empty());
  }
  drop_stale_entries();
  drop_requests();
  for (const auto& space : live_spaces())
    space->close();
  closed_.store(true, std::memory_order_release);
  const Failures failures = take_failures();
  for (const Failure& failure : failures.roots) {
    warn("polyreme: a failure that no wait() reported: " + describe(failure));
  }
}

void Engine::drop_stale_entries() noexcept {
  std::array<tasks::Entry*, 64> stale;
  for (std::uint32_t i = 0, n = deck_.lanes.size(); i < n; ++i) {
    launch::Lane& lane = deck_.lanes[i];
    lane.queues.for_each([&](launch::TaskQueue& queue) {
      std::uint32_t count = 0;
      while (queue.steal_half(stale, count) != sync::Steal::kEmpty) {
        for (std::uint32_t k = 0; k < count; ++k)
          release(static_cast<tasks::Record&>(*stale[k]));
      }
    });
    // Its thread may sleep until a thief has made room, and there is no thief left.
    if (lane.slot == ~0U) lane.back_pressure.taken(deck_.max_ready, [&] { return lane.queues.ready(); });
  }
}

bool Engine::all_freed() noexcept {
  // Freed first: what is freed was taken.
  const std::uint64_t freed = deck_.lanes.sum(&launch::Lane::freed) + freed_outside_.load(std::memory_order_acquire);
  return freed == deck_.lanes.sum(&launch::Lane::taken) && !scopes_.in_use();
}

void Engine::bury(Engine* engine) {
  if (stayed_in_parent(engine->serial_)) return;  // of no use here, and not to be taken apart either
  {
    Graveyard& all = graveyard();
    const std::lock_guard lock(all.mutex);
    all.engines.push_back(engine);
  }
  reap();
}

void Engine::reap() {
  std::vector<Engine*> dead;
  {
    Graveyard& all = graveyard();
    const std::lock_guard lock(all.mutex);
    std::erase_if(all.engines, [&](Engine* engine) {
      if (!engine->all_freed()) return false;
      dead.push_back(engine);
      return true;
    });
  }
  for (Engine* engine : dead) {
    forget_engine(*engine);
    delete engine;
  }
}

void lock_graveyard() noexcept {
  graveyard().mutex.lock();
}

void unlock_graveyard() noexcept {
  graveyard().mutex.unlock();
}

void forget_buried_engines() noexcept {
  graveyard().engines.clear();
}

void Engine::warn(const std::string& text) const noexcept {
  const char* handler_threw = "";
  try {
    if (options_.warn) {
      options_.warn(text);
      return;
    }
  } catch (...) {
    // It has nobody to throw to; the text must get out all the same.
    handler_threw = " (the warning handler threw)";
  }
  std::fprintf(stderr, "%s%s\n", text.c_str(), handler_threw);
}

}  // namespace polyreme::runtime
