// The graphs that every runtime is given, as functions from a task to the tasks it depends on.
//
// Tasks are numbered in spawn order and depend only on earlier ones. All but the random graphs compute their
// predecessors, as a program with such a structure would, so that the graph itself costs next to nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace polyreme::bench {

using TaskIndex = std::uint32_t;

inline constexpr std::size_t kMaxPredecessors = 3;

class Predecessors {
 public:
  constexpr Predecessors() = default;
  constexpr explicit Predecessors(TaskIndex a) : index_{a}, count_(1) {}
  constexpr Predecessors(TaskIndex a, TaskIndex b) : index_{a, b}, count_(2) {}
  constexpr Predecessors(TaskIndex a, TaskIndex b, TaskIndex c) : index_{a, b, c}, count_(3) {}

  [[nodiscard]] constexpr std::size_t size() const noexcept { return count_; }
  [[nodiscard]] constexpr TaskIndex operator[](std::size_t i) const noexcept { return index_[i]; }
  [[nodiscard]] constexpr const TaskIndex* begin() const noexcept { return index_.data(); }
  [[nodiscard]] constexpr const TaskIndex* end() const noexcept { return index_.data() + count_; }

 private:
  std::array<TaskIndex, kMaxPredecessors> index_{};
  std::uint32_t count_ = 0;
};

/// What the programs need of a graph. `reach()` is how far back a predecessor can lie: handles of older tasks
/// need not be kept. 0 means that no task has a predecessor.
template <class T>
concept Graph = requires(const T graph, TaskIndex task) {
  { graph.size() } -> std::same_as<TaskIndex>;
  { graph.reach() } -> std::same_as<TaskIndex>;
  { graph.predecessors(task) } -> std::same_as<Predecessors>;
  { T::kName } -> std::convertible_to<std::string_view>;
  { T::kHasDependencies } -> std::convertible_to<bool>;
};

struct Independent {
  static constexpr std::string_view kName = "independent";
  static constexpr bool kHasDependencies = false;
  TaskIndex tasks = 1'000'000;

  [[nodiscard]] TaskIndex size() const noexcept { return tasks; }
  [[nodiscard]] TaskIndex reach() const noexcept { return 0; }
  [[nodiscard]] Predecessors predecessors(TaskIndex) const noexcept { return {}; }
};

struct Chain {
  static constexpr std::string_view kName = "chain";
  static constexpr bool kHasDependencies = true;
  TaskIndex tasks = 100'000;

  [[nodiscard]] TaskIndex size() const noexcept { return tasks; }
  [[nodiscard]] TaskIndex reach() const noexcept { return 1; }
  [[nodiscard]] Predecessors predecessors(TaskIndex task) const noexcept {
    return task == 0 ? Predecessors() : Predecessors(task - 1);
  }
};

/// A binary tree that grows from its root: two tasks follow each.
struct Tree {
  static constexpr std::string_view kName = "tree";
  static constexpr bool kHasDependencies = true;
  TaskIndex tasks = 1u << 16;

  [[nodiscard]] TaskIndex size() const noexcept { return tasks; }
  [[nodiscard]] TaskIndex reach() const noexcept { return tasks; }
  [[nodiscard]] Predecessors predecessors(TaskIndex task) const noexcept {
    return task == 0 ? Predecessors() : Predecessors((task - 1) / 2);
  }
};

/// A binary tree from its leaves to its root: each inner task follows two.
struct Reduction {
  static constexpr std::string_view kName = "reduction";
  static constexpr bool kHasDependencies = true;
  TaskIndex tasks = (1u << 16) - 1;

  [[nodiscard]] TaskIndex size() const noexcept { return tasks; }
  [[nodiscard]] TaskIndex reach() const noexcept { return tasks; }
  [[nodiscard]] Predecessors predecessors(TaskIndex task) const noexcept {
    // Heap order counted from the end: the root is spawned last.
    const TaskIndex heap = tasks - 1 - task;
    const TaskIndex left = 2 * heap + 1;
    return left + 1 < tasks ? Predecessors(tasks - 1 - left, tasks - 2 - left) : Predecessors();
  }
};

/// A square grid, row by row: each task follows its upper and its left neighbour.
struct Wavefront {
  static constexpr std::string_view kName = "wavefront";
  static constexpr bool kHasDependencies = true;
  TaskIndex side = 512;

  [[nodiscard]] TaskIndex size() const noexcept { return side * side; }
  [[nodiscard]] TaskIndex reach() const noexcept { return side; }
  [[nodiscard]] Predecessors predecessors(TaskIndex task) const noexcept {
    const bool top = task < side;
    const bool left = task % side == 0;
    if (top && left) return {};
    if (top) return Predecessors(task - 1);
    if (left) return Predecessors(task - side);
    return Predecessors(task - side, task - 1);
  }
};

/// Each task follows three different earlier ones, drawn among the last `window` with a fixed seed.
class RandomGraph {
 public:
  RandomGraph(TaskIndex tasks, TaskIndex window) : window_(std::min(window, tasks)) {
    constexpr std::uint64_t kSeed = 20240229;
    std::mt19937_64 random(kSeed);
    before_.reserve(tasks);
    for (TaskIndex task = 0; task < tasks; ++task)
      before_.push_back(draw(random, task));
  }

  [[nodiscard]] TaskIndex size() const noexcept { return static_cast<TaskIndex>(before_.size()); }
  [[nodiscard]] TaskIndex reach() const noexcept { return window_; }
  [[nodiscard]] Predecessors predecessors(TaskIndex task) const noexcept { return before_[task]; }

 private:
  [[nodiscard]] Predecessors draw(std::mt19937_64& random, TaskIndex task) const {
    if (task < kMaxPredecessors) return {};
    std::uniform_int_distribution<TaskIndex> earlier(task - std::min(task, window_), task - 1);
    const TaskIndex a = earlier(random);
    TaskIndex b = earlier(random);
    while (b == a)
      b = earlier(random);
    TaskIndex c = earlier(random);
    while (c == a || c == b)
      c = earlier(random);
    return Predecessors(a, b, c);
  }

  TaskIndex window_;
  std::vector<Predecessors> before_;
};

/// Task Bench's one-dimensional stencil, step by step: each task follows those at its place and beside it one step
/// before.
struct Stencil {
  static constexpr std::string_view kName = "stencil";
  static constexpr bool kHasDependencies = true;
  TaskIndex steps = 1000;
  TaskIndex width = 16;

  [[nodiscard]] TaskIndex size() const noexcept { return steps * width; }
  [[nodiscard]] TaskIndex reach() const noexcept { return width + 1; }
  [[nodiscard]] Predecessors predecessors(TaskIndex task) const noexcept {
    if (task < width) return {};
    const TaskIndex above = task - width;
    const TaskIndex place = task % width;
    if (place == 0) return Predecessors(above, above + 1);
    if (place == width - 1) return Predecessors(above - 1, above);
    return Predecessors(above - 1, above, above + 1);
  }
};

/// Predecessors among the last thousand tasks: the locality of most real programs.
struct Random : RandomGraph {
  static constexpr std::string_view kName = "random";
  static constexpr bool kHasDependencies = true;
  explicit Random(TaskIndex tasks = 100'000) : RandomGraph(tasks, std::min<TaskIndex>(1000, tasks)) {}
};

/// Predecessors anywhere before: the least locality there is.
struct RandomFar : RandomGraph {
  static constexpr std::string_view kName = "random_far";
  static constexpr bool kHasDependencies = true;
  explicit RandomFar(TaskIndex tasks = 100'000) : RandomGraph(tasks, tasks) {}
};

}  // namespace polyreme::bench
