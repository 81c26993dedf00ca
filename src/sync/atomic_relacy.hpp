// The model-checking half of the atomics facade (sync/atomic.hpp): the same names, on top of Relacy.
//
// Every operation is a point where the checker may switch threads, a relaxed or acquire load may return an older value
// than the newest one, and Shared reports unordered accesses. Only programs in tests/model include this; an Atomic can
// exist only while such a program explores schedules.
//
// Where Relacy stops short of C++20, and what is done about it:
//   - It takes the failure order of a compare-exchange as relaxed when the success order is release. Such a failure is
//     followed here by a load of the failure order, with no switch in between.
//   - A load never returns a value that is written later, and writes to one variable take effect in the order of
//     execution. An ordering that only keeps a load before a later store is therefore not checked; where such a one
//     matters, tests/model/weakenings swaps the two operations instead.
//   - seq_cst loads see the newest seq_cst write, or a newer one.
#pragma once

// What Relacy's macros would break comes before it.
// clang-format off
#include <stop_token>
#include <relacy/relacy.hpp>
// clang-format on

#include <chrono>
#include <cstdint>
#include <memory>
#include <source_location>
#include <utility>
#include <vector>

// Relacy redefines keywords and standard names for the file that includes it; here it is wrapped instead.
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef VAR_T
#undef TLS_T
#undef VAR
#undef $

namespace polyreme::sync {

/// True in programs that the model checker runs: records may be larger, initial capacities are tiny.
inline constexpr bool kModelChecked = true;

inline constexpr rl::memory_order memory_order_relaxed = rl::mo_relaxed;
inline constexpr rl::memory_order memory_order_acquire = rl::mo_acquire;
inline constexpr rl::memory_order memory_order_release = rl::mo_release;
inline constexpr rl::memory_order memory_order_acq_rel = rl::mo_acq_rel;
inline constexpr rl::memory_order memory_order_seq_cst = rl::mo_seq_cst;

/// The line of the code under test, for the history that a failure prints.
using Where = std::source_location;

[[nodiscard]] inline rl::debug_info debug_info(const Where& where) noexcept {
  return {where.function_name(), where.file_name(), static_cast<unsigned>(where.line())};
}

template <class T>
class Atomic {
 public:
  Atomic() : Atomic(T{}) {}
  explicit Atomic(T value) : cell_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
  ~Atomic() = default;

  [[nodiscard]] T load(rl::memory_order order, Where where = Where::current()) const {
    return cell_.load(order, debug_info(where));
  }
  void store(T value, rl::memory_order order, Where where = Where::current()) {
    cell_.store(value, order, debug_info(where));
  }
  T exchange(T value, rl::memory_order order, Where where = Where::current()) {
    return cell_.exchange(value, order, debug_info(where));
  }
  T fetch_add(T value, rl::memory_order order, Where where = Where::current()) {
    return cell_.fetch_add(value, order, debug_info(where));
  }
  T fetch_sub(T value, rl::memory_order order, Where where = Where::current()) {
    return cell_.fetch_sub(value, order, debug_info(where));
  }
  T fetch_or(T value, rl::memory_order order, Where where = Where::current()) {
    return cell_.fetch_or(value, order, debug_info(where));
  }
  T fetch_and(T value, rl::memory_order order, Where where = Where::current()) {
    return cell_.fetch_and(value, order, debug_info(where));
  }
  /// May fail for no reason, as hardware does.
  [[nodiscard]] bool compare_exchange_weak(T& expected, T value, rl::memory_order success, rl::memory_order failure,
                                           Where where = Where::current()) {
    return compare_exchange<true>(expected, value, success, failure, debug_info(where));
  }
  [[nodiscard]] bool compare_exchange_strong(T& expected, T value, rl::memory_order success, rl::memory_order failure,
                                             Where where = Where::current()) {
    return compare_exchange<false>(expected, value, success, failure, debug_info(where));
  }

 private:
  template <bool kMayFail>
  bool compare_exchange(T& expected, T value, rl::memory_order success, rl::memory_order failure,
                        const rl::debug_info& info) {
    if (success != rl::mo_release || failure != rl::mo_acquire) {
      return cell_.compare_exchange(rl::bool_t<kMayFail>(), expected, value, success, failure, info);
    }
    rl::context& context = rl::ctx();
    context.sched();
    context.disable_preemption();
    const bool exchanged =
        cell_.compare_exchange(rl::bool_t<kMayFail>(), expected, value, rl::mo_release, rl::mo_relaxed, info);
    // The same value: the failed exchange has seen the newest one, so no older one can be loaded.
    if (!exchanged) expected = cell_.load(rl::mo_acquire, info);
    context.enable_preemption();
    return exchanged;
  }

  mutable rl::atomic<T> cell_;
};

/// Plain data under watch: two accesses, one of them a write, that nothing orders are reported as a race.
template <class T>
class Shared {
 public:
  Shared() : Shared(T{}) {}
  explicit Shared(T value) : cell_(value) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() = default;
  [[nodiscard]] T get(Where where = Where::current()) const { return cell_(debug_info(where)).load(); }
  void set(T value, Where where = Where::current()) { cell_(debug_info(where)).store(value); }

 private:
  mutable rl::var<T> cell_;
};

/// A spinning thread lets the others go on.
inline void spin_pause(Where where = Where::current()) {
  rl::yield(1, debug_info(where));
}

}  // namespace polyreme::sync
