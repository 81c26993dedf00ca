// polyreme: task-parallel runtime. This header is all that a program needs.
//
//   polyreme::Runtime rt;
//   polyreme::Task<int> a = rt.spawn([] { return 42; });
//   auto b = rt.spawn([](int x) { return x + 1; }, a);   // runs after a, gets its value
//   b.get();                                             // 43
#pragma once

#include <polyreme/context.hpp>
#include <polyreme/coro.hpp>
#include <polyreme/detail/abi.hpp>
#include <polyreme/detail/body.hpp>
#include <polyreme/errors.hpp>
#include <polyreme/repeatable.hpp>
#include <polyreme/space.hpp>
#include <polyreme/task.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace polyreme {

/// What a task must wait for: tasks, ids, slices and whole spaces, in any mix.
/// `.after = {a, b, grid(0, 1)}`, or `.after = tasks` for a vector or other range of task handles.
class After {
 public:
  class Item {
   public:
    Item(const TaskBase& task) : record_(task.record()), task_(true) {}  // NOLINT(google-explicit-constructor)
    Item(const TaskId& id) : id_(&id) {}                                 // NOLINT(google-explicit-constructor)
    Item(const SpaceSlice& slice) : slice_(&slice) {}                    // NOLINT(google-explicit-constructor)
    Item(const Space& space) : space_(&space) {}                         // NOLINT(google-explicit-constructor)

   private:
    friend class After;
    detail::Record* record_ = nullptr;
    bool task_ = false;
    const TaskId* id_ = nullptr;
    const SpaceSlice* slice_ = nullptr;
    const Space* space_ = nullptr;
  };

  After() = default;
  After(std::initializer_list<Item> items) {
    for (const Item& item : items)
      add(item);
  }
  After(const Item& item) { add(item); }  // NOLINT(google-explicit-constructor)
  template <class One>
    requires(std::convertible_to<const One&, Item> && !std::same_as<One, Item>)
  After(const One& one) : After(Item(one)) {}  // NOLINT(google-explicit-constructor)
  template <std::ranges::input_range Many>
    requires std::derived_from<std::remove_cvref_t<std::ranges::range_reference_t<Many>>, TaskBase>
  After(const Many& many) {  // NOLINT(google-explicit-constructor)
    for (const auto& task : many)
      add(Item(task));
  }
  After(const After&) = delete;
  After& operator=(const After&) = delete;
  After(After&&) noexcept = default;
  After& operator=(After&&) noexcept = default;
  ~After() = default;

  void add(const Item& item) {
    if (item.task_ && item.record_ != nullptr && count_ < kFew) {
      // Its line may be on another core; it is on the way while the record is made.
      __builtin_prefetch(item.record_);
      few_[count_++] = item.record_;
    } else {
      add_slowly(item);
    }
  }
  [[nodiscard]] std::span<detail::Record* const> records() const noexcept {
    return rest_ == nullptr ? std::span<detail::Record* const>(few_.data(), count_) : rest_->all;
  }

 private:
  static constexpr std::uint32_t kFew = 4;
  /// More than a few records, or some that come with a reference.
  struct Rest {
    std::vector<detail::Record*> all;  ///< includes the few
    std::vector<detail::Record*> owned;
    Rest() = default;
    Rest(const Rest&) = delete;
    Rest& operator=(const Rest&) = delete;
    ~Rest();
  };
  void add_slowly(const Item& item);

  std::array<detail::Record*, kFew> few_;
  std::uint32_t count_ = 0;  ///< kFew once rest_ is there
  std::unique_ptr<Rest> rest_;
};

/// What can be said about a spawn besides the body. Use designated initialisers.
struct SpawnOptions {
  std::optional<TaskId> id = std::nullopt;  ///< the id that the task gets; each names one task
  After after = {};                         ///< what must be done before the body starts
  std::string_view name = {};               ///< for messages and traces
  int priority = 0;                         ///< 1, 0 or -1: who goes first in a slot's own queues
  std::uint32_t cores = 1;                  ///< slots that the body holds, at most workers()
  std::int64_t retries = 0;                 ///< how often a repeatable() body that throws runs again
  std::chrono::nanoseconds backoff{0};      ///< the pause before that; each is twice the last
  std::source_location site = std::source_location::current();  ///< where errors say that it was spawned
};

/// What a thread outside the runtime does when it has RuntimeOptions::max_ready tasks waiting for a slot.
enum class OnFull : std::uint8_t {
  kBlock,  ///< sleeps until half of them have started
  kGrow,   ///< goes on: memory grows with what it spawns
};

struct RuntimeOptions {
  /// Slots: bodies that run at a time. 0: one for each core that this process may use.
  std::uint32_t workers = 0;
  /// Bind each worker thread to a core. Off by default: it hurts as soon as two programs share a machine, and OpenMP
  /// threads started in a body inherit the one-core mask.
  bool pin = false;
  /// Back-pressure: a thread outside the runtime that has more ready tasks than this waiting for a slot sleeps in
  /// spawn() until half of them have started. Bodies are never held back, nor do tasks count that wait for others.
  std::uint32_t max_ready = 1U << 15;
  OnFull on_full = OnFull::kBlock;
  /// Seconds before a wait that seems unable to end is warned about.
  double stall_warning_s = 10.0;
  /// Gets warnings; the default writes them to standard error.
  std::function<void(const std::string&)> warn = {};
};

struct RuntimeStats {
  std::uint64_t spawned = 0;      ///< tasks since the runtime was opened
  std::uint64_t completed = 0;    ///< of these, done
  std::uint64_t steals = 0;       ///< successful ones, each of up to half a queue
  std::uint64_t live_blocks = 0;  ///< 128-byte blocks in records and edges
  std::uint32_t workers = 0;
  std::uint32_t threads = 0;     ///< workers, and spares for bodies that wait
  std::uint32_t free_slots = 0;  ///< slots that nobody holds
  std::uint64_t ready = 0;       ///< tasks in queues, some of which may be stale entries
  std::vector<std::uint64_t> ready_by_slot =
      {};                                 ///< in the queues of each slot; others are in those of foreign threads
  std::uint64_t parks = 0;                ///< how often a thread went to sleep for want of work or of a slot
  std::uint64_t wakes = 0;                ///< how often one was woken for work
  std::uint64_t interpreter_enters = 0;   ///< how often a slot entered the interpreter; 0 without Python
  std::uint64_t interpreter_wait_ns = 0;  ///< what it waited for that, in all
};

/// Runs tasks on a fixed number of slots. All members may be called by any thread, those that say so excepted.
class Runtime {
 public:
  /// @throws UsageError for options that cannot be meant, std::system_error if threads cannot be made.
  explicit Runtime(RuntimeOptions options = {});
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  /// Waits for all tasks. Failures that no wait() reported go to RuntimeOptions::warn. Not from a body.
  ~Runtime();

  /// Spawns `fn(arguments...)` and returns its handle, Task<result of fn>. A Task among the arguments is a dependency
  /// and arrives as its value, by const reference (a Task<void> does not arrive); other arguments are moved or copied
  /// in, and arrive as rvalues. A body may take a Context& before its arguments. Overloads by number, because a
  /// defaulted source location cannot follow a parameter pack.
  /// @throws RuntimeClosed after the runtime was closed, UsageError for an empty handle or one of another runtime.
  template <class Fn>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn));
  }
  template <class Fn, class A>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, A&& a, std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn), std::forward<A>(a));
  }
  template <class Fn, class A, class B>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, A&& a, B&& b, std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b));
  }
  template <class Fn, class A, class B, class C>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
  }
  template <class Fn, class A, class B, class C, class D>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, D&& d, std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                      std::forward<D>(d));
  }
  template <class Fn, class A, class B, class C, class D, class E>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, D&& d, E&& e, std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                      std::forward<D>(d), std::forward<E>(e));
  }
  template <class Fn, class A, class B, class C, class D, class E, class F>
    requires(!std::same_as<std::remove_cvref_t<Fn>, SpawnOptions>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, D&& d, E&& e, F&& f,
             std::source_location site = std::source_location::current()) {
    return spawn_with(nullptr, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                      std::forward<D>(d), std::forward<E>(e), std::forward<F>(f));
  }

  /// The same with options, and any number of arguments. @throws also DuplicateId, CycleError, and UsageError for
  /// options out of their range; nothing is spawned then.
  template <class Fn, class... Arguments>
  auto spawn(const SpawnOptions& options, Fn&& fn, Arguments&&... arguments) {
    return spawn_with(&options, options.site, std::forward<Fn>(fn), std::forward<Arguments>(arguments)...);
  }

  /// A new space of ids. The name is for messages; spaces of one name are distinct.
  [[nodiscard]] Space space(std::string name);

  /// Waits until every task spawned so far, and every task that these spawn, is done; helps meanwhile.
  /// @throws TaskErrors with every root failure since the last wait(). Not from a body: UsageError.
  void wait();
  /// False if `timeout` passed first; does not help then.
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> timeout) {
    return wait_for_ns(std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count());
  }

  /// While it lives, the calling thread counts as one that may still spawn: waits of other threads for ids that nobody
  /// has spawned yet are not reported as stalled. To be destroyed on the thread that made it.
  class Producer {
   public:
    explicit Producer(Runtime& runtime);
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    ~Producer();

   private:
    runtime::Engine& engine_;
  };
  [[nodiscard]] Producer producer() { return Producer(*this); }

  [[nodiscard]] std::uint32_t workers() const noexcept;
  /// A snapshot: what runs meanwhile may be in some of the numbers, and not in others.
  [[nodiscard]] RuntimeStats stats() const;

  /// Begins a trace; the runtime must be idle. @throws UsageError when it is not, or when a trace runs already.
  void start_trace();
  /// Waits for all tasks, then writes the trace as JSON that Perfetto opens. @throws UsageError, std::system_error.
  void write_trace(const std::string& path);

  [[nodiscard]] runtime::Engine& engine() const noexcept { return *engine_; }

 protected:
  explicit Runtime(runtime::Engine* engine) noexcept : engine_(engine) {}

 private:
  template <class Fn, class... Arguments>
  auto spawn_with(const SpawnOptions* options, std::source_location site, Fn&& fn, Arguments&&... arguments);
  [[nodiscard]] bool wait_for_ns(std::int64_t timeout_ns);

  runtime::Engine* engine_;
};

}  // namespace polyreme

#include <polyreme/detail/spawn.hpp>
