// A body's thread runs something else in place of its wait, on the body's slot and stack.
#pragma once

#include "base/checks.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <cstddef>
#include <exception>
#include <new>
#include <utility>

namespace polyreme::runtime {

/// What runs in place of a wait is waited for by the body below it on the stack: the search for a circle of waits must
/// see that.
/// Its entry in the other's list stays behind if that one was suspended. (Without memory for the entry, the search
/// misses this wait.)
class BodyBelow {
 public:
  BodyBelow(Engine& engine, tasks::Record& above) noexcept : engine_(engine), entry_(make_entry(engine)) {
    if (entry_ != nullptr) POLYREME_CHECK(graph::push_listener(above, *entry_));
  }
  BodyBelow(const BodyBelow&) = delete;
  BodyBelow& operator=(const BodyBelow&) = delete;
  ~BodyBelow() {
    if (entry_ == nullptr) return;
    if (entry_->holders.load(sync::memory_order_acquire) != 1) [[unlikely]]
      engine_.deck().pool.locked([this](bool) { entry_->waiting_body = nullptr; });  // a search reads it there
    drop(engine_, entry_);
  }

 private:
  struct Entry : graph::Listener {
    sync::Atomic<std::uint32_t> holders{2};  ///< this object, and the list
  };
  /// A block's first word is a record's.
  static constexpr std::size_t kEntryAt = sizeof(tasks::StateWord);

  static Entry* make_entry(Engine& engine) noexcept {
    try {
      auto* entry = ::new (static_cast<std::byte*>(engine.allocate_block()) + kEntryAt) Entry;
      entry->notify = [](graph::Listener& self, tasks::Record& done) noexcept {
        drop(Engine::of(done), static_cast<Entry*>(&self));
      };
      entry->waiting_body = this_thread.current;
      return entry;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  static void drop(Engine& engine, Entry* entry) noexcept {
    if (entry->holders.fetch_sub(1, sync::memory_order_acq_rel) != 1) return;
    engine.free_block(reinterpret_cast<std::byte*>(entry) - kEntryAt);
  }

  Engine& engine_;
  Entry* const entry_;
};

/// The time in which that runs: nested, with the body below suspended for traces. Leaves the thread inside or outside
/// the interpreter as it was.
class InPlace {
 public:
  InPlace(Engine& engine, Session& session) noexcept
      : engine_(engine),
        session_(session),
        was_inside_(session.inside()),
        below_(this_thread.current),
        exceptions_below_(std::exchange(this_thread.exceptions_below, std::uncaught_exceptions())) {
    ++this_thread.nested;
    if (below_ != nullptr && session_.lane().trace != nullptr) engine_.trace_suspend(*below_, session_.lane());
  }
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;
  ~InPlace() {
    if (below_ != nullptr && session_.lane().trace != nullptr) engine_.trace_resume(*below_, session_.lane());
    --this_thread.nested;
    this_thread.exceptions_below = exceptions_below_;
    if (was_inside_) {
      session_.enter_interpreter();
    } else {
      session_.leave_interpreter();
    }
  }

 private:
  Engine& engine_;
  Session& session_;
  const bool was_inside_;
  tasks::Record* const below_;
  const int exceptions_below_;
};

}  // namespace polyreme::runtime
