// Trace hooks of the engine.
#include "runtime/engine.hpp"
namespace polyreme::runtime {
using tasks::Record;
void Engine::attach_trace(launch::Lane&) {}
void Engine::trace_spawn(Record&, std::span<Record* const>, launch::Lane&) {}
void Engine::trace_start(const Record&, launch::Lane&) noexcept {}
void Engine::trace_end(const Record&, launch::Lane&) noexcept {}
void Engine::trace_suspend(const Record&, launch::Lane&) noexcept {}
void Engine::trace_resume(const Record&, launch::Lane&) noexcept {}
}
