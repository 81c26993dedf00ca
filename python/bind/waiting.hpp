// Waits from Python: they let signals in, and let the main thread help without being torn by them.
#pragma once

#include <polyreme/detail/abi.hpp>
#include <polyreme/detail/graph_abi.hpp>

#include "runtime/engine.hpp"

#include <Python.h>

#include <cstdint>
#include <span>

namespace polyreme::python {

enum class Waited : std::uint8_t { kDone, kTimeout, kError };  ///< kError: a Python error is set

/// Waits until the task is done. Negative timeout: none.
[[nodiscard]] Waited wait_for_task(tasks::Record& record, std::int64_t timeout_ns);
/// Starts a run of the graph, helps with it and waits until it is over. `run` is then its record, with a reference for
/// the caller, also after an error if it has begun.
[[nodiscard]] Waited run_and_wait(runtime::CapturedGraph& graph, std::span<detail::Binding> bindings,
                                  const detail::NodeSite& site, tasks::Record*& run);
/// Waits until all tasks of the engine are done.
[[nodiscard]] Waited wait_for_all(runtime::Engine& engine, std::int64_t timeout_ns);
/// Waits until all tasks of a scope are done; it may be ended meanwhile. `use` is its use() before that.
[[nodiscard]] Waited wait_for_scope(runtime::Engine& engine, runtime::ScopeState& scope, std::uint32_t use,
                                    std::int64_t timeout_ns);
/// Waits until a task of the list has ended that was not taken. `engine` is that of one which has not ended.
[[nodiscard]] Waited wait_for_next(runtime::Engine& engine, runtime::Arrivals& arrivals, std::int64_t timeout_ns);
/// Closes the engine. Ctrl-C is heard when it is closed.
void close_engine(runtime::Engine& engine);

/// Throws RuntimeClosed if the engine belongs to the parent process.
void check_owned(const runtime::Engine& engine);

}  // namespace polyreme::python
