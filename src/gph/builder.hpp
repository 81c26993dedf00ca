// Makes a Graph task by task; used by the reader, the generators and tests.
//
//     GraphBuilder b(Format::two);
//     b.begin_task("T", {{0}});
//     b.add_alternative({{kAnyCpu}}, {.time_us = 100});
//     b.begin_task("T", {{1}});
//     b.add_alternative(...);
//     b.add_dependency(0);
//     Graph g = std::move(b).finish();
//
// What is added belongs to the task begun last. Numbers are stored as they are: range checks are the reader's
// and the generators' job, because only they can say where a bad one stands.
#pragma once

#include "gph/model.hpp"

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <unordered_map>

namespace polyreme::gph {

class GraphBuilder {
 public:
  explicit GraphBuilder(Format format) { graph_.format_ = format; }

  void add_block(Block block) { graph_.blocks_.push_back(block); }
  [[nodiscard]] std::size_t block_count() const noexcept { return graph_.blocks_.size(); }

  // Starts the next task; nothing happens and the result is empty if the id is already taken.
  // Throws std::length_error when the graph would pass 2^32 - 2 tasks.
  [[nodiscard]] std::optional<TaskIndex> try_begin_task(TaskId id, std::uint32_t line = 0);

  // For callers that know the id to be new; throws std::invalid_argument if it is not.
  TaskIndex begin_task(std::string_view space, std::initializer_list<std::int64_t> indices);

  // The task with this id among those begun so far.
  [[nodiscard]] std::optional<TaskIndex> find(TaskId id) const noexcept;

  void add_alternative(std::span<const std::int32_t> targets, const Demand& demand);
  void add_alternative(std::int32_t target, const Demand& demand) { add_alternative({&target, 1}, demand); }
  void add_read(std::uint32_t block) { add_use(block, 0); }
  void add_write(std::uint32_t block) { add_use(block, 1); }
  void add_update(std::uint32_t block) { add_use(block, 2); }

  // Returns where the dependency is stored, for set_dependency.
  std::size_t add_dependency(TaskIndex on);
  // Fills in a dependency that was not known when its place was added.
  void set_dependency(std::size_t place, TaskIndex on) { graph_.dependencies_[place] = on; }
  [[nodiscard]] TaskIndex dependency(std::size_t place) const { return graph_.dependencies_[place]; }

  [[nodiscard]] TaskIndex task_count() const noexcept { return graph_.task_count(); }

  // The tasks begun so far, complete but for the dependencies still to be set.
  [[nodiscard]] const Graph& so_far() const noexcept { return graph_; }

  [[nodiscard]] Graph finish() &&;

 private:
  void add_use(std::uint32_t block, std::size_t kind);
  [[nodiscard]] std::uint32_t find_space(std::string_view space) const noexcept;
  // Where the id is in the table, or would be.
  [[nodiscard]] std::size_t slot_of(std::uint32_t hash, std::uint32_t space,
                                    std::span<const std::int64_t> indices) const noexcept;
  void grow_table();

  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };

  Graph graph_;
  std::unordered_map<std::string, std::uint32_t, StringHash, std::equal_to<>> space_numbers_;
  // Finds tasks by id: open addressing, a power of two, at most half full. The hash is kept beside the task
  // so that a probe rarely looks at a task that is not the right one.
  struct Entry {
    std::uint32_t hash = 0;
    TaskIndex task_plus_one = 0;  // 0 = free
  };
  std::vector<Entry> table_;
};

}  // namespace polyreme::gph
