// Text from files in messages: they go to terminals and to Python, and neither takes any byte.
#pragma once

#include <string>
#include <string_view>

namespace polyreme::check {

// The text with every byte that is a control character, or not part of well-formed UTF-8, written as \xNN. Of a long
// text the beginning, and "...".
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace polyreme::check
