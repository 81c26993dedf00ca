// Running captured graphs. graph/captured_run.hpp has the protocol of the counters.
//
// A run is a task: its record is what is waited for, counted, cancelled and depended on, and counts as running from the
// start to the end of the run. Its nodes are no tasks. They stand in the queues of lanes as entries of their own, so
// that whoever looks for work finds them: a slot changes hands between two nodes, other work gets its turn, nodes that
// need the interpreter wait for it in its queues, and a slot is woken for them as for tasks.
//
// The nodes that a run begins with are one entry for each domain. Whoever takes it up takes a share of what is left, a
// few dozen at most, puts the entry back while some are left, and runs its share. If a body of that share waits, the
// rest of it goes into the queue (publish_sources): it must not wait for that body.
//
// One call of replay() runs a node, goes on with a successor that it made ready, then with what it finds on top of the
// own queue, as long as that is of the same run, for some dozen nodes. Nodes at the ends of the graph are counted in a
// batch (graph::Gathering); as long as there are some that are not counted, the run cannot be over. Without them, and
// with no node in hand, it may be over at any time, and its memory may be in use for another run: then nothing of it
// may be touched, and what the queue has next is looked at afresh.
//
// Whoever counts the last node ends the run on the spot: failures become its outcome, and completion of the record is
// that of any task.
//
// A wait for a run helps with nodes of that run alone, those of inner runs included. A body that waits does so on its
// own stack: all it runs there is what it waits for.
#include <polyreme/errors.hpp>

#include "base/stored_pointer.hpp"
#include "runtime/captured_graph.hpp"
#include "runtime/engine.hpp"
#include "runtime/in_place.hpp"
#include "runtime/threads.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace polyreme::runtime {

using graph::NodeIndex;
using graph::NodePlace;
using tasks::Entry;
using tasks::Record;

namespace {

constexpr NodeIndex kNone = ~NodeIndex{0};
/// Instead of a cause: the node will be finished by somebody else.
constexpr std::uint32_t kLater = ~0U - 1;

void drop_run(void* storage) noexcept {
  CapturedGraph::give_back(*base::stored_pointer<GraphRun>(storage));
}
/// The task of a run of a graph without nodes is a plain one with nothing to do; others never run as one.
constexpr detail::BodyOps kRunOps{&run_nothing, &drop_run, &drop_run, &typeid(void)};

GraphRun& run_of_entry(Entry& entry) noexcept {
  return static_cast<GraphRun&>((entry.flags & tasks::kGraphSources) != 0
                                    ? *static_cast<graph::Sources&>(entry).run
                                    : graph::CapturedRun::of(static_cast<NodePlace&>(entry)));
}

/// Nodes of this run and of those inside it, and its end.
auto belongs_to_run(const GraphRun& run) noexcept {
  return [record = run.record, outermost = run.outermost](Entry& entry) {
    if ((entry.flags & (tasks::kGraphNode | tasks::kGraphSources)) == 0) return &entry == record;
    return run_of_entry(entry).outermost == outermost;
  };
}

/// The time in which a thread helps with a run that it waits for, and with nothing else: another node could wait for
/// what is below it on the stack.
class OnlyRun {
 public:
  explicit OnlyRun(const GraphRun& run) noexcept : outer_(std::exchange(this_thread.only_run, run.outermost)) {}
  OnlyRun(const OnlyRun&) = delete;
  OnlyRun& operator=(const OnlyRun&) = delete;
  ~OnlyRun() { this_thread.only_run = outer_; }

 private:
  const GraphRun* const outer_;
};

}  // namespace

// ---- the nodes

Entry* Engine::replay(Entry& first) noexcept {
  ThreadContext& self = this_thread;
  Session& session = *self.session;
  ReplayFrame frame{nullptr, self.replay};
  Record* const outer = self.current;
  // What a body spawns joins the scope of its run, and no scope of a body below it on the stack.
  ScopeState* const outer_scope = self.scope_of_current;
  detail::EnteredScope* const outer_entered = std::exchange(self.entered, nullptr);
  self.replay = &frame;
  const detail::Domain domain = first.domain;
  graph::Gathering gathering;
  std::uint32_t ran = 0;
  NodeIndex index = kNone;
  bool over = false;

  const auto take = [&](Entry& entry) {
    frame.run = &run_of_entry(entry);
    self.current = frame.run->record;
    self.scope_of_current = scope_of(*frame.run->record);
    if ((entry.flags & tasks::kGraphSources) != 0) {
      take_sources(frame, static_cast<graph::Sources&>(entry), session.lane());
      index = *frame.next++;
    } else {
      index = static_cast<NodePlace&>(entry).index;
    }
  };
  take(first);
  while (true) {
    GraphRun& run = *frame.run;
    const graph::PlanNode& node = run.plan.nodes()[index];
    frame.node = index;
    const std::uint32_t cause = run_node(run, node, index);
    ++ran;
    NodeIndex next = kNone;
    if (cause != kLater) [[likely]] {
      over = graph::finish_node(run, node, cause, gathering, [&](NodeIndex ready) {
        NodePlace& place = run.place(ready);
        if (next == kNone && place.domain == domain) {
          next = ready;
        } else {
          deck_.push_plain(session.lane(), place);
        }
      });
    }
    index = next;
    const bool enough = ran >= kReplayed || session.interrupted();
    if (index != kNone) {
      if (!enough) continue;
      publish_sources(frame);
      deck_.push_plain(session.lane(), run.place(index));
      break;
    }
    if (frame.next != frame.end) {
      if (enough) {
        publish_sources(frame);
        break;
      }
      index = *frame.next++;
      continue;
    }
    if (enough || over) break;
    Entry* const entry = session.pop_own();
    if (entry == nullptr) break;
    const bool is_node = (entry->flags & (tasks::kGraphNode | tasks::kGraphSources)) != 0;
    if (!is_node || (!gathering.empty() && &run_of_entry(*entry) != frame.run) ||
        (self.only_run != nullptr && run_of_entry(*entry).outermost != self.only_run)) {
      deck_.push(session.lane(), *entry);
      break;
    }
    take(*entry);
  }
  over = over || (!gathering.empty() && gathering.flush(*frame.run));
  session.count(ran - 1);
  self.replay = frame.outer;
  self.current = outer;
  self.scope_of_current = outer_scope;
  self.entered = outer_entered;
  return over ? end_run(*frame.run) : nullptr;
}

/// Returns why the node's successors must not run, or 0.
std::uint32_t Engine::run_node(GraphRun& run, const graph::PlanNode& node, NodeIndex index) noexcept {
  const bool cancelling = cancelling_.load(std::memory_order_relaxed) != 0;
  if (run.trouble.load(sync::memory_order_relaxed) != 0 || cancelling) [[unlikely]] {
    if (const std::uint32_t cause = run.why_not(index, cancelling); cause != 0) {
      if (run.first_id != 0) trace_node(run, index, cause);
      return cause;
    }
  }
  if (run.first_id != 0) [[unlikely]]
    trace_node_start(run, index);
  std::uint32_t cause = 0;
  try {
    if (!node.ops->run(node.body.data(), run.value(0), run.value(node.result), *run.record)) return kLater;
    if (this_thread.forked) [[unlikely]]
      check_forked_body(false);
  } catch (const TaskCancelled&) {
    if (this_thread.forked) check_forked_body(true);
    // A body that looks whether it is to stop, and does.
    if (tasks::cancel_requested(*run.record)) {
      run.cancel_node(index);
      cause = graph::kOnRequest;
    } else {
      cause = fail_node(run, index, std::current_exception());
    }
  } catch (...) {
    if (this_thread.forked) check_forked_body(true);
    cause = fail_node(run, index, std::current_exception());
  }
  if (run.first_id != 0) [[unlikely]]
    trace_node(run, index, cause);
  return cause;
}

std::uint32_t Engine::fail_node(GraphRun& run, NodeIndex index, const std::exception_ptr& error) noexcept {
  return run.fail(index, error, not_run_because(run.plan.name_of(index), error));
}

/// A share of what is left: small enough that the slots end together.
void Engine::take_sources(ReplayFrame& frame, graph::Sources& sources, launch::Lane& lane) {
  const std::vector<NodeIndex>& all = frame.run->plan.sources(sources.domain);
  const auto left = static_cast<std::uint32_t>(all.size()) - sources.next;
  const std::uint32_t share = std::clamp(left / (4 * slots_), 1U, kSourcesTaken);
  frame.next = all.data() + sources.next;
  frame.end = frame.next + share;
  sources.next += share;
  if (share != left) deck_.push_plain(lane, sources);  // from here on it is somebody else's
}

void Engine::publish_sources(ReplayFrame& frame) {
  for (; frame.next != frame.end; ++frame.next) {
    Engine& engine = of(*frame.run->record);
    engine.deck_.push_plain(this_thread.session->lane(), frame.run->place(*frame.next));
  }
}

// ---- from the start of a run to its end

Record& Engine::run_graph(CapturedGraph& graph, std::span<detail::Binding> bindings, std::source_location site,
                          bool wait) {
  Record& record = start_run(graph, bindings, {site}, wait);
  if (!wait) return record;
  try {
    static_cast<void>(wait_done(record, -1, nullptr));
  } catch (...) {
    release(record);
    throw;
  }
  return record;
}

Record& Engine::start_run(CapturedGraph& graph, std::span<detail::Binding> bindings, const detail::NodeSite& site,
                          bool help) {
  check_process();
  GraphRun& run = graph.take(bindings);
  run.outermost = &run;
  run.reported = help;
  Record& record = prepare_run(run, site);
  if (help) {
    publish_continuation();
    help_run(run);
  } else {
    launch_run(run);
  }
  return record;
}

/// The record of the run's task, as that of a running one, with a reference for the caller.
Record& Engine::prepare_run(GraphRun& run, const detail::NodeSite& site) {
  Record* record = nullptr;
  try {
    record = &begin_spawn(kRunOps, site.here, detail::Domain::kNative);
  } catch (...) {
    run.owner->note_ended();
    CapturedGraph::give_back(run);
    throw;
  }
  base::store_pointer(record->body, &run);
  run.record = record;
  record->flags |= tasks::kNotice;  // the end of a run is never left out
  if (site.elsewhere != nullptr) {
    record->site.elsewhere = site.elsewhere;
    record->flags |= tasks::kForeignSite;
  }
  if (run.bodies() != 0) {
    record->state.fetch_or(tasks::state::kStarted | tasks::state::kGraphRun, sync::memory_order_relaxed);
    record->pending.store(0, sync::memory_order_release);
  }
  return *record;
}

void Engine::launch_run(GraphRun& run) {
  Record& record = *run.record;
  if (run.bodies() == 0) {
    run.owner->note_ended();
    commit_spawn(record, {});
    return;
  }
  launch::Lane& lane = lane_for(*this);
  if (enter_run(record, lane)) [[unlikely]]
    cancel_run(run);
  if (lane.trace != nullptr) [[unlikely]] {
    trace_spawn(record, {}, lane);
    trace_run(run, lane);
  }
  if (stepper_ != nullptr) [[unlikely]] {
    // One by one, as it picks among all of them. Whoever starts a run holds the graph, and with it this list.
    for (const detail::Domain domain : {detail::Domain::kInterpreter, detail::Domain::kNative}) {
      for (const NodeIndex index : run.plan.sources(domain))
        deck_.push_plain(lane, run.place(index));
    }
    return;
  }
  // Once the last of them is pushed, the run may be over.
  const bool native = !run.plan.sources(detail::Domain::kNative).empty();
  const bool interpreter = !run.plan.sources(detail::Domain::kInterpreter).empty();
  if (interpreter) deck_.push(lane, run.sources(detail::Domain::kInterpreter));
  if (native) deck_.push(lane, run.sources(detail::Domain::kNative));
}

void Engine::help_run(GraphRun& run) {
  if (stepper_ != nullptr) {
    launch_run(run);  // its workers run the nodes, one a step
    return;
  }
  if (holds_slot_of(*this)) {
    help_run_in_body(*this_thread.session, run);
    return;
  }
  const std::uint32_t slot = deck_.pool.try_take();
  if (slot == launch::kNoSlot) {
    launch_run(run);
    return;
  }
  HelperSession helper(*this, slot);
  helper.session().stop_when(this_thread.stop_helping);
  const Record& record = *run.record;
  const OnlyRun only(run);
  const auto ours = belongs_to_run(run);
  launch_run(run);
  helper.session().work_on([&] { return tasks::done(record); }, ours);
}

void Engine::help_run_in_body(Session& session, GraphRun& run) {
  if (this_thread.nested >= kMaxNested) {
    launch_run(run);
    return;
  }
  const Record& record = *run.record;
  const BodyBelow below(*this, *run.record);
  const auto ours = belongs_to_run(run);
  const InPlace in_place(*this, session);
  const OnlyRun only(run);
  launch_run(run);
  session.work_on([&] { return tasks::done(record); }, ours);
  session.stop_searching(true);
}

bool Engine::start_inner_run(CapturedGraph& graph, GraphRun& outer, NodeIndex node) {
  GraphRun& run = graph.take({});
  if (run.bodies() == 0) {
    graph.note_ended();
    CapturedGraph::give_back(run);
    return false;
  }
  run.outermost = outer.outermost;
  run.parent = &outer;
  run.parent_node = node;
  run.reported = true;
  Record& record = prepare_run(run, {std::source_location()});
  {
    const sync::Mutex::Guard guard(outer.mutex);
    outer.inner.push_back(&record);
  }
  // Seen by cancel_run, or it sees the record.
  if ((outer.trouble.load(sync::memory_order_relaxed) & graph::kCancelledRun) != 0)
    static_cast<void>(cancel_task(record));
  launch_run(run);
  return true;
}

/// On request. Nodes that have not started will not run.
void Engine::cancel_run(GraphRun& run) noexcept {
  std::vector<Record*> inner;
  {
    const sync::Mutex::Guard guard(run.mutex);
    run.trouble.fetch_or(graph::kCancelledRun, sync::memory_order_relaxed);
    inner = run.inner;
  }
  for (Record* one : inner)
    static_cast<void>(cancel_task(*one));
}

// Without the messages of the errors: to ask an exception for its message may take its language's interpreter.
std::exception_ptr errors_of(GraphRun& run) {
  const std::uint64_t cancelled = run.cancelled.load(sync::memory_order_relaxed);
  std::vector<Failure> roots;
  roots.reserve(run.failures.size());
  for (const graph::CapturedRun::NodeFailure& one : run.failures)
    roots.push_back({run.plan.name_of(one.node), run.plan.site_of(one.node), one.error});
  std::string what = "polyreme: " + std::to_string(roots.size()) + (roots.size() == 1 ? " node" : " nodes") + " of a " +
                     run.owner->title() + " failed, " + std::to_string(cancelled) + " not run because of that";
  constexpr std::size_t kNamed = 8;
  for (std::size_t i = 0; i < roots.size() && i < kNamed; ++i)
    what += "\n  " + roots[i].task + ", made at " + roots[i].site.text();
  if (roots.size() > kNamed) what += "\n  …";
  return std::make_exception_ptr(TaskErrors(what, std::move(roots), cancelled));
}

/// All nodes are finished. From complete() on the run may be gone.
Record* Engine::end_run(GraphRun& run) noexcept {
  Record& record = *run.record;
  std::exception_ptr error;
  if (!run.failures.empty()) error = errors_of(run);
  const bool cancelled = run.cancelled.load(sync::memory_order_relaxed) != 0;
  run.owner->note_ended();
  if (run.parent != nullptr) finish_outer_node(run, error, cancelled);
  std::exception_ptr cause;
  if (error != nullptr) {
    cause =
        run.reported ? not_run_because("a run of the " + run.owner->title(), error) : note_root_failure(record, error);
  }
  // Not before: destructors of what has ended or was cancelled may have waited, and come back on another slot.
  launch::Lane& lane = lane_for(*this);
  if (lane.trace != nullptr) [[unlikely]]
    trace_start(record, lane);
  if (error != nullptr) {
    tasks::Rare& rare = tasks::rare_of(record);
    rare.failure = error;
    rare.for_dependents = cause;
    tasks::set_outcome(record, tasks::state::kFailed);
    return complete(record, lane, &cause);
  }
  if (cancelled) {
    record.flags |= tasks::kStopped;
    tasks::set_outcome(record, tasks::state::kCancelled | tasks::state::kOnRequest);
    const std::exception_ptr no_cause;
    return complete(record, lane, &no_cause);
  }
  return complete(record, lane, nullptr);
}

/// The run was a node of another one.
void Engine::finish_outer_node(GraphRun& run, const std::exception_ptr& error, bool cancelled) noexcept {
  GraphRun& outer = *run.parent;
  const NodeIndex index = run.parent_node;
  std::uint32_t cause = 0;
  if (error != nullptr) {
    cause = fail_node(outer, index, error);
  } else if (cancelled) {
    outer.cancel_node(index);
    cause = graph::kOnRequest;
  }
  if (outer.first_id != 0) [[unlikely]]
    trace_node(outer, index, cause);
  graph::Gathering gathering;
  bool over = graph::finish_node(outer, outer.plan.nodes()[index], cause, gathering,
                                 [&](NodeIndex ready) { deck_.push(this_thread.session->lane(), outer.place(ready)); });
  over = over || (!gathering.empty() && gathering.flush(outer));
  if (!over) return;
  if (Record* const next = end_run(outer); next != nullptr) deck_.push(lane_for(*this), *next);
}

}  // namespace polyreme::runtime
