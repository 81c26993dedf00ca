// The engine: the one object that knows all stages and wires them.
//
// spawn (begin, commit) → graph (edges, count-down) → launch (lane, session) → run → complete (finish) → graph …
//
// Parts: engine.cpp (spawn, run, completion), scopes.cpp, repeating.cpp (retries), cancelling.cpp (cancellation, on
// request and by a failed predecessor), failures.cpp (root failures), waiting.cpp (waits, helping, stalls),
// arrivals.hpp/.cpp (waits for the next of several tasks), workers.cpp (the threads that hold slots), in_place.hpp
// (what runs in place of a wait), suspending.cpp (bodies that wait without a thread), replay.cpp (runs of captured
// graphs), diagnose.cpp (what a stall is due to), cores.cpp (tasks of several cores), shutdown.cpp (start, close, end
// of life), threads.hpp/.cpp (which lane belongs to the calling thread).
//
// Lifetime. close() runs everything down and joins the workers. The memory of records must outlive that: handles may be
// dropped at any later time by any thread. So a closed engine stays in a graveyard until as many blocks were freed as
// taken, and is reaped by the next engine that opens or closes, or at process exit.
#pragma once

#include <polyreme/detail/abi.hpp>
#include <polyreme/errors.hpp>

#include "base/slab.hpp"
#include "complete/finish.hpp"
#include "graph/captured_run.hpp"
#include "graph/space.hpp"
#include "launch/session.hpp"
#include "runtime/arrivals.hpp"
#include "runtime/scope.hpp"
#include "runtime/timers.hpp"
#include "task/awaiting.hpp"
#include "task/record.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace polyreme {
class Observer;
}

namespace polyreme::trace {
class Listener;
class Recorder;
class Tap;
}  // namespace polyreme::trace

namespace polyreme::runtime {

class Engine;
class CapturedGraph;
struct GraphRun;
struct ReplayFrame;
class Stepper;

/// Enough that no slot runs dry while a producer sleeps; few enough that their records stay in the cache.
inline constexpr std::uint32_t kDefaultMaxReady = 1U << 15;

/// As EngineOptions::max_ready: no lane ever holds more.
inline constexpr std::uint32_t kUnlimited = ~0U;

struct EngineOptions {
  std::uint32_t workers = 0;                   ///< slots; 0: one for each core that this process may use
  bool pin = false;                            ///< bind each worker to the core of its slot
  std::uint32_t max_ready = kDefaultMaxReady;  ///< a foreign thread with more ready tasks sleeps until half are started
  double stall_warning_s = 10.0;               ///< seconds before a wait that cannot end is warned about
  std::function<void(const std::string&)> warn;  ///< called from a waiting thread; empty: standard error
  launch::Interpreter* interpreter = nullptr;
  std::optional<std::uint64_t> seed;  ///< one slot, and the seed says what runs when; runtime/stepper.hpp
};

/// Wakes the thread that waits for one task, or for quiescence. Shared between the waiting thread and the successor
/// list.
struct Waiter : graph::Listener {
  sync::Parker parker;
  sync::Atomic<std::uint32_t> holders{1};
  // Under the slot pool's lock:
  bool for_quiescence = false;
  bool is_producer = false;   ///< counted as one that waits; not so with a time limit
  bool on_slot = false;       ///< its thread gave up a slot for it, and will take one again
  bool has_deadline = false;  ///< it ends whatever happens
  bool elsewhere = false;     ///< a body's, for something of another engine, which alone knows when it ends
  bool asked_to_diagnose = false;
  tasks::Record* target = nullptr;     ///< the task waited for …
  const ScopeState* scope = nullptr;   ///< … or the scope, in …
  std::uint32_t scope_use = 0;         ///< … this use of its state …
  const Arrivals* arrivals = nullptr;  ///< … or the next of several tasks; none of these: all tasks
  std::exception_ptr error;            ///< set by a diagnosis: the wait cannot end
};

/// Lets a foreign thread look after something else while it waits (the Python binding: after signals).
struct WaitHooks {
  std::int64_t interval_ns = 50'000'000;
  bool (*abandon)(void* self) = nullptr;  ///< called about every interval; true: give the wait up
  void* self = nullptr;
};

using Session = launch::Session<Engine>;

/// The calling thread's part in the engine whose slot it holds, and its last foreign lane. Constant-initialised and
/// trivially destructible: reading it costs one segment-relative load.
struct ThreadContext {
  std::uint64_t session_serial = 0;  ///< engine of `session`; 0: none
  Session* session = nullptr;
  launch::SlotPool::Seat* seat = nullptr;   ///< a worker's; null on foreign threads
  std::uint32_t nested = 0;                 ///< bodies on this thread's stack that run in place of a wait
  int exceptions_below = 0;                 ///< in flight below those, as a destructor waits there
  tasks::Record* current = nullptr;         ///< the task whose body runs on this thread
  ScopeState* scope_of_current = nullptr;   ///< the scope of that task
  detail::EnteredScope* entered = nullptr;  ///< the innermost scope that was entered on this thread, in that body
  tasks::Record* continuation = nullptr;  ///< ready, and in no queue, while the result of its predecessor is destroyed
  ReplayFrame* replay = nullptr;          ///< the nodes of a captured graph that this thread runs
  const GraphRun* only_run = nullptr;     ///< it waits for this run, and runs nodes of no other
  std::uint64_t foreign_serial = 0;
  launch::Lane* foreign_lane = nullptr;
  bool forked = false;             ///< this is the child of a fork in the body below
  bool never_helps = false;        ///< its waits run no bodies on it (an event loop runs there)
  bool holds_interpreter = false;  ///< a foreign thread says that it is inside (python/bind)
  const std::atomic<bool>* stop_helping =
      nullptr;  ///< once true, the thread helps no further with a wait for all tasks
};

class Engine final : public graph::RecordSource {
 public:
  /// Starts the workers. @throws UsageError for impossible options, std::system_error if threads cannot be made.
  static Engine* open(EngineOptions options);
  /// Waits until all is done, stops the workers. Idempotent. Unreported failures go to the warning handler.
  void close();
  /// Gives up the pointer from open(), after close().
  static void bury(Engine* engine);

  // ---- spawn
  [[nodiscard]] tasks::Record& begin_spawn(const detail::BodyOps& ops, std::source_location site,
                                           detail::Domain domain);
  [[nodiscard]] tasks::Record& begin_named_spawn(const detail::BodyOps& ops, std::source_location site,
                                                 detail::Domain domain, std::string_view name, graph::SpaceState* space,
                                                 std::span<const std::int64_t> index);
  /// The same for the record of a named id, which the caller holds.
  [[nodiscard]] tasks::Record& begin_spawn_into(tasks::Record& record, const detail::BodyOps& ops,
                                                std::source_location site, detail::Domain domain,
                                                std::string_view name);
  void abort_spawn(tasks::Record& record) noexcept;
  void commit_spawn(tasks::Record& record, std::span<tasks::Record* const> predecessors);
  /// Instead of commit_spawn: the task starts once `target` is done, however that ends.
  void start_committed(tasks::Record& record);
  void commit_when_done(tasks::Record& record, tasks::Record& target);
  void release(tasks::Record& record) noexcept;
  [[nodiscard]] std::shared_ptr<graph::SpaceState> make_space(std::string name);
  /// Called instead of a slot's queue for tasks that need placement and admission; null until such a stage is wired.
  using FullRoad = void (*)(void* stage, tasks::Record& ready);
  void set_full_road(FullRoad road, void* stage) noexcept {
    full_road_stage_ = stage;
    full_road_ = road;
  }
  /// The way back from the full road: an admitted task goes to the calling thread's lane.
  void launch(tasks::Record& record);

  /// True: the calling thread, if foreign, has spawned far ahead of the slots and should call hold_back().
  [[nodiscard]] bool is_ahead(launch::Lane& lane) const noexcept {
    return lane.slot == ~0U && lane.queues.ready() > deck_.max_ready;
  }
  /// Sleeps until the slots have started half of the calling thread's ready tasks.
  void hold_back(launch::Lane& lane);

  // ---- run (called by sessions)
  tasks::Entry* run(tasks::Entry& entry, launch::Lane& lane) noexcept;
  /// The same for a task that a helping waiter has claimed.
  tasks::Record* run_claimed(tasks::Record& record, launch::Lane& lane) noexcept;
  [[nodiscard]] launch::Lane& add_foreign_lane();

  // ---- suspended bodies (suspending.cpp)
  /// Makes a body that was suspended ready; called by whoever has ended its wait.
  void resume(tasks::Record& record) noexcept;
  /// Cancels the wait of a task that has begun: if its body is suspended, it goes on with TaskCancelled, else its next
  /// wait by suspension throws that, once. The caller has a reference. True: it was suspended. Does nothing for a body
  /// that never suspends.
  bool resume_cancelled(tasks::Record& record) noexcept;
  /// A block of memory for the body that runs on this thread, and the way back, from any thread. The first word is not
  /// to be written: it is always a record's state.
  [[nodiscard]] void* allocate_block();
  void free_block(void* block) noexcept;

  // ---- captured graphs (replay.cpp)
  /// Starts a run; with `wait` helps until it is over. The caller gets a reference to its record.
  [[nodiscard]] tasks::Record& run_graph(CapturedGraph& graph, std::span<detail::Binding> bindings,
                                         std::source_location site, bool wait);
  /// Its first half: starts the run, and with `help`, which is for those who then wait for it and report its failures,
  /// helps with it until it is over or this thread must stop.
  [[nodiscard]] tasks::Record& start_run(CapturedGraph& graph, std::span<detail::Binding> bindings,
                                         const detail::NodeSite& site, bool help);
  /// Starts the run that the node `node` of `outer` consists of. False: there is nothing in it to be run.
  [[nodiscard]] bool start_inner_run(CapturedGraph& graph, GraphRun& outer, graph::NodeIndex node);
  /// @throws RuntimeClosed.
  void check_open() const;

  // ---- wait
  /// False on timeout (nanoseconds; negative: none) or when the hooks abandoned the wait. Only waits without timeout
  /// help.
  [[nodiscard]] bool wait_done(tasks::Record& record, std::int64_t timeout_ns, const WaitHooks* hooks);
  /// Runs tasks of this runtime until all are done. @throws TaskErrors.
  void wait_all();
  /// Of an engine with a seed: lets one thing go on until its next scheduling point. False: nothing could.
  bool step();
  /// The helping half of a wait by a foreign thread, without the sleep. True: what is waited for has come.
  [[nodiscard]] bool help_until_done(tasks::Record& record);
  [[nodiscard]] bool help_until_quiescent();
  /// False on timeout (nanoseconds; negative: none). Does not report failures.
  [[nodiscard]] bool wait_quiescent(std::int64_t timeout_ns, const WaitHooks* hooks);
  /// Takes the root failures outside all scopes that were collected since the last call.
  [[nodiscard]] Failures take_failures();
  /// @throws TaskErrors if there are any.
  static void throw_failures(Failures failures);
  /// Cancels a task that has not started, at once; asks a body that runs to stop. True: the task will not run, or is
  /// over and was cancelled. @throws UsageError for an id that is not spawned.
  bool cancel_task(tasks::Record& record);

  // ---- scopes
  /// A new scope within the calling thread's current one.
  [[nodiscard]] ScopeState& open_scope(bool cancel_on_error);
  /// Cancels what has not started in it, and asks what runs in it to stop; also what joins it later.
  void cancel_scope(ScopeState& scope);
  /// False on timeout or when the hooks abandoned the wait. @throws UsageError in the body of one of its tasks.
  [[nodiscard]] bool wait_scope(ScopeState& scope, std::uint32_t use, std::int64_t timeout_ns, const WaitHooks* hooks);
  /// Waits until a task of the list has ended that was not taken, or none is left. The list is this thread's.
  /// False as for wait_scope.
  [[nodiscard]] bool wait_next(Arrivals& arrivals, std::int64_t timeout_ns, const WaitHooks* hooks);
  /// After ScopeState::hold().
  void leave_held(ScopeState& scope) noexcept {
    if (scope.leave()) end_of_scope(scope);
  }
  /// Instead of commit_spawn: the task, which belongs to no scope, starts once this one is over.
  void commit_when_over(tasks::Record& record, ScopeState& scope);
  /// Ends a scope that is over. What it had not reported goes to the scope around it, or to the runtime.
  void close_scope(ScopeState& scope) noexcept;
  /// Ends it as soon as it is over.
  void abandon_scope(ScopeState& scope) noexcept;

  /// From now on all tasks that have not started are cancelled. For a runtime that is then closed.
  void cancel_unstarted() noexcept;
  /// Cancels all tasks that have not started and waits until the runtime is quiescent. What is spawned later runs.
  void cancel_and_wait();
  void add_producer();
  void remove_producer();
  /// A registered thread has ended.
  void lose_producer() noexcept;

  // ---- facts
  [[nodiscard]] std::uint32_t workers() const noexcept { return slots_; }
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  [[nodiscard]] launch::Deck& deck() noexcept { return deck_; }
  [[nodiscard]] base::BlockDepot& depot() noexcept { return depot_; }
  struct Stats {
    std::uint64_t spawned, completed, steals, live_blocks;
    std::uint32_t workers, threads, free_slots;
    std::uint64_t ready;                       ///< entries in all queues
    std::vector<std::uint64_t> ready_by_slot;  ///< in those of each slot
    std::uint64_t parks, wakes, interpreter_enters, interpreter_wait_ns;
  };
  [[nodiscard]] Stats stats();
  void warn(const std::string& text) const noexcept;

  /// Runtime::start_trace and write_trace.
  void start_trace();
  void write_trace(const std::string& path);
  /// Observation's begin and end.
  void observe(Observer& observer);
  void stop_observing();
  /// It was opened with a seed.
  [[nodiscard]] bool stepped() const noexcept { return stepper_ != nullptr; }
  [[nodiscard]] bool tracing() const noexcept { return tracing_.load(std::memory_order_relaxed); }

  // ---- graph::RecordSource
  [[nodiscard]] tasks::Record& make() override;
  [[nodiscard]] tasks::Record& make_done() override;
  void drop(tasks::Record& record) noexcept override { release(record); }
  void give_up(tasks::Record& record) noexcept override;

  /// The engine that a record belongs to.
  [[nodiscard]] static Engine& of(const tasks::Record& record) noexcept;

 private:
  friend class HelperSession;
  class ArrivalWait;
  friend class InPlace;
  friend class Stepper;

  /// Ids are handed out to lanes in ranges of this length.
  static constexpr std::uint64_t kIdRange = 1 << 16;
  /// Nodes of a captured graph that a thread runs between two looks at what else there is.
  static constexpr std::uint32_t kReplayed = 64;
  /// Nodes at the beginning of a run that a thread takes up at a time, at most.
  static constexpr std::uint32_t kSourcesTaken = 32;
  /// Bodies that sleep in waits at a time, each on a thread of its own.
  static constexpr std::uint32_t kMaxSpares = 4096;
  /// Bodies in place of waits, one above the other on a thread. A deeper one sleeps, and goes on on a new stack.
  static constexpr std::uint32_t kMaxNested = 256;
  /// Results that own handles of tasks whose results own handles …: destroyed one above the other.
  static constexpr std::uint32_t kMaxFreeing = 64;

  class Away;

  explicit Engine(EngineOptions options);
  ~Engine() override;

  // engine.cpp
  tasks::Record& allocate(launch::Lane& lane, std::uint64_t references, std::uint64_t flags);
  void free_record(tasks::Record& record) noexcept;
  void free_with_result(tasks::Record& record) noexcept;
  void free_rest(tasks::Record& record) noexcept;
  std::uint64_t next_id(launch::Lane& lane) noexcept;
  void link(tasks::Record& record, std::span<tasks::Record* const> predecessors, launch::Lane& lane);
  void make_ready(tasks::Record& record, launch::Lane& lane);
  void take_full_road(tasks::Record& record, launch::Lane& lane);
  void check_process() const;
  void check_forked_body(bool failed) const noexcept;
  tasks::Record& fill_claimed(tasks::Record& record, const detail::BodyOps& ops, std::source_location site,
                              detail::Domain domain, std::string_view name);
  tasks::Record* complete(tasks::Record& record, launch::Lane& lane, const std::exception_ptr* cause) noexcept;
  tasks::Record* fail(tasks::Record& record, std::exception_ptr error,
                      std::exception_ptr tasks::Rare::* place = &tasks::Rare::failure) noexcept;
  tasks::Record* cancel(tasks::Record& record) noexcept;
  void drop_body(tasks::Record& record) noexcept;
  tasks::Record* complete_unrun(tasks::Record& record, const std::exception_ptr& cause, std::uint64_t why = 0) noexcept;
  std::exception_ptr note_root_failure(tasks::Record& record, const std::exception_ptr& error) noexcept;
  tasks::Record* run_resumed(tasks::Record& record, launch::Lane& lane) noexcept;

  // suspending.cpp
  tasks::Record* suspend(tasks::Record& record, tasks::Record& target, launch::Lane& lane) noexcept;
  void resume_with(tasks::Record& record, std::exception_ptr error) noexcept;
  template <class Fn>
  void for_each_suspended(Fn&& fn) {
    depot_.for_each_marked([&](void* block) {
      auto& record = *static_cast<tasks::Record*>(block);
      if (tasks::is_suspended(record)) fn(record);
    });
  }

  [[nodiscard]] tasks::Record& begin_own(const detail::BodyOps& ops, std::source_location site, detail::Domain domain);
  void count_apart(tasks::Record& record);

  // cancelling.cpp
  void end_taken(tasks::Record& record) noexcept;
  void cancel_committed(tasks::Record& record) noexcept;
  void tell_started(tasks::Record& record) noexcept;
  tasks::Record* stop(tasks::Record& record, launch::Lane& lane) noexcept;

  // repeating.cpp
  tasks::Record* thrown(tasks::Record& record, std::exception_ptr error, bool is_cancellation) noexcept;
  [[nodiscard]] tasks::Record* plan_retry(tasks::Record& record, const std::exception_ptr& error) noexcept;
  [[nodiscard]] bool end_pause(tasks::Record& record) noexcept;
  static void timer_due(void* engine, tasks::Record& record);

  // scopes.cpp
  [[nodiscard]] ScopeState* current_scope() const noexcept;
  [[nodiscard]] bool enter_graph(tasks::Record& record, launch::Lane& lane);
  [[nodiscard]] ScopeState* scope_of(const tasks::Record& record) noexcept;
  tasks::Record* run_with_scope(tasks::Record& record, launch::Lane& lane, detail::EnteredScope* entered) noexcept;
  void leave_scope(tasks::Record& record) noexcept;
  void end_of_scope(ScopeState& scope) noexcept;
  void help_scope(Session& session, const ScopeState& scope);
  // replay.cpp
  [[nodiscard]] bool enter_run(tasks::Record& record, launch::Lane& lane);
  tasks::Entry* replay(tasks::Entry& entry) noexcept;
  [[nodiscard]] std::uint32_t run_node(GraphRun& run, const graph::PlanNode& node, graph::NodeIndex index) noexcept;
  static std::uint32_t fail_node(GraphRun& run, graph::NodeIndex index, const std::exception_ptr& error) noexcept;
  void take_sources(ReplayFrame& frame, graph::Sources& sources, launch::Lane& lane);
  static void publish_sources(ReplayFrame& frame);
  tasks::Record& prepare_run(GraphRun& run, const detail::NodeSite& site);
  void launch_run(GraphRun& run);
  void help_run(GraphRun& run);
  void help_run_in_body(Session& session, GraphRun& run);
  void cancel_run(GraphRun& run) noexcept;
  tasks::Record* end_run(GraphRun& run) noexcept;
  void finish_outer_node(GraphRun& run, const std::exception_ptr& error, bool cancelled) noexcept;

  // tracing.cpp
  void trace_run(GraphRun& run, launch::Lane& lane);
  void trace_node(GraphRun& run, graph::NodeIndex index, std::uint32_t cause) noexcept;
  void trace_node_start(const GraphRun& run, graph::NodeIndex index) noexcept;
  void attach_trace(launch::Lane& lane);
  void attach_locked(launch::Lane& lane);
  void attach_all_locked();
  void while_idle(const char* what, const std::function<void()>& attach);
  [[nodiscard]] bool try_while_idle(const std::function<void()>& attach);
  void trace_spawn(tasks::Record& record, std::span<tasks::Record* const> predecessors, launch::Lane& lane);
  void trace_start(const tasks::Record& record, launch::Lane& lane) noexcept;
  void trace_end(const tasks::Record& record, launch::Lane& lane) noexcept;
  void trace_suspend(const tasks::Record& record, launch::Lane& lane) noexcept;
  void trace_resume(const tasks::Record& record, launch::Lane& lane) noexcept;

  // waiting.cpp
  bool block_in_body(Session& session, tasks::Record& record, std::int64_t timeout_ns);
  bool block_outside(tasks::Record& record, std::int64_t timeout_ns, const WaitHooks* hooks);
  bool help_with(tasks::Record& record);
  [[nodiscard]] std::uint32_t take_to_help();
  void run_above(Session& session, tasks::Record& record);
  [[nodiscard]] bool may_run_above() noexcept;
  void run_inline(Session& session, tasks::Record& record);
  tasks::Record* run_body(tasks::Record& record, launch::Lane& lane) noexcept;
  using Over = std::function<bool()>;
  bool sleep_without_slot(Session& session, Waiter& waiter, std::int64_t timeout_ns, const Over& over, bool& timed_out);
  void help_all();
  void on_all_idle_locked() noexcept;
  void look_for_stall() noexcept;
  [[nodiscard]] bool over_locked(const Waiter& waiter) const noexcept;
  [[nodiscard]] bool producers_left_locked() const noexcept;
  static void publish_continuation();
  void register_waiter(Waiter& waiter);
  std::exception_ptr unregister_waiter(Waiter& waiter) noexcept;
  bool take_diagnosis_request(Waiter& waiter) noexcept;
  bool has_error(Waiter& waiter) noexcept;
  enum class Slept : std::uint8_t { kOver, kTimeout, kAbandoned };
  Slept sleep(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over);
  Slept sleep_outside(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over);
  bool wait_unlisted(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over);

  // workers.cpp
  void worker_main();
  void give_up_slot(Session& session);
  void ensure_spare();
  void forget_blocked(bool is_worker) noexcept;

  // cores.cpp
  void collect_for(tasks::Record& record);
  void run_collected(Session& session, launch::SlotPool::Request& granted);
  void give_back(const std::vector<std::uint32_t>& slots);
  void board_again(Session& session, launch::SlotPool::Seat& seat, std::uint32_t count);
  void drop_requests() noexcept;

  // stepper.cpp
  [[nodiscard]] Timers::Clock::time_point now();
  Slept sleep_stepping(Waiter& waiter, std::int64_t timeout_ns, const WaitHooks* hooks, const Over& over);
  void stepped_worker_main();

  // diagnose.cpp
  struct Findings;
  void diagnose();
  void find_missing(Findings& findings);
  void find_circles(Findings& findings);
  void break_circle(const std::vector<tasks::Record*>& circle, Findings& findings);
  void warn_stall();
  std::vector<std::shared_ptr<graph::SpaceState>> live_spaces();
  void fail_without_running(tasks::Record& record, const std::exception_ptr& error, bool was_spawned);
  void check_new_cycle(tasks::Record& record, std::span<tasks::Record* const> predecessors);

  // shutdown.cpp
  void start_worker_locked();
  void drop_stale_entries() noexcept;
  [[nodiscard]] bool all_freed() noexcept;
  static void reap();

  const std::uint64_t serial_;
  const EngineOptions options_;
  const std::uint32_t slots_;
  base::BlockDepot depot_;
  launch::Deck deck_;
  FullRoad full_road_ = nullptr;
  void* full_road_stage_ = nullptr;
  std::atomic<bool> closing_{false};          ///< foreign threads may not spawn any more
  std::atomic<bool> closed_{false};           ///< workers are joined
  std::atomic<std::uint32_t> cancelling_{0};  ///< calls that want tasks to be cancelled instead of run
  std::atomic<bool> warned_{false};
  std::atomic<std::uint64_t> id_ranges_{0};
  std::atomic<std::uint64_t> freed_outside_{0};  ///< blocks freed by threads without a lane

  // Under the slot pool's lock.
  std::vector<Waiter*> waiters_;
  std::int64_t producers_ = 0;  ///< registered, not waiting

  /// Taken before the slot pool's lock. Recursive: the bodies that a diagnosis destroys may own the last handle of a
  /// space.
  std::recursive_mutex diagnosis_mutex_;

  std::mutex failures_mutex_;
  Failures failures_;  ///< of tasks outside all scopes

  ScopeTable scopes_{*this};
  Timers timers_{&timer_due, this};

  std::mutex spaces_mutex_;
  std::vector<std::weak_ptr<graph::SpaceState>> spaces_;
  std::size_t purge_spaces_at_ = 64;  ///< spaces that are gone are dropped from the list when it is this long

  std::mutex threads_mutex_;
  std::vector<std::thread> threads_;
  std::uint32_t blocked_workers_ = 0;  ///< workers whose body sleeps in a wait

  std::unique_ptr<Stepper> stepper_;  ///< null unless EngineOptions::seed is set

  std::mutex trace_mutex_;  ///< nothing else is locked under it, and the slot pool's lock may be held
  std::unique_ptr<trace::Recorder> recorder_;
  std::unique_ptr<trace::Listener> listener_;   ///< on behalf of an observer
  std::deque<trace::Tap> taps_;                 ///< by the index of their lane
  std::uint64_t trace_base_ = 0;                ///< tasks spawned before the trace began
  std::atomic<std::uint64_t> traced_nodes_{0};  ///< of captured graphs, each of which the trace shows as a task
  std::atomic<bool> tracing_{false};
};

/// A foreign thread's time with a slot, for as long as it helps. Restores the thread's own part at the end.
class HelperSession {
 public:
  HelperSession(Engine& engine, std::uint32_t slot);
  HelperSession(const HelperSession&) = delete;
  HelperSession& operator=(const HelperSession&) = delete;
  ~HelperSession();
  [[nodiscard]] Session& session() noexcept { return session_; }

  bool lost_slot = false;  ///< the slot went to a resumed body

 private:
  Engine& engine_;
  Session session_;
  const ThreadContext saved_;
};

/// A foreign thread that holds the interpreter lets it go while it sleeps.
class InterpreterPause {
 public:
  explicit InterpreterPause(Engine& engine);
  InterpreterPause(const InterpreterPause&) = delete;
  InterpreterPause& operator=(const InterpreterPause&) = delete;
  ~InterpreterPause();

 private:
  launch::Interpreter* interpreter_;
};

/// What dependents of a failed or cancelled task are cancelled with. Null: it was cancelled on request, or because a
/// task before it was; their exceptions are made when somebody asks.
[[nodiscard]] std::exception_ptr cause_for_dependents(const tasks::Record& record) noexcept;

/// What dependents of a failed task get.
[[nodiscard]] std::exception_ptr not_run_because(const std::string& what, const std::exception_ptr& error);

/// The body of a task that only has to be done at some time.
extern const detail::BodyOps kNothingToRun;
tasks::Record* run_nothing(void* storage, tasks::Record& self);

/// "name, spawned at file:line: message".
[[nodiscard]] std::string describe(const Failure& failure);

}  // namespace polyreme::runtime
