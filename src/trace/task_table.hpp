// What the exporter knows of each task: a small number instead of the engine's id, and its name.
#pragma once

#include "trace/exporter.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace polyreme::trace {

// Ids of the engine may use all 64 bits, but numbers in JSON are exact only below 2^53, so tasks are numbered
// anew, in the order in which they are found.
class TaskTable {
 public:
  // Reads all events once.
  explicit TaskTable(std::span<const BufferSnapshot> threads);

  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(tasks_.size()); }
  [[nodiscard]] std::uint64_t spawned_count() const noexcept { return spawned_count_; }
  [[nodiscard]] std::uint64_t dependency_count() const noexcept { return dependency_count_; }

  // Number of a task that some event other than a dependency is about.
  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t task) const noexcept;

  // Empty if the task has none.
  [[nodiscard]] std::string_view name(std::uint32_t number) const noexcept { return tasks_[number].name; }

  // The body of a task that waits is written in parts. This is the part that begins when it resumed at this
  // time, from 1; the part it started with is 0.
  [[nodiscard]] std::uint64_t part_resumed_at(std::uint32_t number, std::uint64_t time_ns) const noexcept;
  [[nodiscard]] bool has_parts(std::uint32_t number) const noexcept { return resumed_.contains(number); }

 private:
  struct Task {
    std::uint64_t id;
    std::string_view name;
  };

  [[nodiscard]] std::uint32_t number_of(std::uint64_t task);
  [[nodiscard]] std::size_t slot_of(std::uint64_t task) const noexcept;
  void grow();

  std::vector<Task> tasks_;
  std::vector<std::uint32_t> slots_;  // open addressing, number + 1, 0 = free; a power of two, at most half full
  std::unordered_map<std::uint32_t, std::vector<std::uint64_t>> resumed_;  // times, ascending; few tasks wait
  std::uint64_t spawned_count_ = 0;
  std::uint64_t dependency_count_ = 0;
};

}  // namespace polyreme::trace
