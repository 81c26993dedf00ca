// What a process occupies, and the output of the memory benchmarks.
#pragma once

#include "graphs.hpp"

#include <cstddef>
#include <string_view>

namespace polyreme::bench {

/// Resident set of this process, in bytes. Throws std::runtime_error if the system does not tell.
[[nodiscard]] std::size_t resident_bytes();

/// Prints what each of `tasks` unfinished tasks added to the resident set, as one JSON object.
void print_live(std::string_view runtime, TaskIndex tasks, std::size_t before, std::size_t after);

/// Prints the resident set after the first and after all of a stream of tasks, as one JSON object.
void print_stream(std::string_view runtime, TaskIndex first, std::size_t after_first, TaskIndex all,
                  std::size_t after_all);

}  // namespace polyreme::bench
