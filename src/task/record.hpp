// The task record: everything the engine knows of one task, in two cache lines.
//
// Fields and owners. A task passes through phases; each phase has one owner of the plain fields:
//   placeholder   (named, not spawned)   plain fields: the space's lock (the id in rare)
//   building      from begin_spawn to commit_spawn: the spawning thread
//   waiting       from commit_spawn until `pending` reaches 0: nobody; except rare->failure, which belongs to the first
//                 failing predecessor (the one whose set_poisoned() returned true) until its own count-down
//   ready         the queue that holds the record; then whoever wins try_start()
//   running       the thread that won try_start()
//   suspended     nobody: a body that waits without a thread. Then the queue again, or whoever resumes it
//   done          read-only, for every holder of a reference, after it has seen the successor list closed
//   free          the slab cache
// `state`, `pending`, `successors` and `rare` are the only fields that several threads touch at a time; the last, so
// that whoever has a reference can tell the task's name at any time (detail::name_of). The owner sets it; the id in it
// is there before anybody else has a reference, and its label can be read while it is set.
//
// One word, `state`, holds the reference count and the flags. It changes only through the named transitions below,
// whose results tell the caller what it must do. References: one for the engine from commit to completion, one for each
// handle, one for a space's entry, and one for a queue entry whose task was claimed by a helping waiter.
//
// A count of 1 seen by the holder of that reference cannot change under it: nobody else has a reference to copy. The
// hot paths use this to leave out read-modify-writes (sole_owner()). Tasks of a scope are excepted: who cancels the
// scope finds them without a reference (runtime/scope.hpp). For the same reason nothing but the state word of a record
// is ever written to the first word of a block of its memory, and the last reference to a task of a scope is counted
// down to 0.
#pragma once

#include <polyreme/detail/abi.hpp>

#include "base/checks.hpp"
#include "base/layout.hpp"
#include "sync/atomic.hpp"
#include "task/entry.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace polyreme::tasks {

struct Record;

/// Where a task stands in the successor list of one predecessor. Inline edges sit in the successor's record itself, so
/// the successor follows from the address; see graph/successors.hpp.
struct Edge {
  std::uintptr_t next;
};

/// The user's name of a task. Set by the owner of the record's plain fields while others may read it: an id has handles
/// before it is spawned, and a task may get its name as it fails. So what a reader was given stays as it is until the
/// record is freed.
class Label {
 public:
  Label() = default;
  Label(const Label&) = delete;
  Label& operator=(const Label&) = delete;
  ~Label() {
    Text* text = newest_.load(sync::memory_order_relaxed);
    while (text != nullptr) {
      Text* const before = text->before;
      delete text;
      text = before;
    }
  }

  Label& operator=(std::string_view text) {
    // Release: partner is text(). A reader of the new text must see its characters.
    if (text != this->text())
      newest_.store(new Text{std::string(text), newest_.load(sync::memory_order_relaxed)}, sync::memory_order_release);
    return *this;
  }
  /// Valid as long as the record.
  [[nodiscard]] std::string_view text() const noexcept {
    const Text* const text = newest_.load(sync::memory_order_acquire);
    return text != nullptr ? std::string_view(text->characters) : std::string_view();
  }
  [[nodiscard]] bool empty() const noexcept { return text().empty(); }

 private:
  struct Text {
    const std::string characters;
    Text* const before;  ///< from a spawn of the same id that failed half-way
  };
  sync::Atomic<Text*> newest_{nullptr};
};

/// A body that may run again when it throws. Belongs to whoever owns the record's plain fields.
struct Retry {
  std::uint32_t left = 0;       ///< attempts after this one
  std::int64_t backoff_ns = 0;  ///< before the next one; doubles each time
  std::exception_ptr last;      ///< of the attempt before, while the next one waits for its time
  Record* timer = nullptr;      ///< the task that is done at that time, with a reference
};

/// What few tasks have; a plain task has none of it.
struct Rare {
  Rare() = default;
  Rare(const Rare&) = delete;
  Rare& operator=(const Rare&) = delete;
  ~Rare() { delete stop.load(sync::memory_order_relaxed); }

  std::uint32_t cores = 1;                  ///< slots that the body holds while it runs
  Label label;                              ///< for messages and traces
  std::exception_ptr failure;               ///< what result() throws: the body's exception, or why it never ran
  std::exception_ptr doom;                  ///< instead of `failure`, which a predecessor may be writing just then
  std::exception_ptr interruption;          ///< why a suspended body goes on although the awaited task is not done
  detail::EnteredScope* entered = nullptr;  ///< the innermost scope that a suspended body is in
  std::exception_ptr for_dependents;        ///< what dependents get instead, if that differs: a DependencyFailed
  std::uint64_t cancelled_by = 0;           ///< id of the predecessor that failed first, or 0
  std::unique_ptr<Retry> retry;             ///< with kRepeatable
  sync::Atomic<std::stop_source*> stop{nullptr};  ///< set by the body's thread, once; see publish_stop_source()
  std::shared_ptr<graph::SpaceState> space;       ///< the space whose id this task has
  void* space_row = nullptr;                      ///< position of the id in its space: the row …
  std::int64_t space_index = 0;                   ///< … and the place in it
  std::shared_ptr<const std::vector<std::int64_t>> leading_indices;  ///< the id's other indices

  [[nodiscard]] const std::exception_ptr& outcome() const noexcept { return doom != nullptr ? doom : failure; }
  [[nodiscard]] const std::exception_ptr& failure_for_dependents() const noexcept {
    return for_dependents != nullptr ? for_dependents : failure;
  }
};

/// The record's pointer to its Rare; null for a plain task. The owner of the plain fields sets it once.
class RarePointer {
 public:
  /// Acquire: partner is operator=. Who finds one sees the id in it.
  operator Rare*() const noexcept { return rare_.load(sync::memory_order_acquire); }
  Rare* operator->() const noexcept { return *this; }
  RarePointer& operator=(Rare* rare) noexcept {
    rare_.store(rare, sync::memory_order_release);
    return *this;
  }

 private:
  sync::Atomic<Rare*> rare_{nullptr};
};

namespace state {
inline constexpr std::uint64_t kOneReference = 1;
inline constexpr std::uint64_t kReferences = 0xffff'ffffULL;
inline constexpr std::uint64_t kSpawned = 1ULL << 32;    ///< begin_spawn claimed the record
inline constexpr std::uint64_t kStarted = 1ULL << 33;    ///< someone has the right to run (or to cancel) it
inline constexpr std::uint64_t kPoisoned = 1ULL << 34;   ///< a predecessor failed
inline constexpr std::uint64_t kFailed = 1ULL << 35;     ///< the body threw
inline constexpr std::uint64_t kCancelled = 1ULL << 36;  ///< the body never ran
inline constexpr std::uint64_t kOnRequest = 1ULL << 37;  ///< with kCancelled: because somebody asked for it
inline constexpr std::uint64_t kClaimed = 1ULL << 38;    ///< started by a helping waiter: its queue entry is stale
inline constexpr std::uint64_t kCancelRequested = 1ULL << 39;  ///< request_cancel() was called
inline constexpr std::uint64_t kGraphRun = 1ULL << 40;  ///< a run of a captured graph: its body is the run's address
inline constexpr unsigned kScopeShift = 41;  ///< from here on: the number of the scope that the task belongs to, or 0
inline constexpr std::uint64_t kScope = ~0ULL << kScopeShift;
}  // namespace state

inline constexpr std::uint32_t kMaxScope = (1U << (64 - state::kScopeShift)) - 1;

inline constexpr std::uint32_t kInlineEdges = 3;
inline constexpr std::uintptr_t kClosed = 1;  ///< value of `successors` once the task is done

/// `pending` until the task is committed.
inline constexpr std::uint32_t kUncommitted = 0xffff'ffffU;

/// Two cache lines; a power of two, for an edge finds its record by rounding down. The model checker's atomics are
/// larger.
inline constexpr std::size_t kRecordBytes = sync::kModelChecked ? 512 : 2 * base::kCacheLine;

/// The first word of a record, and so of its block.
struct StateWord {
  sync::Atomic<std::uint64_t> state;
};

struct alignas(kRecordBytes) Record : StateWord, Entry {
  // ---- line 0, after the state word and the entry
  sync::Atomic<std::uintptr_t> successors;  ///< tagged list head, or kClosed
  RarePointer rare;
  std::uint64_t id;  ///< unique within the runtime, ascending by producer
  Edge edges[kInlineEdges];
  // ---- line 1
  std::byte body[detail::kInlineBodyBytes];
  const detail::BodyOps* ops;
  union Site {
    std::source_location here;
    const SpawnSite* elsewhere;  ///< with kForeignSite: outlives the record
  } site;
};

inline constexpr std::uint16_t kFullRoad = 1;     ///< placed and admitted before it is launched
inline constexpr std::uint16_t kEdgeBlocks = 2;   ///< the last inline edge holds a chain of edge blocks
inline constexpr std::uint16_t kForeignSite = 4;  ///< spawned by a program in another language
inline constexpr std::uint16_t kNotice = 8;    ///< tells someone of another task's end: runs even if all is cancelled
inline constexpr std::uint16_t kStopped = 16;  ///< its body ran, and ended because that was asked for
inline constexpr std::uint16_t kRepeatable = 128;  ///< the body is still there when it has thrown, and may run again
/// Never runs next on the thread that made it ready, but goes where it belongs first.
inline constexpr std::uint16_t kNoContinuation = kFullRoad | kPrioritised;

static_assert(sizeof(Record) == kRecordBytes);
#ifndef POLYREME_SYNC_RELACY
// The body and what follows it fill the record's end, so the body begins where the front expects it.
// NOLINTBEGIN(bugprone-sizeof-expression): of the members
static_assert(sizeof(Record::body) + sizeof(Record::ops) + sizeof(Record::Site) == kRecordBytes - detail::kBodyOffset);
static_assert(sizeof(Entry) + sizeof(Record::state) + sizeof(Record::successors) + sizeof(Record::rare) +
                  sizeof(Record::id) + sizeof(Record::edges) ==
              detail::kBodyOffset);
// NOLINTEND(bugprone-sizeof-expression)
#endif

/// Makes fresh memory a record that is being built, with `references` references. Not ready: it is uncommitted.
inline void reset(Record& record, std::uint64_t references, std::uint64_t flags) noexcept {
  record.state.store(references | flags, sync::memory_order_relaxed);
  record.successors.store(0, sync::memory_order_relaxed);
  record.pending.store(kUncommitted, sync::memory_order_relaxed);
  record.domain = detail::Domain::kNative;
  record.scalar_result = false;
  record.flags = 0;
  record.rare = nullptr;
  record.ops = nullptr;
  record.site.here = {};
}

/// building.
inline void set_priority(Record& record, int priority) noexcept {
  if (priority != 0) record.flags |= priority > 0 ? kUrgent : kPatient;
}

[[nodiscard]] inline Rare& rare_of(Record& record) {
  if (record.rare == nullptr) record.rare = new Rare;
  return *record.rare;
}

/// building. A task of several cores takes the full road.
inline void set_cores(Record& record, std::uint32_t cores) {
  rare_of(record).cores = cores;
  if (cores > 1) record.flags |= kFullRoad;
}

[[nodiscard]] inline bool done(const Record& record) noexcept {
  // Partner: graph::close. Everything the body and its completion wrote is visible afterwards.
  return record.successors.load(sync::memory_order_acquire) == kClosed;
}

[[nodiscard]] inline std::uint64_t flags_of(const Record& record) noexcept {
  return record.state.load(sync::memory_order_acquire) & ~state::kReferences;
}

/// True when the caller's reference is the only one: nobody else can reach the record.
[[nodiscard]] inline bool sole_owner(const Record& record) noexcept {
  // Acquire: partner is the release in drop_reference; what earlier owners did to the record has happened.
  return (record.state.load(sync::memory_order_acquire) & (state::kReferences | state::kScope)) == state::kOneReference;
}

/// True when the engine's reference is the caller's and the only one: no handle is left, so none can be made any more.
/// After a claim the last reference may be a handle.
[[nodiscard]] inline bool only_engine_holds(const Record& record) noexcept {
  return (record.state.load(sync::memory_order_acquire) & (state::kReferences | state::kClaimed | state::kScope)) ==
         state::kOneReference;
}

inline void add_reference(Record& record) noexcept {
  // Relaxed: the caller has a reference already, so the count cannot reach 0 meanwhile.
  record.state.fetch_add(state::kOneReference, sync::memory_order_relaxed);
}

/// True: that was the last one; the caller must free the record.
[[nodiscard]] inline bool drop_reference(Record& record) noexcept {
  if (sole_owner(record)) return true;
  return (record.state.fetch_sub(state::kOneReference, sync::memory_order_acq_rel) & state::kReferences) ==
         state::kOneReference;
}

/// placeholder → building. False: the id was spawned before.
[[nodiscard]] inline bool claim_for_spawn(Record& record) noexcept {
  return (record.state.fetch_or(state::kSpawned, sync::memory_order_acq_rel) & state::kSpawned) == 0;
}

/// building → placeholder, when the spawn fails half-way.
inline void unclaim_spawn(Record& record) noexcept {
  record.state.fetch_and(~state::kSpawned, sync::memory_order_release);
}

/// ready → running, for the holder of a queue entry. False: a helping waiter or a cancel was first.
[[nodiscard]] inline bool try_start(Record& record) noexcept {
  if (sole_owner(record)) {
    // The engine's is the last reference. Whoever helped and let go has set the flag before.
    return (record.state.load(sync::memory_order_relaxed) & state::kStarted) == 0;
  }
  return (record.state.fetch_or(state::kStarted, sync::memory_order_acq_rel) & state::kStarted) == 0;
}

/// → running, for a thread that has another reference than the engine's. Sets both flags or neither: kClaimed on a task
/// that a queue's holder runs would make nobody drop the engine's reference.
[[nodiscard]] inline bool claim(Record& record) noexcept {
  std::uint64_t seen = record.state.load(sync::memory_order_relaxed);
  do {
    if ((seen & state::kStarted) != 0) return false;
  } while (!record.state.compare_exchange_weak(seen, seen | state::kStarted | state::kClaimed,
                                               sync::memory_order_acq_rel, sync::memory_order_relaxed));
  return true;
}

/// ready → running, for a thread that holds a handle while the record is still in some queue. Tasks of the full road
/// are refused: they are ready before they are admitted. On success the engine's reference stays with that queue entry:
/// whoever pops it drops it.
[[nodiscard]] inline bool try_claim(Record& record) noexcept {
  // Acquire: partner is the last count-down; the record is complete and its predecessors are done.
  if (record.pending.load(sync::memory_order_acquire) != 0 || (record.flags & kFullRoad) != 0) return false;
  return claim(record);
}

/// waiting → done, for a task that a deadlock search dooms while predecessors still count it. The engine's reference
/// stays with the queue entry that the last count-down will make.
[[nodiscard]] inline bool take_over_waiting(Record& record) noexcept {
  return claim(record);
}

/// What a request to cancel came upon.
enum class CancelRequest : std::uint8_t {
  kNotSpawned,  ///< nothing to cancel: the id is not spawned, or just being spawned
  kTaken,       ///< the task will not run; the caller must complete it, as after claim()
  kNoted,       ///< the body has started, or is over: it may look for the request
};

/// For a holder of a reference. A task that has not started is the caller's afterwards, whether it waits or is ready.
[[nodiscard]] inline CancelRequest request_cancel(Record& record) noexcept {
  // Acquire: partner is the store at the commit. What the commit prepared is there.
  if (record.pending.load(sync::memory_order_acquire) == kUncommitted) return CancelRequest::kNotSpawned;
  std::uint64_t seen = record.state.load(sync::memory_order_relaxed);
  std::uint64_t wanted = 0;
  do {
    wanted = seen | state::kCancelRequested;
    if ((seen & state::kStarted) == 0) wanted |= state::kStarted | state::kClaimed;
    // Acquire and release: partner is publish_stop_source(), another read-modify-write of the same word. Whichever
    // comes second sees what the other has done.
  } while (!record.state.compare_exchange_weak(seen, wanted, sync::memory_order_acq_rel, sync::memory_order_relaxed));
  return (seen & state::kStarted) == 0 ? CancelRequest::kTaken : CancelRequest::kNoted;
}

/// building: the task joins a scope.
inline void set_scope(Record& record, std::uint32_t number) noexcept {
  record.state.fetch_or(std::uint64_t{number} << state::kScopeShift, sync::memory_order_acq_rel);
}
/// done: it leaves.
inline void clear_scope(Record& record) noexcept {
  record.state.fetch_and(~state::kScope, sync::memory_order_acq_rel);
}
/// The number of the task's scope; 0 for one outside all scopes, or one that is over.
[[nodiscard]] inline std::uint32_t scope_of(const Record& record) noexcept {
  return static_cast<std::uint32_t>(record.state.load(sync::memory_order_relaxed) >> state::kScopeShift);
}

/// The same as request_cancel for who has no reference, but an address where a task of the scope `number` was once. On
/// kTaken and kNoted the caller has a reference to what is there now, which is a task of that scope. kNotSpawned: there
/// is none.
[[nodiscard]] inline CancelRequest request_cancel_in_scope(Record& record, std::uint32_t number) noexcept {
  std::uint64_t seen = record.state.load(sync::memory_order_relaxed);
  std::uint64_t wanted = 0;
  do {
    if (seen >> state::kScopeShift != number || (seen & state::kReferences) == 0) return CancelRequest::kNotSpawned;
    wanted = (seen | state::kCancelRequested) + state::kOneReference;
    if ((seen & state::kStarted) == 0) wanted |= state::kStarted | state::kClaimed;
    // As in request_cancel; acquire also: partner is set_scope, what the spawn has prepared is there.
  } while (!record.state.compare_exchange_weak(seen, wanted, sync::memory_order_acq_rel, sync::memory_order_relaxed));
  return (seen & state::kStarted) == 0 ? CancelRequest::kTaken : CancelRequest::kNoted;
}

[[nodiscard]] inline bool cancel_requested(const Record& record) noexcept {
  return (record.state.load(sync::memory_order_acquire) & state::kCancelRequested) != 0;
}

/// running: the body's thread gives the task, which has a Rare, its stop source. True: cancellation was requested
/// before, and whoever did so may not have found the source.
[[nodiscard]] inline bool publish_stop_source(Record& record, std::stop_source* source) noexcept {
  record.rare->stop.store(source, sync::memory_order_release);  // partner: stop_source_of()
  // A read-modify-write, though it changes nothing: partner is request_cancel().
  return (record.state.fetch_or(0, sync::memory_order_acq_rel) & state::kCancelRequested) != 0;
}

/// For whoever has requested a cancellation: the source to be told, or null. If there is one later, its maker sees the
/// request.
[[nodiscard]] inline std::stop_source* stop_source_of(const Record& record) noexcept {
  // Acquire: the body's thread may be publishing it just now, after the request.
  const Rare* const rare = record.rare;
  return rare != nullptr ? rare->stop.load(sync::memory_order_acquire) : nullptr;
}

/// waiting: a predecessor failed. True: the caller is the first and sets rare->failure, before its count-down.
[[nodiscard]] inline bool set_poisoned(Record& record) noexcept {
  return (record.state.fetch_or(state::kPoisoned, sync::memory_order_acq_rel) & state::kPoisoned) == 0;
}

/// running: records how it ended; visible to others once the successor list is closed.
inline void set_outcome(Record& record, std::uint64_t outcome) noexcept {
  if (sole_owner(record)) {
    record.state.store(record.state.load(sync::memory_order_relaxed) | outcome, sync::memory_order_relaxed);
  } else {
    record.state.fetch_or(outcome, sync::memory_order_relaxed);
  }
}

}  // namespace polyreme::tasks
