#include "gph/builder.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace polyreme::gph {
namespace {

constexpr std::uint32_t kNoSpace = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kSmallestTable = 64;

// Offsets are 32 bits wide to keep a task small.
template <typename T>
void push_checked(std::vector<T>& values, const T& value) {
  if (values.size() >= std::numeric_limits<std::uint32_t>::max() - 1)
    throw std::length_error("the graph has more than 2^32 - 2 tasks, dependencies or data uses");
  values.push_back(value);
}

// The finaliser of MurmurHash3 (Appleby, 2011).
std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdU;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53U;
  return x ^ (x >> 33);
}

std::uint32_t hash_of(std::uint32_t space, std::span<const std::int64_t> indices) noexcept {
  std::uint64_t hash = space;
  for (const std::int64_t index : indices)
    hash = mix(hash ^ static_cast<std::uint64_t>(index)) + indices.size();
  return static_cast<std::uint32_t>(hash);
}

}  // namespace

std::optional<TaskIndex> GraphBuilder::try_begin_task(TaskId id, std::uint32_t line) {
  if (2 * (std::size_t{task_count()} + 1) > table_.size()) grow_table();

  std::uint32_t space = find_space(id.space);
  if (space == kNoSpace) {
    space = static_cast<std::uint32_t>(graph_.spaces_.size());
    graph_.spaces_.emplace_back(id.space);
    space_numbers_.emplace(id.space, space);
  }
  const std::uint32_t hash = hash_of(space, id.indices);
  const std::size_t slot = slot_of(hash, space, id.indices);
  if (table_[slot].task_plus_one != 0) return std::nullopt;

  const TaskIndex task = task_count();
  push_checked(graph_.task_space_, space);
  graph_.lines_.push_back(line);
  for (const std::int64_t index : id.indices)
    push_checked(graph_.indices_, index);
  const auto size_of = [](const auto& values) { return static_cast<std::uint32_t>(values.size()); };
  graph_.index_begin_.push_back(size_of(graph_.indices_));
  graph_.alternative_begin_.push_back(size_of(graph_.alternatives_));
  graph_.dependency_begin_.push_back(size_of(graph_.dependencies_));
  graph_.use_begin_.insert(graph_.use_begin_.end(), 3, size_of(graph_.uses_));
  table_[slot] = {hash, task + 1};
  return task;
}

TaskIndex GraphBuilder::begin_task(std::string_view space, std::initializer_list<std::int64_t> indices) {
  const TaskId id{space, std::span(indices.begin(), indices.size())};
  const std::optional<TaskIndex> task = try_begin_task(id);
  if (!task) throw std::invalid_argument("the graph already has a task " + to_string(id));
  return *task;
}

std::optional<TaskIndex> GraphBuilder::find(TaskId id) const noexcept {
  const std::uint32_t space = find_space(id.space);
  if (space == kNoSpace || table_.empty()) return std::nullopt;
  const Entry entry = table_[slot_of(hash_of(space, id.indices), space, id.indices)];
  if (entry.task_plus_one == 0) return std::nullopt;
  return entry.task_plus_one - 1;
}

void GraphBuilder::add_alternative(std::span<const std::int32_t> targets, const Demand& demand) {
  const auto first = static_cast<std::uint32_t>(graph_.targets_.size());
  for (const std::int32_t target : targets)
    push_checked(graph_.targets_, target);
  push_checked(graph_.alternatives_, {demand, first, static_cast<std::uint32_t>(targets.size())});
  ++graph_.alternative_begin_.back();
}

std::size_t GraphBuilder::add_dependency(TaskIndex on) {
  push_checked(graph_.dependencies_, on);
  ++graph_.dependency_begin_.back();
  return graph_.dependencies_.size() - 1;
}

void GraphBuilder::add_use(std::uint32_t block, std::size_t kind) {
  std::vector<std::uint32_t>& begin = graph_.use_begin_;
  const std::size_t first_row = begin.size() - 4;
  push_checked(graph_.uses_, block);
  // The three lists of a task are neighbours; an entry of an earlier list moves before those of the later
  // ones.
  const auto place = graph_.uses_.begin() + begin[first_row + kind + 1];
  std::rotate(place, graph_.uses_.end() - 1, graph_.uses_.end());
  for (std::size_t row = first_row + kind + 1; row < begin.size(); ++row)
    ++begin[row];
}

Graph GraphBuilder::finish() && {
  // One block without elements is how a file says that there is no data; if no task touches it, that is
  // meant.
  if (graph_.blocks_.size() == 1 && graph_.blocks_[0].elements == 0 && graph_.uses_.empty()) graph_.blocks_.clear();
  return std::move(graph_);
}

std::uint32_t GraphBuilder::find_space(std::string_view space) const noexcept {
  // The space of the previous task first: files rarely alternate.
  if (!graph_.task_space_.empty() && graph_.spaces_[graph_.task_space_.back()] == space)
    return graph_.task_space_.back();
  const auto found = space_numbers_.find(space);
  return found == space_numbers_.end() ? kNoSpace : found->second;
}

std::size_t GraphBuilder::slot_of(std::uint32_t hash, std::uint32_t space,
                                  std::span<const std::int64_t> indices) const noexcept {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    const Entry entry = table_[slot];
    if (entry.task_plus_one == 0) return slot;
    const TaskIndex task = entry.task_plus_one - 1;
    if (entry.hash == hash && graph_.task_space_[task] == space &&
        std::ranges::equal(Graph::row(graph_.indices_, graph_.index_begin_, task), indices))
      return slot;
  }
}

void GraphBuilder::grow_table() {
  const std::vector<Entry> old = std::exchange(table_, {});
  table_.resize(std::max(kSmallestTable, old.size() * 2));
  const std::size_t mask = table_.size() - 1;
  for (const Entry& entry : old) {
    if (entry.task_plus_one == 0) continue;
    std::size_t slot = entry.hash & mask;
    while (table_[slot].task_plus_one != 0)
      slot = (slot + 1) & mask;
    table_[slot] = entry;
  }
}

}  // namespace polyreme::gph
