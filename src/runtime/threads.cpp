#include "runtime/threads.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cxxabi.h>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

// The program or shared library that this is part of, as the C++ ABI names it.
extern "C" void* __dso_handle;  // NOLINT(bugprone-reserved-identifier,readability-identifier-naming)

namespace polyreme::runtime {

thread_local ThreadContext this_thread;

namespace {

/// Engines that are not yet reaped, with their lanes that lost their thread.
struct Registry {
  struct Known {
    Engine* engine;
    std::vector<launch::Lane*> orphans;
    std::uint32_t pins = 0;  ///< threads that use the engine without the lock; it is not forgotten meanwhile
  };
  std::mutex mutex;
  std::condition_variable unpinned;
  std::unordered_map<std::uint64_t, Known> engines;
};

/// Never destroyed: threads may end, and handles be dropped, after static destructors have run.
Registry& registry() {
  static auto* const instance = new Registry;
  return *instance;
}

/// What a thread holds of engines it has no session in.
class ForeignPart {
 public:
  ForeignPart() = default;
  ForeignPart(const ForeignPart&) = delete;
  ForeignPart& operator=(const ForeignPart&) = delete;
  ~ForeignPart() {
    Registry& all = registry();
    std::unique_lock lock(all.mutex);
    for (const Entry& entry : entries_) {
      const auto known = all.engines.find(entry.serial);
      if (known == all.engines.end()) continue;
      if (entry.lane != nullptr) known->second.orphans.push_back(entry.lane);
      if (entry.producer_depth == 0) continue;
      // Without the registry's lock: that one is taken under a space's lock, which a diagnosis takes under the slot
      // pool's.
      Registry::Known& pinned = known->second;
      ++pinned.pins;
      lock.unlock();
      pinned.engine->lose_producer();
      lock.lock();
      if (--pinned.pins == 0) all.unpinned.notify_all();
    }
  }

  struct Entry {
    std::uint64_t serial;
    launch::Lane* lane;
    std::int64_t producer_depth;
  };

  Entry& entry_for(const Engine& engine) {
    const auto found =
        std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.serial == engine.serial(); });
    if (found != entries_.end()) return *found;
    drop_dead();
    entries_.push_back({engine.serial(), nullptr, 0});
    return entries_.back();
  }

 private:
  /// A thread that uses many runtimes one after the other must not remember them all.
  void drop_dead() {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    std::erase_if(entries_, [&](const Entry& entry) { return !all.engines.contains(entry.serial); });
  }

  std::vector<Entry> entries_;
};

/// Null until the thread uses a foreign engine, and again once its part is gone. Neither this nor this_thread is ever
/// destroyed, so the program's own thread-local and static objects may spawn, wait and drop handles in their
/// destructors, however late.
constinit thread_local ForeignPart* foreign = nullptr;

void end_foreign_part(void* part) noexcept {
  foreign = nullptr;
  this_thread.foreign_serial = 0;
  delete static_cast<ForeignPart*>(part);
}

/// Ends with the thread's other thread-local objects. The part that one of their destructors makes, after the first is
/// gone, ends right after that destructor; one that a static destructor makes lasts until the process ends. A
/// thread_local object could do this once only, hence the call that such objects are made with.
ForeignPart& foreign_part() {
  if (foreign == nullptr) {
    auto part = std::make_unique<ForeignPart>();
    if (abi::__cxa_thread_atexit(end_foreign_part, part.get(), static_cast<void*>(&__dso_handle)) != 0)
      throw std::bad_alloc();
    foreign = part.release();
  }
  return *foreign;
}

}  // namespace

launch::Lane& adopt_lane(Engine& engine) {
  ForeignPart::Entry& entry = foreign_part().entry_for(engine);
  if (entry.lane == nullptr) {
    {
      Registry& all = registry();
      const std::lock_guard lock(all.mutex);
      const auto known = all.engines.find(engine.serial());
      if (known == all.engines.end()) throw belongs_to_parent();
      std::vector<launch::Lane*>& orphans = known->second.orphans;
      if (!orphans.empty()) {
        entry.lane = orphans.back();
        orphans.pop_back();
      }
    }
    if (entry.lane == nullptr) entry.lane = &engine.add_foreign_lane();
  }
  // Only a thread without a session keeps the short cut: in a session the entry belongs to another engine's task.
  this_thread.foreign_serial = engine.serial();
  this_thread.foreign_lane = entry.lane;
  return *entry.lane;
}

std::int64_t& producer_depth(const Engine& engine) {
  return foreign_part().entry_for(engine).producer_depth;
}

void announce_engine(Engine& engine) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.engines.emplace(engine.serial(), Registry::Known{&engine, {}});
}

void forget_engine(const Engine& engine) noexcept {
  Registry& all = registry();
  std::unique_lock lock(all.mutex);
  const auto known = all.engines.find(engine.serial());
  if (known == all.engines.end()) return;          // left to the parent process
  const std::uint32_t& pins = known->second.pins;  // stays in place while others come and go
  all.unpinned.wait(lock, [&] { return pins == 0; });
  all.engines.erase(engine.serial());
}

void lock_registry() noexcept {
  registry().mutex.lock();
}

void unlock_registry() noexcept {
  registry().mutex.unlock();
}

void forget_engines() noexcept {
  registry().engines.clear();
}

}  // namespace polyreme::runtime
