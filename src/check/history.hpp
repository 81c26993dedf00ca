// The life of each task, put together from the events of a trace.
#pragma once

#include "check/trace.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace polyreme::check {

struct TaskHistory {
  std::int64_t start_ns = 0;  // of the first part of the body
  std::int64_t end_ns = 0;    // of its last part
  bool ran = false;
  bool failed = false;
  bool cancelled = false;
};

class History {
 public:
  explicit History(const Trace& trace);

  [[nodiscard]] const TaskHistory& operator[](TaskIndex task) const noexcept { return tasks_[task]; }

  // The parts of its body, by part and then by time.
  [[nodiscard]] std::span<const Slice> slices(TaskIndex task) const noexcept {
    return std::span(slices_).subspan(begin_[task], begin_[task + 1] - begin_[task]);
  }

 private:
  std::vector<TaskHistory> tasks_;
  std::vector<Slice> slices_;  // grouped by task
  std::vector<std::size_t> begin_;
};

// "T[3]", or "task 7" if it has no name.
[[nodiscard]] std::string describe(const Trace& trace, TaskIndex task);

// "12.345 us"
[[nodiscard]] std::string describe_time(std::int64_t ns);

}  // namespace polyreme::check
