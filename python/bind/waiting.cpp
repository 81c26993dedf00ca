#include "waiting.hpp"

#include "await_object.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "runtime/captured_graph.hpp"
#include "runtime/threads.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace polyreme::python {

namespace {

[[nodiscard]] bool on_main_thread() noexcept {
  thread_local bool answer = false;
  thread_local std::uint32_t answered_after = ~0U;
  // The thread that forks is the child's main one.
  if (answered_after != runtime::forks_so_far()) {
    answer = getpid() == static_cast<pid_t>(syscall(SYS_gettid));
    answered_after = runtime::forks_so_far();
  }
  return answer;
}

/// Set by Ctrl-C while the main thread runs bodies for a wait.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler uses it");

void note_interrupt(int /*signal*/) {
  const int saved_errno = errno;
  if (interrupted.exchange(true, std::memory_order_relaxed)) PyErr_SetInterrupt();  // which signal handlers may call
  errno = saved_errno;
}

/// While the main thread helps, Ctrl-C must not raise KeyboardInterrupt inside whatever body happens to run there: it
/// is noted, the helping ends after that body, and the wait raises. Who presses it again will not wait for that body:
/// each further one goes to Python's own handler at once, and raises in the body.
class DeferInterrupt {
 public:
  DeferInterrupt() {
    if (!on_main_thread()) return;
    python_handler_ = PyOS_getsig(SIGINT);
    // Programs that ignore or default the signal, or handle it without Python, keep their way.
    if (python_handler_ == SIG_DFL || python_handler_ == SIG_IGN || python_handler_ == SIG_ERR ||
        python_handler_ == note_interrupt) {
      return;
    }
    interrupted.store(false, std::memory_order_relaxed);
    PyOS_setsig(SIGINT, note_interrupt);
    installed_ = true;
    runtime::this_thread.stop_helping = &interrupted;
  }
  DeferInterrupt(const DeferInterrupt&) = delete;
  DeferInterrupt& operator=(const DeferInterrupt&) = delete;
  ~DeferInterrupt() { restore(); }

  void restore() noexcept {
    if (!installed_) return;
    installed_ = false;
    runtime::this_thread.stop_helping = nullptr;
    PyOS_setsig(SIGINT, python_handler_);
    // Hand the noted one to Python's own handler, which runs at the next PyErr_CheckSignals.
    if (interrupted.exchange(false, std::memory_order_relaxed)) PyErr_SetInterrupt();
  }

 private:
  PyOS_sighandler_t python_handler_ = SIG_DFL;
  bool installed_ = false;
};

/// Called on a sleeping thread, outside: lets Python's signal handlers run. True: one of them raised.
bool signals_raised(void* /*self*/) {
  interpreter().enter();
  const bool raised = PyErr_CheckSignals() != 0;
  interpreter().leave();
  return raised;
}

const runtime::WaitHooks* hooks_here() noexcept {
  static const runtime::WaitHooks hooks{.interval_ns = 50'000'000, .abandon = &signals_raised, .self = nullptr};
  // Only the main thread runs signal handlers; elsewhere waking up for them is useless.
  return on_main_thread() ? &hooks : nullptr;
}

/// The waits of a thread on which an event loop runs: bodies there would find themselves in that loop, and could not
/// run one of their own.
class LoopHere {
 public:
  LoopHere() : before_(runtime::this_thread.never_helps) {
    PyObject* const loop = running_loop();
    if (loop == nullptr) return;
    Py_DECREF(loop);
    runtime::this_thread.never_helps = true;
  }
  LoopHere(const LoopHere&) = delete;
  LoopHere& operator=(const LoopHere&) = delete;
  ~LoopHere() { runtime::this_thread.never_helps = before_; }

 private:
  const bool before_;
};

template <class Help, class Sleep>
Waited wait(const runtime::Engine& engine, std::int64_t timeout_ns, Help&& help, Sleep&& sleep) {
  try {
    check_owned(engine);
    const LoopHere loop;
    const EngineCall call;
    bool done = false;
    if (timeout_ns < 0) {
      const DeferInterrupt defer;
      done = help();
    }
    // Even if it is done: a noted Ctrl-C must raise from the wait, and not from what comes after it.
    if (on_main_thread() && PyErr_CheckSignals() != 0) return Waited::kError;
    if (done || sleep()) return Waited::kDone;
    return PyErr_Occurred() != nullptr ? Waited::kError : Waited::kTimeout;
  } catch (...) {
    raise_current();
    return Waited::kError;
  }
}

}  // namespace

void check_owned(const runtime::Engine& engine) {
  if (runtime::stayed_in_parent(engine.serial())) throw runtime::belongs_to_parent();
}

Waited wait_for_task(tasks::Record& record, std::int64_t timeout_ns) {
  if (tasks::done(record)) return Waited::kDone;
  runtime::Engine& engine = runtime::Engine::of(record);
  return wait(
      engine, timeout_ns, [&] { return engine.help_until_done(record); },
      [&] { return engine.wait_done(record, timeout_ns, hooks_here()); });
}

Waited run_and_wait(runtime::CapturedGraph& graph, std::span<detail::Binding> bindings, const detail::NodeSite& site,
                    tasks::Record*& run) {
  runtime::Engine& engine = graph.engine();
  return wait(
      engine, -1,
      [&] {
        run = &engine.start_run(graph, bindings, site, true);
        return tasks::done(*run);
      },
      [&] { return engine.wait_done(*run, -1, hooks_here()); });
}

void close_engine(runtime::Engine& engine) {
  const EngineCall call;
  const DeferInterrupt defer;  // callbacks of tasks may run on this thread
  engine.close();
}

Waited wait_for_all(runtime::Engine& engine, std::int64_t timeout_ns) {
  return wait(
      engine, timeout_ns, [&] { return engine.help_until_quiescent(); },
      [&] { return engine.wait_quiescent(timeout_ns, hooks_here()); });
}

Waited wait_for_next(runtime::Engine& engine, runtime::Arrivals& arrivals, std::int64_t timeout_ns) {
  return wait(
      engine, timeout_ns, [&] { return arrivals.any(); },
      [&] { return engine.wait_next(arrivals, timeout_ns, hooks_here()); });
}

Waited wait_for_scope(runtime::Engine& engine, runtime::ScopeState& scope, std::uint32_t use, std::int64_t timeout_ns) {
  return wait(
      engine, timeout_ns, [&] { return scope.over_since(use); },
      [&] { return engine.wait_scope(scope, use, timeout_ns, hooks_here()); });
}

}  // namespace polyreme::python
