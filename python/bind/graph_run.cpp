#include "graph_run.hpp"

#include <polyreme/detail/abi.hpp>
#include <polyreme/detail/body.hpp>

#include "errors.hpp"
#include "gph/order.hpp"
#include "gph/work.hpp"
#include "interpreter.hpp"
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "runtime_object.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace polyreme::python {
namespace {

namespace nb = nanobind;
using gph::TaskIndex;
using runtime::Engine;
using tasks::Record;

// A part with the GIL, on a thread without it.
void spin_inside(std::uint64_t steps, const std::atomic<bool>& stop) noexcept {
  interpreter().enter();
  spin(steps, stop);
  interpreter().leave();
}

struct NativeBody {
  std::uint64_t free_steps;
  std::uint64_t held_steps;
  std::uint64_t accesses;
  const std::atomic<bool>* stop;

  void operator()() const noexcept {
    for (std::uint64_t i = 0; i < accesses && !stop->load(std::memory_order_relaxed); ++i) {
      spin(free_steps, *stop);
      if (held_steps != 0) spin_inside(held_steps, *stop);
    }
  }
};

// The worker has the GIL already, and nothing is between one access and the next.
struct InterpreterBody {
  std::uint64_t held_steps;
  std::uint64_t accesses;
  const std::atomic<bool>* stop;

  void operator()() const noexcept {
    for (std::uint64_t i = 0; i < accesses && !stop->load(std::memory_order_relaxed); ++i)
      spin(held_steps, *stop);
  }
};

template <typename Body>
Record& begin(Engine& engine, const std::string& name, detail::Domain domain, const Body& body) {
  static_assert(detail::kInlineBody<Body>);
  Record& record = engine.begin_named_spawn(detail::kBodyOps<Body, void>, {}, domain, name, nullptr, {});
  detail::construct_body<Body>(detail::body_of(record), body);
  return record;
}

// The handles of tasks that later ones may still name.
class Handles {
 public:
  explicit Handles(const std::vector<std::uint32_t>& dependents)
      : records_(dependents.size(), nullptr), missing_(dependents) {}
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    for (Record* record : records_)
      if (record != nullptr) detail::release(*record);
  }

  [[nodiscard]] Record* operator[](TaskIndex task) const noexcept { return records_[task]; }

  void add(TaskIndex task, Record& record) noexcept {
    records_[task] = &record;
    if (missing_[task] == 0) drop(task);
  }
  // One of the dependents has been spawned.
  void note_use(TaskIndex task) noexcept {
    if (--missing_[task] == 0) drop(task);
  }

 private:
  void drop(TaskIndex task) noexcept {
    detail::release(*records_[task]);
    records_[task] = nullptr;
  }

  std::vector<Record*> records_;
  std::vector<std::uint32_t> missing_;
};

template <typename Action>
auto outside(const Action& action) {
  const Outside released;
  return action();
}

// Runs the plan and returns when all its tasks have ended, whatever happens: they look at `stop`.
void run_plan(const EngineUse& use, const GraphPlan& plan, const nb::object& progress, std::int64_t interval_ns) {
  Engine& engine = *use.get();
  if (runtime::holds_slot_of(engine))
    throw UsageError("polyreme: a graph run in a body would wait for the body itself; return, and run it outside");
  const std::uint64_t before = engine.stats().completed;
  auto stop = std::make_unique<std::atomic<bool>>(false);
  try {
    {
      const std::unique_lock open = use.keep_open();
      if (!open) throw nb::python_error();
      outside([&] { plan.spawn(engine, *stop); });
    }
    while (!outside([&] { return engine.wait_quiescent(interval_ns, nullptr); })) {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!progress.is_none()) progress(engine.stats().completed - before);
    }
  } catch (...) {
    stop->store(true, std::memory_order_relaxed);
    try {
      outside([&] { engine.cancel_and_wait(); });
    } catch (...) {
      stop.release();  // NOLINT(bugprone-unused-return-value): bodies may still look at it
      throw;
    }
    throw;
  }
}

void run_plan(nb::handle runtime, const GraphPlan& plan, const nb::object& progress, double interval_s) {
  if (!(interval_s > 0 && interval_s < 1e6))
    throw std::invalid_argument("interval_s=" + std::to_string(interval_s) + "; it is a number of seconds above 0");
  if (!check_runtime(runtime.ptr())) throw nb::python_error();
  const EngineUse use(runtime.ptr());
  if (use.get() == nullptr) throw nb::python_error();
  try {
    run_plan(use, plan, progress, static_cast<std::int64_t>(interval_s * 1e9));
  } catch (const Error&) {
    static_cast<void>(raise_current());
    throw nb::python_error();
  }
}

}  // namespace

GraphPlan::GraphPlan(const gph::Graph& graph, const SpinRate& rate)
    : graph_(graph), order_(gph::topological_order(graph)), dependents_(graph.task_count(), 0) {
  work_.reserve(graph.task_count());
  for (TaskIndex task = 0; task < graph.task_count(); ++task) {
    const gph::CpuWork work = gph::cpu_work(graph, task);
    if (work.cores > 1)
      throw NotRunnable("task " + graph.name(task) + " on line " + std::to_string(graph.line(task)) + " holds " +
                        std::to_string(work.cores) + " cores, and a run gives a task one; give it a share of 1");
    work_.push_back({rate.steps(work.free_us), rate.steps(work.held_us), work.accesses});
    for (const TaskIndex other : graph.dependencies(task))
      ++dependents_[other];
  }
}

void GraphPlan::spawn(Engine& engine, const std::atomic<bool>& stop) const {
  Handles handles(dependents_);
  std::vector<Record*> predecessors;
  for (const TaskIndex task : order_) {
    predecessors.clear();
    for (const TaskIndex other : graph_.dependencies(task))
      predecessors.push_back(handles[other]);
    const Work& work = work_[task];
    const std::string name = graph_.name(task);
    Record& record =
        work.free_steps == 0 && work.held_steps != 0
            ? begin(engine, name, detail::Domain::kInterpreter, InterpreterBody{work.held_steps, work.accesses, &stop})
            : begin(engine, name, detail::Domain::kNative,
                    NativeBody{work.free_steps, work.held_steps, work.accesses, &stop});
    detail::commit_spawn(record, predecessors);
    handles.add(task, record);
    for (const TaskIndex other : graph_.dependencies(task))
      handles.note_use(other);
  }
}

void add_graph_run(nb::module_& module) {
  const nb::exception<NotRunnable> error(module, "TaskNotRunnable", module.attr("GraphNotRunnable").ptr());
  nb::class_<SpinRate>(module, "SpinRate", "How fast this machine runs the busy work of graph tasks.")
      .def_static("measure", &SpinRate::measure, nb::call_guard<nb::gil_scoped_release>(),
                  "Measure it, for some 10 to 40 ms.")
      .def_prop_ro("steps_per_us", &SpinRate::steps_per_us)
      .def_prop_ro("verified_us", &SpinRate::verified_us,
                   "What a spin took that was to take 1 us, measured afterwards: near 1 if the rate is to "
                   "be trusted.")
      .def(
          "spin",
          [](const SpinRate& rate, double time_us, bool hold_gil) {
            const std::atomic<bool> never{false};
            std::optional<Outside> released;
            if (!hold_gil) released.emplace();
            spin(rate.steps(time_us), never);
          },
          nb::arg("time_us"), nb::arg("hold_gil"), "Be busy on the calling thread, with the GIL or without.");
  nb::class_<GraphPlan>(module, "GraphPlan", "A graph made ready to run, again and again.")
      .def(nb::init<const gph::Graph&, const SpinRate&>(), nb::arg("graph"), nb::arg("rate"), nb::keep_alive<1, 2>(),
           "Raises:\n    GraphNotRunnable: a task has no alternative for the CPU, or one of several cores.")
      .def(
          "run",
          [](const GraphPlan& plan, nb::handle runtime, const nb::object& progress, double interval_s) {
            run_plan(runtime, plan, progress, interval_s);
          },
          nb::arg("runtime"), nb::arg("progress") = nb::none(), nb::arg("interval_s") = 0.1,
          nb::sig("def run(self, runtime: Runtime, progress: collections.abc.Callable[[int], object] | "
                  "None = None, "
                  "interval_s: float = 0.1) -> None"),
          "Spawn all tasks on the runtime and wait until they are done.\n\n"
          "Args:\n    runtime: an open polyreme.Runtime without tasks of its own.\n"
          "    progress: called about every interval_s with the number of tasks that are done.\n"
          "    interval_s: seconds between looks at signals; Ctrl-C ends the run.\n\n"
          "Raises:\n    RuntimeClosedError: the runtime is closed.\n"
          "    UsageError: called in a body of the runtime.\n"
          "    BaseException: what a signal handler or `progress` raised; the run was stopped.");
}

}  // namespace polyreme::python
