#include "trace/task_table.hpp"

#include <algorithm>

namespace polyreme::trace {
namespace {

constexpr std::size_t kSmallestTable = 64;

}  // namespace

TaskTable::TaskTable(std::span<const BufferSnapshot> threads) {
  grow();
  for (const BufferSnapshot& thread : threads) {
    BufferSnapshot::Cursor events = thread.events();
    while (const Event* event = events.next()) {
      if (event->kind == Kind::dependency) {
        ++dependency_count_;
        continue;
      }
      const std::uint32_t number = number_of(event->task);
      if (event->kind == Kind::spawned) ++spawned_count_;
      if (event->kind == Kind::resumed) resumed_[number].push_back(event->time_ns);
      if (event->kind == Kind::named) tasks_[number].name = {reinterpret_cast<const char*>(event->arg), event->where};
    }
  }
  for (auto& [number, times] : resumed_)
    std::ranges::sort(times);
}

std::optional<std::uint32_t> TaskTable::find(std::uint64_t task) const noexcept {
  const std::uint32_t entry = slots_[slot_of(task)];
  if (entry == 0) return std::nullopt;
  return entry - 1;
}

std::uint64_t TaskTable::part_resumed_at(std::uint32_t number, std::uint64_t time_ns) const noexcept {
  const std::vector<std::uint64_t>& times = resumed_.at(number);
  return 1 + static_cast<std::uint64_t>(std::ranges::lower_bound(times, time_ns) - times.begin());
}

std::uint32_t TaskTable::number_of(std::uint64_t task) {
  if (2 * (tasks_.size() + 1) > slots_.size()) grow();
  std::uint32_t& entry = slots_[slot_of(task)];
  if (entry == 0) {
    tasks_.push_back({task, {}});
    entry = size();
  }
  return entry - 1;
}

std::size_t TaskTable::slot_of(std::uint64_t task) const noexcept {
  // Multiplication by 2^64 over the golden ratio spreads consecutive ids (Knuth, volume 3, 6.4).
  const std::uint64_t hash = task * 0x9e3779b97f4a7c15U;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = (hash ^ (hash >> 32)) & mask;
  while (slots_[slot] != 0 && tasks_[slots_[slot] - 1].id != task)
    slot = (slot + 1) & mask;
  return slot;
}

void TaskTable::grow() {
  slots_.assign(std::max(kSmallestTable, 2 * slots_.size()), 0);
  for (std::uint32_t number = 0; number < size(); ++number)
    slots_[slot_of(tasks_[number].id)] = number + 1;
}

}  // namespace polyreme::trace
