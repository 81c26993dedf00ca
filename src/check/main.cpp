#include "check/command.hpp"

#include <iostream>

int main(int argc, char** argv) {
  const std::span<const char* const> words(argv, static_cast<std::size_t>(argc));
  return polyreme::check::run_command(words.subspan(words.empty() ? 0 : 1), std::cout, std::cerr);
}
