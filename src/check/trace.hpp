// A trace as the checker sees it: what the file claims, nothing concluded yet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace polyreme::check {

// The file is missing, is no JSON, is cut off, or does not have the shape of a polyreme trace. what() says
// which.
class UnreadableTrace : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Position of a task in Trace::tasks.
using TaskIndex = std::uint32_t;
inline constexpr TaskIndex kNoTask = ~TaskIndex{0};

enum class Outcome : std::uint8_t { unknown, ok, failed };

// A part of a body: the time between taking a slot and giving it back.
struct Slice {
  std::int64_t start_ns = 0;
  std::int64_t duration_ns = 0;  // negative in a corrupt trace
  std::int64_t slot = 0;
  std::int64_t part = 0;
  TaskIndex task = 0;
  bool last = true;
  Outcome outcome = Outcome::unknown;  // of the body; only the last part has one

  [[nodiscard]] std::int64_t end_ns() const noexcept { return start_ns + duration_ns; }
};

struct Cancellation {
  std::int64_t time_ns = 0;
  TaskIndex task = 0;
  TaskIndex cause = kNoTask;  // the task whose end was the cause, if the trace names one
  bool requested = false;     // by the user
};

struct Edge {
  TaskIndex task = 0;
  TaskIndex after = 0;
};

struct Task {
  std::uint64_t id = 0;  // in the file
  std::int64_t spawned_ns = 0;
  std::uint32_t spawns = 0;
  std::uint32_t name_length = 0;
  std::uint64_t name_begin = 0;
};

class Trace {
 public:
  std::int64_t workers = 0;
  std::int64_t declared_tasks = 0;
  std::int64_t dropped = 0;

  std::vector<Task> tasks;  // all that any event names
  std::vector<Slice> slices;
  std::vector<Cancellation> cancellations;
  std::vector<Edge> edges;

  // The task with this id, made if no event has named it yet.
  [[nodiscard]] TaskIndex task_of(std::uint64_t id);

  void set_name(TaskIndex task, std::string_view name);
  [[nodiscard]] std::string_view name(TaskIndex task) const noexcept {
    return std::string_view(names_).substr(tasks[task].name_begin, tasks[task].name_length);
  }

 private:
  std::unordered_map<std::uint64_t, TaskIndex> by_id_;
  std::string names_;
};

// Both throw UnreadableTrace.
[[nodiscard]] Trace read_trace(const std::filesystem::path& path);
[[nodiscard]] Trace read_trace(std::istream& in);

}  // namespace polyreme::check
