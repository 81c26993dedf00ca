// The await word: where a body that has begun stands with its waits by suspension.
//
// A coroutine body that awaits a task which is not done leaves the thread that ran it. It goes on once that task is
// done, or earlier if the wait is interrupted (a cancellation, a circle of waits). Exactly one of the two has the right
// to make it ready again.
//
// The word is the record's `pending`, which counts predecessors until the body begins and is 0 from then on. Its flags
// tell which:
//
//   0                    begun, never suspended (or ready to begin)
//   begun                runs, was suspended before; or in the hand of whoever has ended its wait
//   begun | linking      its listener is being put into the awaited task's list: the thread that ran the body owns it
//   begun | met          the awaited task was done before that was over: the same thread goes on with it
//   begun | suspended    nobody's: whoever clears `suspended` owns it, and makes it ready
//   begun | resumable    ready again: whoever takes this flag runs it
//
// with, at any time, `wanted`: an interruption that found nothing to interrupt, and is delivered to the next wait.
//
// The low bits count interruptions. The listener of a wait that was interrupted stays in its list, as members cannot be
// taken out; it belongs to an older count, so it is told apart from that of a later wait, and only drops the reference
// that the interruption gave it. Without interruptions one listener after the other can use the same memory.
//
// Resumable comes last, once all is prepared for the next part: a queue may still hold an entry that a helping waiter
// has made stale, and whoever pops that one may be the first to take it.
//
// References: the engine's stays with the record until its completion. A queue entry that a claim made stale owns one,
// too: begin_linking() sees to that.
#pragma once

#include "task/record.hpp"

#include <cstdint>
#include <utility>

namespace polyreme::tasks {

namespace await_word {
inline constexpr std::uint32_t kSuspended = 1U << 31;
inline constexpr std::uint32_t kResumable = 1U << 30;
inline constexpr std::uint32_t kMet = 1U << 29;
inline constexpr std::uint32_t kLinking = 1U << 28;
inline constexpr std::uint32_t kWanted = 1U << 27;
inline constexpr std::uint32_t kBegun = 1U << 26;
inline constexpr std::uint32_t kElsewhere = 1U << 25;  ///< the awaited task belongs to another engine
inline constexpr std::uint32_t kInterruptions = (1U << 24) - 1;
inline constexpr std::uint32_t kFlags = ~kInterruptions;

/// A word of a body that was suspended. No such word has the bit between flags and count, and kUncommitted has.
[[nodiscard]] constexpr bool valid(std::uint32_t word) noexcept {
  return (word & (kBegun | (kInterruptions + 1))) == kBegun;
}
static_assert(!valid(kUncommitted));
}  // namespace await_word

/// True while no thread runs or is about to run the body: something else must happen first.
[[nodiscard]] inline bool is_suspended(const Record& record) noexcept {
  const std::uint32_t word = record.pending.load(sync::memory_order_acquire);
  return await_word::valid(word) && (word & await_word::kSuspended) != 0;
}

/// True while its body is ready to go on, or about to.
[[nodiscard]] inline bool is_resumable(const Record& record) noexcept {
  const std::uint32_t word = record.pending.load(sync::memory_order_acquire);
  return await_word::valid(word) && (word & await_word::kResumable) != 0;
}

/// True once the body was suspended: its inline edges are listeners since then, and its edge blocks are gone.
[[nodiscard]] inline bool has_suspended(const Record& record) noexcept {
  return await_word::valid(record.pending.load(sync::memory_order_relaxed));
}

/// running → linking. False: an interruption was wanted meanwhile; it is taken, and the body stays the caller's.
[[nodiscard]] inline bool begin_linking(Record& record, bool elsewhere) noexcept {
  using namespace await_word;
  // From now on the record may be in a queue again: try_start() must refuse it there, and an entry that a helping
  // waiter has made stale must not drop the reference that the record needs until it is completed.
  const std::uint64_t state = record.state.load(sync::memory_order_relaxed);
  if ((state & state::kClaimed) != 0) {
    record.state.fetch_add(state::kOneReference - state::kClaimed, sync::memory_order_relaxed);
  } else if ((state & state::kStarted) == 0) {
    record.state.fetch_or(state::kStarted, sync::memory_order_relaxed);
  }
  std::uint32_t seen = record.pending.load(sync::memory_order_relaxed);
  std::uint32_t next = 0;
  do {
    const std::uint32_t flags = (seen & kWanted) != 0 ? 0 : elsewhere ? kLinking | kElsewhere : kLinking;
    next = (seen & kInterruptions) | kBegun | flags;
  } while (!record.pending.compare_exchange_weak(seen, next, sync::memory_order_relaxed, sync::memory_order_relaxed));
  return (next & kLinking) != 0;
}

/// linking → the caller's: the awaited task was done when the listener came.
inline void end_linking(Record& record) noexcept {
  // Only `wanted` may be set by others meanwhile.
  record.pending.fetch_and(~await_word::kLinking, sync::memory_order_relaxed);
}

/// The caller, whose the record is, has prepared the next part. Afterwards it puts the record into a queue, or runs it
/// as one of a queue.
inline void make_resumable(Record& record) noexcept {
  // Release: partner is take_resumption().
  record.pending.fetch_or(await_word::kResumable, sync::memory_order_release);
}

enum class Armed : std::uint8_t {
  kSuspended,   ///< the record belongs to nobody: not to be touched any more
  kMet,         ///< the awaited task is done: the body stays the caller's
  kInterrupted  ///< the body stays the caller's; the listener is stale and owns a reference
};

/// linking → suspended, or the caller's if something happened since begin_linking().
[[nodiscard]] inline Armed arm(Record& record) noexcept {
  using namespace await_word;
  std::uint32_t seen = record.pending.load(sync::memory_order_relaxed);
  bool referenced = false;
  while (true) {
    std::uint32_t next = seen & (kInterruptions | kBegun | kElsewhere);
    Armed result = Armed::kSuspended;
    if ((seen & kMet) != 0) {
      next |= seen & kWanted;
      result = Armed::kMet;
    } else if ((seen & kWanted) != 0) {
      if (!referenced) add_reference(record);
      referenced = true;
      ++next;
      result = Armed::kInterrupted;
    } else {
      next |= kSuspended;
    }
    // Release: what the body did so far is visible to whoever resumes it (partner: meet, interrupt). What the awaited
    // task did becomes visible to the body by take_resumption().
    if (record.pending.compare_exchange_weak(seen, next, sync::memory_order_release, sync::memory_order_relaxed)) {
      if (referenced && result == Armed::kMet) static_cast<void>(drop_reference(record));  // the engine's is left
      return result;
    }
  }
}

enum class Met : std::uint8_t {
  kMine,    ///< suspended → the caller's, who makes the record ready
  kTheirs,  ///< linking → met: the thread that ran the body goes on with it. Not to be touched any more
  kStale    ///< the wait was interrupted before: the caller drops the listener's reference
};

/// The awaited task is done. For the listener of the wait that began after `interruptions` interruptions.
[[nodiscard]] inline Met meet(Record& record, std::uint32_t interruptions) noexcept {
  using namespace await_word;
  std::uint32_t seen = record.pending.load(sync::memory_order_acquire);
  while (true) {
    if ((seen & kInterruptions) != interruptions) return Met::kStale;
    const bool suspended = (seen & kSuspended) != 0;
    const std::uint32_t next = suspended ? (seen ^ kSuspended) : (seen ^ (kLinking | kMet));
    // Acquire: the queue that gets the record publishes what the body did before; partner: arm(). Release: partner is
    // take_resumption(), wherever the body goes on.
    if (record.pending.compare_exchange_weak(seen, next, sync::memory_order_acq_rel, sync::memory_order_acquire)) {
      return suspended ? Met::kMine : Met::kTheirs;
    }
  }
}

/// suspended → the caller's, by something else than the awaited task. The caller has a reference of its own. True: it
/// sets rare->interruption and makes the record ready. False: nothing was suspended; if `wanted`, the next wait
/// of the body is interrupted when it begins, unless the body has not begun at all.
[[nodiscard]] inline bool interrupt(Record& record, bool wanted) noexcept {
  using namespace await_word;
  std::uint32_t seen = record.pending.load(sync::memory_order_relaxed);
  bool referenced = false;
  while (true) {
    const bool suspended = (seen & kSuspended) != 0;
    if ((seen & kInterruptions) == kInterruptions) break;  // sixteen million are enough for one body
    if (!suspended && (!wanted || (seen & kWanted) != 0 || (seen != 0 && (seen & kFlags) == 0))) break;
    if (suspended && !referenced) {
      add_reference(record);  // the listener's
      referenced = true;
    }
    const std::uint32_t next = suspended ? ((seen ^ kSuspended) + 1) : (seen | kWanted);
    // Acquire and release as in meet().
    if (!record.pending.compare_exchange_weak(seen, next, sync::memory_order_acq_rel, sync::memory_order_relaxed)) {
      continue;
    }
    if (suspended) return true;
    break;
  }
  if (referenced) static_cast<void>(drop_reference(record));  // the caller's is left
  return false;
}

/// ready → running, again, for the holder of a queue entry that try_start() refused. False: the entry is stale, and
/// owns a reference.
[[nodiscard]] inline bool take_resumption(Record& record) noexcept {
  using namespace await_word;
  if ((record.pending.load(sync::memory_order_relaxed) & kResumable) == 0) return false;
  // Acquire: a stale entry may be what leads here, and did not publish what the body did before. Partner:
  // make_resumable().
  return (record.pending.fetch_and(~(kResumable | kElsewhere), sync::memory_order_acq_rel) & kResumable) != 0;
}

/// The scopes that a body was in when it was suspended.
[[nodiscard]] inline detail::EnteredScope* take_entered(Record& record) noexcept {
  Rare* const rare = record.rare;
  return rare != nullptr ? std::exchange(rare->entered, nullptr) : nullptr;
}

}  // namespace polyreme::tasks
