// The seam between the header-only front (templates) and the compiled engine. Not for users: no stability is promised.
//
// A spawn goes through three calls: begin_spawn() hands out a record with room for the body, the front constructs the
// body there, commit_spawn() adds the dependencies and lets the task go. abort_spawn() undoes the first when the body's
// construction throws.
#pragma once

#include <polyreme/errors.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>

namespace polyreme::runtime {
class Engine;
class ScopeState;
}  // namespace polyreme::runtime
namespace polyreme::graph {
class SpaceState;
}

namespace polyreme::tasks {
struct Record;
}

namespace polyreme::detail {

using tasks::Record;

/// A body up to this size lives inside its record; a larger one on the heap.
inline constexpr std::size_t kInlineBodyBytes = 48;
inline constexpr std::size_t kBodyOffset = 64;

/// The four things the engine can do with a body it knows nothing about. `storage` has kInlineBodyBytes.
struct BodyOps {
  /// Runs the body, or the next part of one that was suspended. Null: it has ended and is destroyed, as it is when it
  /// throws; the storage now holds the result, if there is one. Else it is suspended, and wants to be run again once
  /// the returned task, of which the body holds a handle, is done, or with an interruption (take_interruption).
  Record* (*run)(void* storage, Record& self);
  /// Destroys a body that never ran.
  void (*destroy_body)(void* storage) noexcept;
  /// Destroys the result; null when there is nothing to destroy.
  void (*destroy_result)(void* storage) noexcept;
  /// Type of the result; typeid(void) when there is none.
  const std::type_info* result_type;
};

/// A scope that a thread has entered, and what it had entered before. The innermost is the thread's current scope.
struct EnteredScope {
  runtime::ScopeState* scope = nullptr;
  EnteredScope* outer = nullptr;
};

/// What a body must enter to run.
enum class Domain : std::uint8_t { kNative = 0, kInterpreter = 1 };

/// A record with room for the body, and one reference for the caller. @throws RuntimeClosed.
[[nodiscard]] Record& begin_spawn(runtime::Engine& engine, const BodyOps& ops, std::source_location site,
                                  Domain domain = Domain::kNative);
/// The same with a name (or none: empty) and an id (or none: null). @throws also DuplicateId.
[[nodiscard]] Record& begin_named_spawn(runtime::Engine& engine, const BodyOps& ops, std::source_location site,
                                        std::string_view name, graph::SpaceState* space,
                                        std::span<const std::int64_t> index, Domain domain = Domain::kNative);
/// Between begin_spawn and commit_spawn. @throws UsageError unless it is -1, 0 or 1.
void set_priority(Record& record, int priority);
/// The same. @throws UsageError unless it is from 1 to the runtime's number of slots.
void set_cores(Record& record, std::uint32_t cores);
/// For a record that is being built, with a body whose run() leaves it in place when it throws: it runs again, up to
/// `retries` times, after pauses of which the first is `backoff_ns`. @throws UsageError for numbers below 0.
void set_retries(Record& record, std::int64_t retries, std::int64_t backoff_ns);
/// Undoes begin_spawn. The storage holds no body.
void abort_spawn(Record& record) noexcept;
/// Lets the task go once the predecessors (borrowed) are done. The caller keeps its reference. When this throws, the
/// spawn is undone, the body destroyed.
void commit_spawn(Record& record, std::span<Record* const> predecessors);

void retain(Record& record) noexcept;
void release(Record& record) noexcept;

/// In a body, before it waits for `target` by suspension. @throws UsageError: it would wait for itself.
void check_await(const Record& target);
/// In a body that was suspended and runs again: why its wait has ended before the task was done; null if it has not.
/// The next call answers null.
[[nodiscard]] std::exception_ptr take_interruption() noexcept;
/// The same as a question.
[[nodiscard]] bool was_interrupted(const Record& self) noexcept;
/// Memory for the frame of a coroutine: a block of the engine whose body makes it, if it fits one.
[[nodiscard]] void* allocate_frame(std::size_t bytes);
void free_frame(void* frame, std::size_t bytes) noexcept;

[[nodiscard]] bool is_done(const Record& record) noexcept;
/// Blocks until done. Throws what DESIGN calls misuse (a wait for oneself) and diagnosed deadlocks.
void wait_done(Record& record);
/// False when `timeout_ns` (nanoseconds, negative: none) passed first.
[[nodiscard]] bool wait_done_for(Record& record, std::int64_t timeout_ns);
/// After done: null on success, else the body's exception, or why it did not run.
[[nodiscard]] std::exception_ptr failure_of(const Record& record) noexcept;
/// True: the task will not run, or was cancelled before. @throws UsageError for an id that is not spawned.
bool cancel(Record& record);
/// After success: where the result lives. @throws TypeMismatch when the body returned another type.
[[nodiscard]] const void* result_of(const Record& record, const std::type_info& type);
[[nodiscard]] inline void* body_of(Record& record) noexcept {
  return reinterpret_cast<std::byte*>(&record) + kBodyOffset;
}
[[nodiscard]] std::string name_of(const Record& record);
[[nodiscard]] SpawnSite site_of(const Record& record);
[[nodiscard]] bool belongs_to(const Record& record, const runtime::Engine& engine) noexcept;

}  // namespace polyreme::detail
