// The body that every task of every runtime runs, and the check that makes a figure count.
//
// A body is empty but for this check: all its predecessors have finished and it has not run before. After the
// wait, every task must have run. The marks are plain bytes on purpose: the runtime under test is what orders
// them.
#pragma once

#include "graphs.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace polyreme::bench {

template <Graph G>
class CheckedRun {
 public:
  explicit CheckedRun(const G& graph) : graph_(graph), done_(graph.size()) {}

  [[nodiscard]] const G& graph() const noexcept { return graph_; }

  void body(TaskIndex task) noexcept {
    bool wrong = done_[task] != 0;
    for (const TaskIndex before : graph_.predecessors(task))
      wrong |= done_[before] == 0;
    if (wrong) errors_.fetch_add(1, std::memory_order_relaxed);
    done_[task] = 1;
  }

  void reset() noexcept {
    std::ranges::fill(done_, std::uint8_t{0});
    errors_.store(0, std::memory_order_relaxed);
  }

  /// Throws std::runtime_error if a task is missing, ran twice, or ran before a predecessor.
  void verify() const {
    const auto ran = static_cast<std::size_t>(std::ranges::count(done_, std::uint8_t{1}));
    const auto errors = errors_.load(std::memory_order_relaxed);
    if (ran == done_.size() && errors == 0) return;
    throw std::runtime_error(std::string(G::kName) + ": " + std::to_string(ran) + " of " +
                             std::to_string(done_.size()) + " tasks ran, " + std::to_string(errors) +
                             " of them out of order or twice");
  }

 private:
  const G& graph_;
  std::vector<std::uint8_t> done_;
  std::atomic<std::uint32_t> errors_{0};
};

}  // namespace polyreme::bench
