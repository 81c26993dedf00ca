// The program polyreme-check: TRACE [--graph GRAPH [--data-order]] [--json].
#pragma once

#include <iosfwd>
#include <span>

namespace polyreme::check {

// Takes the words after the name of the program and returns its exit status: 0 verified, 1 violated, 2 misuse
// or an unreadable file. Throws nothing.
[[nodiscard]] int run_command(std::span<const char* const> words, std::ostream& out, std::ostream& errors);

}  // namespace polyreme::check
