// What the checker found.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace polyreme::check {

struct Violation {
  std::string_view rule;  // one of the names in checker.hpp
  std::string message;    // names the tasks and times
};

struct Report {
  // More violations than this are only counted.
  static constexpr std::size_t kKept = 1000;

  std::uint64_t tasks = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::int64_t workers = 0;
  std::int64_t makespan_ns = 0;  // from the first spawn or start to the last end

  std::uint64_t violation_count = 0;
  std::vector<Violation> violations;

  [[nodiscard]] bool verified() const noexcept { return violation_count == 0; }

  // `message` is called only if its text is kept.
  template <typename Message>
  void add(std::string_view rule, Message&& message) {
    if (++violation_count <= kKept) violations.push_back({rule, message()});
  }
};

}  // namespace polyreme::check
