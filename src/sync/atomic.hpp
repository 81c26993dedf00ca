// The atomics facade: every concurrent structure of polyreme takes its atomics from here.
//
// In production it is std::atomic. With POLYREME_SYNC_RELACY the same names come from a model checker, so that the very
// headers that ship are explored schedule by schedule (tests/model). Two rules keep that possible, and keep
// ThreadSanitizer exact as well:
//   - no stand-alone fences: an ordering is carried by an operation on a variable;
//   - plain data that crosses threads is wrapped in sync::Shared, which the model checker watches for races.
#pragma once

#ifdef POLYREME_SYNC_RELACY
#include "sync/atomic_relacy.hpp"
#else

#include <atomic>
#include <utility>

namespace polyreme::sync {

/// True in programs that the model checker runs: records may be larger, initial capacities are tiny.
inline constexpr bool kModelChecked = false;

template <class T>
using Atomic = std::atomic<T>;

using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

/// Plain (non-atomic) data that is handed from thread to thread under some protocol.
template <class T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(T value) : value_(std::move(value)) {}
  [[nodiscard]] const T& get() const noexcept { return value_; }
  void set(T value) noexcept { value_ = std::move(value); }

 private:
  T value_{};
};

/// Tells the core that this thread spins.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace polyreme::sync

#endif
