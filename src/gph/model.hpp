// The task graph of a .gph file in memory.
//
// Everything is kept in flat arrays (compressed rows: one offset per task into a shared array), because
// graphs of millions of tasks are read, written and walked. A Graph never changes once made; GraphBuilder
// makes it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polyreme::gph {

// Position of a task in its graph: the order of the lines of the file.
using TaskIndex = std::uint32_t;

// The two text formats; see docs/reference/graph-files.md.
enum class Format : std::uint8_t { one = 1, two = 2 };

// Device targets of an alternative. A value k >= 1 is GPU number k-1.
inline constexpr std::int32_t kAnyDevice = -2;
inline constexpr std::int32_t kAnyCpu = -1;
inline constexpr std::int32_t kAnyGpu = 0;

// Home of a data block in host memory. A value k >= 0 is GPU number k.
inline constexpr std::int32_t kHostHome = -1;

// Bounds on what one line may hold, so that a hostile file costs no more than its size.
inline constexpr std::size_t kMaxDimensions = 8;
inline constexpr std::size_t kMaxGangSize = 1024;
inline constexpr std::size_t kMaxNameLength = 128;
inline constexpr std::int64_t kMaxTaskNumber = 9'007'199'254'740'991;  // 2^53 - 1
inline constexpr double kMaxTimeUs = 1e15;
inline constexpr double kMaxShare = 1e6;
inline constexpr std::uint64_t kMaxGilAccesses = 1'000'000'000;
inline constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 60;
inline constexpr std::int32_t kMaxDeviceNumber = 1'000'000;

// A data block: how many elements it has and where it lives before the run.
struct Block {
  std::uint64_t elements = 0;
  std::int32_t home = kHostHome;

  friend bool operator==(const Block&, const Block&) = default;
};

// What a task needs on each device of an alternative, as the file states it.
struct Demand {
  double time_us = 0.0;
  double share = 1.0;  // of each device; on the CPU, of one core
  std::uint64_t gil_accesses = 0;
  double gil = 0.0;  // format 1: microseconds with the GIL in each access; format 2: fraction of time_us
  std::uint64_t memory_bytes = 0;

  friend bool operator==(const Demand&, const Demand&) = default;
};

// One device set that a task accepts. Valid as long as its graph.
struct Alternative {
  std::span<const std::int32_t> targets;  // more than one: a gang
  Demand demand;
};

// The id of a task: a named space and indices in it. Valid as long as what it was taken from.
struct TaskId {
  std::string_view space;
  std::span<const std::int64_t> indices;
};

// "T[3]", "G[2, 1]": the name of a task in traces, pictures and messages.
[[nodiscard]] std::string to_string(const TaskId& id);

// "CPU", "any GPU", "GPU 3", "any device", "CPU + GPU 0"
[[nodiscard]] std::string to_string(std::span<const std::int32_t> targets);

class Graph {
 public:
  [[nodiscard]] Format format() const noexcept { return format_; }
  [[nodiscard]] std::span<const Block> blocks() const noexcept { return blocks_; }

  [[nodiscard]] TaskIndex task_count() const noexcept { return static_cast<TaskIndex>(task_space_.size()); }
  [[nodiscard]] std::size_t dependency_count() const noexcept { return dependencies_.size(); }

  [[nodiscard]] TaskId id(TaskIndex task) const noexcept {
    return {spaces_[task_space_[task]], row(indices_, index_begin_, task)};
  }
  [[nodiscard]] std::string name(TaskIndex task) const { return to_string(id(task)); }

  // Line of the file that states the task, from 1; 0 for a graph that was not read from a file.
  [[nodiscard]] std::uint32_t line(TaskIndex task) const noexcept { return lines_[task]; }

  [[nodiscard]] std::size_t alternative_count(TaskIndex task) const noexcept {
    return alternative_begin_[task + 1] - alternative_begin_[task];
  }
  [[nodiscard]] Alternative alternative(TaskIndex task, std::size_t which) const noexcept {
    const StoredAlternative& stored = alternatives_[alternative_begin_[task] + which];
    return {std::span(targets_).subspan(stored.first_target, stored.target_count), stored.demand};
  }

  // Tasks that must end before this one starts, in the order of the file; an id may be listed twice.
  [[nodiscard]] std::span<const TaskIndex> dependencies(TaskIndex task) const noexcept {
    return row(dependencies_, dependency_begin_, task);
  }

  // Numbers of the blocks that the task touches.
  [[nodiscard]] std::span<const std::uint32_t> reads(TaskIndex task) const noexcept { return uses(task, 0); }
  [[nodiscard]] std::span<const std::uint32_t> writes(TaskIndex task) const noexcept { return uses(task, 1); }
  [[nodiscard]] std::span<const std::uint32_t> updates(TaskIndex task) const noexcept { return uses(task, 2); }

  // Equal content: everything but line numbers.
  friend bool operator==(const Graph& a, const Graph& b);

 private:
  friend class GraphBuilder;

  struct StoredAlternative {
    Demand demand;
    std::uint32_t first_target = 0;
    std::uint32_t target_count = 0;
  };

  template <typename T>
  [[nodiscard]] static std::span<const T> row(const std::vector<T>& values, const std::vector<std::uint32_t>& begin,
                                              std::size_t at) noexcept {
    return std::span(values).subspan(begin[at], begin[at + 1] - begin[at]);
  }
  [[nodiscard]] std::span<const std::uint32_t> uses(TaskIndex task, std::size_t kind) const noexcept {
    return row(uses_, use_begin_, std::size_t{task} * 3 + kind);
  }

  Format format_ = Format::two;
  std::vector<Block> blocks_;
  std::vector<std::string> spaces_;

  std::vector<std::uint32_t> task_space_;
  std::vector<std::uint32_t> lines_;

  // Row i of a `*_begin_` array ends where row i+1 begins; each has one entry more than it has rows.
  std::vector<std::uint32_t> index_begin_{0};
  std::vector<std::int64_t> indices_;
  std::vector<std::uint32_t> alternative_begin_{0};
  std::vector<StoredAlternative> alternatives_;
  std::vector<std::int32_t> targets_;
  std::vector<std::uint32_t> dependency_begin_{0};
  std::vector<TaskIndex> dependencies_;
  std::vector<std::uint32_t> use_begin_{0};  // three rows a task: read, write, update
  std::vector<std::uint32_t> uses_;
};

}  // namespace polyreme::gph
