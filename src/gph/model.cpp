#include "gph/model.hpp"

#include <algorithm>

namespace polyreme::gph {

std::string to_string(const TaskId& id) {
  std::string text(id.space);
  text += '[';
  for (std::size_t i = 0; i < id.indices.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(id.indices[i]);
  }
  text += ']';
  return text;
}

std::string to_string(std::span<const std::int32_t> targets) {
  std::string text;
  for (const std::int32_t target : targets) {
    if (!text.empty()) text += " + ";
    switch (target) {
      case kAnyDevice:
        text += "any device";
        break;
      case kAnyCpu:
        text += "CPU";
        break;
      case kAnyGpu:
        text += "any GPU";
        break;
      default:
        text += "GPU " + std::to_string(target - 1);
        break;
    }
  }
  return text;
}

namespace {

bool same_task(const Graph& a, const Graph& b, TaskIndex task) {
  const TaskId a_id = a.id(task);
  const TaskId b_id = b.id(task);
  if (a_id.space != b_id.space || !std::ranges::equal(a_id.indices, b_id.indices)) return false;
  if (a.alternative_count(task) != b.alternative_count(task)) return false;
  for (std::size_t i = 0; i < a.alternative_count(task); ++i) {
    const Alternative x = a.alternative(task, i);
    const Alternative y = b.alternative(task, i);
    if (x.demand != y.demand || !std::ranges::equal(x.targets, y.targets)) return false;
  }
  return std::ranges::equal(a.dependencies(task), b.dependencies(task)) &&
         std::ranges::equal(a.reads(task), b.reads(task)) && std::ranges::equal(a.writes(task), b.writes(task)) &&
         std::ranges::equal(a.updates(task), b.updates(task));
}

}  // namespace

bool operator==(const Graph& a, const Graph& b) {
  if (a.format() != b.format() || a.task_count() != b.task_count()) return false;
  if (!std::ranges::equal(a.blocks(), b.blocks())) return false;
  for (TaskIndex task = 0; task < a.task_count(); ++task)
    if (!same_task(a, b, task)) return false;
  return true;
}

}  // namespace polyreme::gph
