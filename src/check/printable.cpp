#include "check/printable.hpp"

#include <cstddef>
#include <cstdint>

namespace polyreme::check {
namespace {

constexpr std::size_t kLongest = 400;

// Length of the printable character at the start of the text, or 0. Surrogates, code points written longer than they
// need, and the control characters up to U+009F are none (Unicode standard, table 3-7).
std::size_t character_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t kLeast[] = {0xa0, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code >= kLeast[length - 2] && code <= 0x10ffff && !surrogate ? length : 0;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const bool cut = text.size() > kLongest;
  std::string result;
  for (std::size_t at = 0; at < text.size() && at < kLongest;) {
    if (const std::size_t length = character_length(text.substr(at)); length > 0) {
      result += text.substr(at, length);
      at += length;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(text[at++]);
    result += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xfU]};
  }
  if (cut) result += "...";
  return result;
}

}  // namespace polyreme::check
