// What the engine tells a running trace, or an observer (observing.cpp). trace/event.hpp says in which order; lanes
// without a tap record nothing.
#include <polyreme/errors.hpp>

#include "runtime/captured_graph.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "trace/recorder.hpp"
#include "trace/tap.hpp"

namespace polyreme::runtime {

using tasks::Record;
using trace::Kind;

void Engine::start_trace() {
  while_idle("a trace", [this] {
    if (recorder_ != nullptr)
      throw UsageError("polyreme: a trace runs already; write it before another one is started");
    recorder_ = std::make_unique<trace::Recorder>();
    trace_base_ = deck_.lanes.sum(&launch::Lane::spawned);
    tracing_.store(true, std::memory_order_relaxed);
  });
}

/// Calls `attach` and then lets the lanes follow.
void Engine::while_idle(const char* what, const std::function<void()>& attach) {
  const InterpreterPause pause(*this);  // a searcher may be on its way into the interpreter, and is waited for below
  while (!try_while_idle(attach)) {
    if (!deck_.lanes.quiescent()) {
      throw UsageError(std::string("polyreme: ") + what +
                       " can only be started while no task runs or waits; call wait() first");
    }
    std::this_thread::yield();  // threads that search for work own their slots for some microseconds more
  }
}

/// Taps are handed to the lanes while nobody owns a slot: their next owners see them through the pool's lock.
bool Engine::try_while_idle(const std::function<void()>& attach) {
  return deck_.pool.locked([&](bool all_free) {
    const std::lock_guard lock(trace_mutex_);
    if (!all_free || !deck_.lanes.quiescent()) return false;
    attach();
    attach_all_locked();
    return true;
  });
}

void Engine::attach_all_locked() {
  for (std::uint32_t i = 0, n = deck_.lanes.size(); i < n; ++i)
    attach_locked(deck_.lanes[i]);
}

void Engine::attach_locked(launch::Lane& lane) {
  if (taps_.size() <= lane.index) taps_.resize(lane.index + 1);
  trace::Tap& tap = taps_[lane.index];
  tap.tell(listener_.get());
  if (recorder_ == nullptr) {
    tap.record_into(nullptr);
  } else if (!tap.records()) {
    tap.record_into(lane.slot != ~0U ? &recorder_->add_slot(lane.slot)
                                     : &recorder_->add_thread("thread " + std::to_string(lane.index - slots_)));
  }
  lane.trace = tap.in_use() ? &tap : nullptr;
}

void Engine::attach_trace(launch::Lane& lane) {
  const std::lock_guard lock(trace_mutex_);
  // A trace that began a moment ago may have found the new lane in the table.
  if ((recorder_ != nullptr || listener_ != nullptr) && lane.trace == nullptr) attach_locked(lane);
}

void Engine::write_trace(const std::string& path) {
  static_cast<void>(wait_quiescent(-1, nullptr));
  trace::TraceMeta meta;
  meta.workers = slots_;
  std::unique_ptr<trace::Recorder> recorder;
  deck_.pool.locked([&](bool) {
    const std::lock_guard lock(trace_mutex_);
    recorder = std::move(recorder_);
    attach_all_locked();
    meta.tasks = deck_.lanes.sum(&launch::Lane::spawned) - trace_base_ + traced_nodes_.exchange(0);
    tracing_.store(false, std::memory_order_relaxed);
  });
  if (recorder == nullptr) throw UsageError("polyreme: no trace runs; call start_trace() before the tasks are spawned");
  recorder->write_json(path, meta);
}

void Engine::trace_spawn(Record& record, std::span<Record* const> predecessors, launch::Lane& lane) {
  if (record.rare != nullptr) lane.trace->name_task(record.id, detail::name_of(record));
  lane.trace->record(Kind::spawned, record.id);
  for (const Record* predecessor : predecessors)
    lane.trace->record(Kind::dependency, record.id, predecessor->id);
}

void Engine::trace_start(const Record& record, launch::Lane& lane) noexcept {
  lane.trace->record(Kind::started, record.id, 0, lane.slot);
}

void Engine::trace_end(const Record& record, launch::Lane& lane) noexcept {
  const std::uint64_t flags = tasks::flags_of(record);
  const bool stopped = (record.flags & tasks::kStopped) != 0;
  if ((flags & tasks::state::kCancelled) != 0 && !stopped) {
    // On request, `rare` may belong to a predecessor that fails just now.
    const bool has_cause = (flags & tasks::state::kOnRequest) == 0 && record.rare != nullptr;
    const std::uint64_t cause = has_cause ? record.rare->cancelled_by : 0;
    lane.trace->record(Kind::cancelled, record.id, cause == 0 ? trace::kNoTask : cause);
    return;
  }
  const bool failed = stopped || (flags & tasks::state::kFailed) != 0;
  lane.trace->record(failed ? Kind::failed : Kind::finished, record.id, 0, lane.slot);
}

namespace {

/// The body that waits is that of the record's task or, if that is a run, of the node that this thread runs.
std::uint64_t body_id(const Record& record) noexcept {
  const ReplayFrame* const frame = this_thread.replay;
  return frame != nullptr && frame->run->record == &record ? frame->run->first_id + frame->node : record.id;
}

}  // namespace

void Engine::trace_suspend(const Record& record, launch::Lane& lane) noexcept {
  lane.trace->record(Kind::suspended, body_id(record), 0, lane.slot);
}

void Engine::trace_resume(const Record& record, launch::Lane& lane) noexcept {
  lane.trace->record(Kind::resumed, body_id(record), 0, lane.slot);
}

// ---- runs of captured graphs: each node is a task of the trace

void Engine::trace_run(GraphRun& run, launch::Lane& lane) {
  const graph::Plan& plan = run.plan;
  do {
    run.first_id = kIdRange * id_ranges_.fetch_add(run.bodies() / kIdRange + 1, std::memory_order_relaxed);
  } while (run.first_id == 0);  // which means "no task"
  traced_nodes_.fetch_add(run.bodies(), std::memory_order_relaxed);
  for (graph::NodeIndex i = 0; i < run.bodies(); ++i) {
    if (plan.has_name(i)) lane.trace->name_task(run.first_id + i, plan.name_of(i));
    lane.trace->record(Kind::spawned, run.first_id + i);
    for (const graph::NodeIndex predecessor : plan.predecessors_of(i))
      lane.trace->record(Kind::dependency, run.first_id + i, run.first_id + predecessor);
  }
}

void Engine::trace_node_start(const GraphRun& run, graph::NodeIndex index) noexcept {
  launch::Lane& lane = this_thread.session->lane();
  lane.trace->record(Kind::started, run.first_id + index, 0, lane.slot);
}

/// The node has ended. With a cause that is not its own it did not run.
void Engine::trace_node(GraphRun& run, graph::NodeIndex index, std::uint32_t cause) noexcept {
  launch::Lane& lane = this_thread.session->lane();
  const std::uint64_t id = run.first_id + index;
  if (cause == 0) {
    lane.trace->record(Kind::finished, id, 0, lane.slot);
    return;
  }
  if (cause == graph::kOnRequest) {
    lane.trace->record(Kind::cancelled, id, trace::kNoTask);
    return;
  }
  const graph::NodeIndex failed = run.failed_node(cause);
  if (failed == index) {
    lane.trace->record(Kind::failed, id, 0, lane.slot);
  } else {
    lane.trace->record(Kind::cancelled, id, run.first_id + failed);
  }
}

}  // namespace polyreme::runtime
