// What a fork leaves of a process's engines: their memory, and none of their threads.
//
// In the child, every engine that was there before *stayed in the parent*: what asks it for anything is refused,
// results that are there can be read, and its memory is never given back. New engines work. All follows from two facts
// that the fork's handler writes while the child has one thread: up to which serial number engines were inherited, and
// that the thread was in a body, which then is the last thing that it runs of such an engine.
//
// Locks that a thread of the parent holds at the fork stay locked in the child for ever. Those of an engine do not
// matter, as nobody asks for them. Those that engines share (the registry of threads.cpp, the graveyard of
// shutdown.cpp) are taken by the forking thread before the fork, and are free in both processes after it. They are
// leaves: who holds one takes no other.
#pragma once

#include <polyreme/errors.hpp>

#include <cstdint>

namespace polyreme::runtime {

namespace detail_of_forks {
/// Read through the functions below. Written in a child that has one thread.
extern std::uint64_t last_inherited;
extern std::uint32_t generation;
}  // namespace detail_of_forks

/// True if the engine with this serial number stayed in a parent process.
[[nodiscard]] inline bool stayed_in_parent(std::uint64_t serial) noexcept {
  return serial <= detail_of_forks::last_inherited;
}

/// How often this process was forked on its way here, since the first engine.
[[nodiscard]] inline std::uint32_t forks_so_far() noexcept {
  return detail_of_forks::generation;
}

/// For a new engine. Watches forks from the first one on.
[[nodiscard]] std::uint64_t next_engine_serial();

/// What is thrown to whoever uses an engine that stayed in the parent.
[[nodiscard]] RuntimeClosed belongs_to_parent();

/// After a body that forked has returned in the child. The thread would now serve the engine, which is not there: it
/// ends, and with it the process, as when the last thread of a program ends.
[[noreturn]] void end_forked_body(bool failed) noexcept;

}  // namespace polyreme::runtime
