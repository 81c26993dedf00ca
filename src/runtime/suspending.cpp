// Bodies that wait without a thread.
//
// A coroutine body that awaits a task which is not done returns from BodyOps::run with that task. Only then, when
// nothing of the body is left on this thread's stack, the record is entered into the task's list (graph/awaiting.hpp);
// from that moment another thread may run it. A suspended body holds neither slot nor thread nor memory besides its
// record and its frame. Once the awaited task is done, the thread that completed it puts the record into its own queue,
// as a task that became ready (one of several cores collects them again), and the next part of the body runs wherever
// it is taken from there.
//
// What has to find suspended bodies, the search for circles, finds their records by marks in the slab: a list of them
// would cost two locks a wait.
//
// A body that awaits a task of another runtime counts as a producer of its own meanwhile: idle slots are no stall then.
#include "runtime/suspending.hpp"

#include <polyreme/errors.hpp>

#include "graph/dependencies.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <cstddef>
#include <new>
#include <utility>

namespace polyreme::runtime {

using tasks::Record;

namespace {

std::exception_ptr cancelled_wait(const Record& record) {
  return std::make_exception_ptr(
      TaskCancelled("polyreme: " + detail::name_of(record) + " was cancelled while it waited for another task"));
}

}  // namespace

void AwaitPort::resume(Record& record) noexcept {
  Engine::of(record).resume(record);
}

void AwaitPort::release(Record& record) noexcept {
  Engine::of(record).release(record);
}

/// Returns the record if its body goes on at once, null if it is out of this thread's hands.
Record* Engine::suspend(Record& record, Record& target, launch::Lane& lane) noexcept {
  if (lane.trace != nullptr) [[unlikely]]
    trace_suspend(record, lane);
  if (detail::EnteredScope* const entered = std::exchange(this_thread.entered, nullptr); entered != nullptr) {
    tasks::rare_of(record).entered = entered;
  }
  graph::for_each_block(record, [this](void* block) { free_block(block); });  // a listener takes the place of the edges
  const bool elsewhere = &of(target) != this;
  if (elsewhere) deck_.pool.locked([this](bool) { ++producers_; });
  base::BlockDepot::mark(&record);
  const graph::Suspension suspension = Awaiting::suspend(record, target, elsewhere);
  if (suspension == graph::Suspension::kSuspended) return nullptr;
  base::BlockDepot::unmark(&record);
  if (elsewhere) lose_producer();
  if (suspension == graph::Suspension::kInterrupted) tasks::rare_of(record).interruption = cancelled_wait(record);
  if (suspension == graph::Suspension::kNoMemory) {
    tasks::rare_of(record).interruption = std::make_exception_ptr(std::bad_alloc());
  }
  tasks::make_resumable(record);
  return &record;
}

void Engine::resume(Record& record) noexcept {
  const bool elsewhere = (record.pending.load(sync::memory_order_relaxed) & tasks::await_word::kElsewhere) != 0;
  base::BlockDepot::unmark(&record);
  if (elsewhere) tasks::add_reference(record);
  tasks::make_resumable(record);  // all is prepared: from here on a stale entry may bring it to another thread
  make_ready(record, lane_for(*this));
  if (!elsewhere) return;
  // On a thread of another engine: the reference has kept this one from being reaped.
  lose_producer();  // not before the push, or there would be nothing left to wait for in between
  release(record);
}

void Engine::resume_with(Record& record, std::exception_ptr error) noexcept {
  tasks::rare_of(record).interruption = std::move(error);
  resume(record);
}

bool Engine::resume_cancelled(Record& record) noexcept {
  if (tasks::done(record) || !tasks::interrupt(record, true)) return false;
  resume_with(record, cancelled_wait(record));
  return true;
}

}  // namespace polyreme::runtime

// ---- What include/polyreme/detail/abi.hpp promises to bodies that suspend.

namespace polyreme::detail {

using runtime::Engine;
using runtime::this_thread;

void check_await(const Record& target) {
  if (this_thread.current == &target) {
    throw UsageError("polyreme: " + name_of(target) + " waits for itself; a body cannot use its own result");
  }
}

bool was_interrupted(const Record& self) noexcept {
  return self.rare != nullptr && self.rare->interruption != nullptr;
}

std::exception_ptr take_interruption() noexcept {
  const Record& self = *this_thread.current;
  return self.rare != nullptr ? std::exchange(self.rare->interruption, nullptr) : nullptr;
}

namespace {

/// What a small frame lies behind in its block.
struct FrameHead {
  tasks::StateWord of_a_record;  ///< left as it is
  Engine* engine;                ///< that the block comes from, or null
};
constexpr std::size_t kSmallFrame = base::kBlockBytes - sizeof(FrameHead);
static_assert(sizeof(FrameHead) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);

Engine*& engine_of(std::byte* block) noexcept {
  return *std::launder(reinterpret_cast<Engine**>(block + offsetof(FrameHead, engine)));
}

}  // namespace

void* allocate_frame(std::size_t bytes) {
  if (bytes > kSmallFrame) return ::operator new(bytes);
  Engine* const engine = this_thread.current != nullptr ? &Engine::of(*this_thread.current) : nullptr;
  auto* const block =
      static_cast<std::byte*>(engine != nullptr ? engine->allocate_block() : ::operator new(base::kBlockBytes));
  ::new (block + offsetof(FrameHead, engine)) Engine*(engine);
  return block + sizeof(FrameHead);
}

void free_frame(void* frame, std::size_t bytes) noexcept {
  if (bytes > kSmallFrame) {
    ::operator delete(frame, bytes);
    return;
  }
  auto* const block = static_cast<std::byte*>(frame) - sizeof(FrameHead);
  if (Engine* const engine = engine_of(block); engine != nullptr) {
    engine->free_block(block);
  } else {
    ::operator delete(block, base::kBlockBytes);
  }
}

}  // namespace polyreme::detail
