#include "memory.hpp"

#include <unistd.h>

#include <fstream>
#include <iostream>
#include <stdexcept>

namespace polyreme::bench {

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) throw std::runtime_error("cannot read /proc/self/statm");
  return resident_pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void print_live(std::string_view runtime, TaskIndex tasks, std::size_t before, std::size_t after) {
  const double bytes = static_cast<double>(after) - static_cast<double>(before);
  std::cout << R"({"runtime": ")" << runtime << R"(", "tasks": )" << tasks << R"(, "bytes_per_task": )" << bytes / tasks
            << "}\n";
}

void print_stream(std::string_view runtime, TaskIndex first, std::size_t after_first, TaskIndex all,
                  std::size_t after_all) {
  std::cout << R"({"runtime": ")" << runtime << R"(", "first_tasks": )" << first << R"(, "first_bytes": )"
            << after_first << R"(, "all_tasks": )" << all << R"(, "all_bytes": )" << after_all << "}\n";
}

}  // namespace polyreme::bench
