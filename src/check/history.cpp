#include "check/history.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <tuple>

namespace polyreme::check {

History::History(const Trace& trace)
    : tasks_(trace.tasks.size()), slices_(trace.slices.size()), begin_(trace.tasks.size() + 1, 0) {
  // A counting sort: traces are long, and this is most of the sorting they need.
  for (const Slice& slice : trace.slices)
    ++begin_[slice.task + 1];
  for (std::size_t task = 0; task < tasks_.size(); ++task)
    begin_[task + 1] += begin_[task];
  std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
  for (const Slice& slice : trace.slices)
    slices_[next[slice.task]++] = slice;

  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    const std::span parts = std::span(slices_).subspan(begin_[task], begin_[task + 1] - begin_[task]);
    if (parts.empty()) continue;
    std::ranges::sort(parts, {}, [](const Slice& slice) { return std::tuple(slice.part, slice.start_ns); });
    TaskHistory& history = tasks_[task];
    history.ran = true;
    history.start_ns = std::ranges::min(parts, {}, &Slice::start_ns).start_ns;
    history.end_ns = std::ranges::max(parts, {}, &Slice::end_ns).end_ns();
    history.failed = std::ranges::any_of(parts, [](const Slice& s) { return s.outcome == Outcome::failed; });
  }
  for (const Cancellation& cancellation : trace.cancellations)
    tasks_[cancellation.task].cancelled = true;
}

std::string describe(const Trace& trace, TaskIndex task) {
  const std::string_view name = trace.name(task);
  if (name.empty()) return "task " + std::to_string(trace.tasks[task].id);
  return std::string(name);
}

std::string describe_time(std::int64_t ns) {
  std::array<char, 40> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.3f us", static_cast<double>(ns) / 1000.0);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace polyreme::check
