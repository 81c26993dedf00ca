// Tasks in the order in which they end.
//
// Protocol. Each task of the list has a listener here. What arrived and who sleeps belongs to the mutex: a task that
// ends notes its place and wakes the sleeper under it, so the sleeper cannot miss it, and its parker cannot be gone.
// One thread at a time waits and takes; it keeps its own handles of the tasks until it has taken them, or lets go.
// The object lives until the caller has let it go and every listener was told: each of them counts as a holder, and
// has a reference to its task, which it drops when it is told: then the engine has one, too, so it is never the last.
#pragma once

#include "graph/successors.hpp"
#include "sync/parker.hpp"
#include "task/record.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace polyreme::runtime {

class Arrivals {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  struct LetGo {
    void operator()(Arrivals* arrivals) const noexcept { arrivals->let_go(); }
  };
  using Handle = std::unique_ptr<Arrivals, LetGo>;

  /// Tasks that are done already have arrived in the list's order.
  /// @throws std::bad_alloc.
  [[nodiscard]] static Handle of(std::span<tasks::Record* const> tasks);
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  // ---- The one thread that waits.

  /// The place in the list of the next task that has ended; kNone: none has since.
  [[nodiscard]] std::size_t take() noexcept;
  /// A task that has not ended; null: all have.
  [[nodiscard]] tasks::Record* unfinished() noexcept;
  /// True if all tasks are of one runtime.
  [[nodiscard]] bool of_one_engine() const noexcept { return of_one_engine_; }

  /// The body that waits here on a slot of the tasks' runtime. Under its slot pool's lock.
  tasks::Record* waiting_body = nullptr;

  /// From its construction to its end, each task that ends wakes `parker`.
  class Sleeper {
   public:
    Sleeper(Arrivals& arrivals, sync::Parker& parker) noexcept;
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper();

   private:
    Arrivals& arrivals_;
  };

  // ---- Any thread.

  /// True if a thread sleeps until the next task ends.
  [[nodiscard]] bool waited_for() const noexcept;
  /// True if a task has ended and was not taken.
  [[nodiscard]] bool any() const noexcept;
  /// The object that the listener is a part of, or null.
  [[nodiscard]] static Arrivals* of_listener(const graph::Listener& listener) noexcept;

 private:
  struct Place : graph::Listener {
    Arrivals* arrivals = nullptr;
    tasks::Record* record = nullptr;
    bool arrived = false;  ///< under the mutex
  };

  explicit Arrivals(std::span<tasks::Record* const> tasks);
  ~Arrivals() = default;
  void let_go() noexcept;
  void arrive(Place& place) noexcept;
  static void arrive_and_let_go(graph::Listener& self, tasks::Record& done) noexcept;

  std::vector<Place> places_;
  sync::Atomic<std::size_t> holders_{1};
  std::size_t first_unfinished_ = 0;  ///< none before it
  bool of_one_engine_ = true;

  mutable std::mutex mutex_;
  std::vector<std::size_t> order_;  ///< of what has arrived; room for all
  std::size_t taken_ = 0;           ///< of those
  sync::Parker* sleeper_ = nullptr;
};

}  // namespace polyreme::runtime
