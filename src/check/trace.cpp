#include "check/trace.hpp"

namespace polyreme::check {

TaskIndex Trace::task_of(std::uint64_t id) {
  const auto [entry, is_new] = by_id_.try_emplace(id, static_cast<TaskIndex>(tasks.size()));
  if (is_new) tasks.push_back({.id = id});
  return entry->second;
}

void Trace::set_name(TaskIndex task, std::string_view name) {
  tasks[task].name_begin = names_.size();
  tasks[task].name_length = static_cast<std::uint32_t>(name.size());
  names_ += name;
}

}  // namespace polyreme::check
