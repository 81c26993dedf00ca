// What the engine records while a trace runs.
//
// Who records what, and when; the trace checker relies on this order in time:
//   spawned     the spawning thread, before the task can start
//   dependency  the same thread, directly after `spawned`, once for each task that this one comes after
//   started     the thread that runs the body, when it holds the slot `where` and before the body
//   finished    the same thread after the body, before any task that depends on it can start
//   failed      instead of `finished`, if the body threw
//   suspended   the body waits and gives its slot away, or runs another task on it: before the other one
//   starts resumed     it holds a slot again: after the other one has ended; perhaps a different slot or
//   thread cancelled   the task will never start; before any task that depends on it is cancelled or started
// So slices of bodies never overlap on a slot, and a task that depends on another starts no earlier than that
// ends.
#pragma once

#include <cstdint>

namespace polyreme::trace {

enum class Kind : std::uint32_t {
  spawned,
  dependency,  // arg: the id of the task that this one comes after
  started,
  finished,
  failed,
  suspended,
  resumed,
  cancelled,  // arg: the id of the task whose end was the cause, or kNoTask if the user asked for it
  named,      // internal: the name of a task; ThreadBuffer::name_task records it
};

inline constexpr std::uint64_t kNoTask = ~std::uint64_t{0};

// Two of these fill a cache line.
struct Event {
  std::uint64_t time_ns;  // of the steady clock
  std::uint64_t task;     // unique id while the trace runs; any 64-bit number but kNoTask
  std::uint64_t arg;
  std::uint32_t where;  // the slot, for started, finished, failed, suspended and resumed
  Kind kind;
};

static_assert(sizeof(Event) == 32);

}  // namespace polyreme::trace
