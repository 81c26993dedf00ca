#include "gph/scanner.hpp"

#include <array>
#include <cmath>

namespace polyreme::gph {
namespace {

constexpr std::size_t kLongestShownToken = 40;

bool is_separator(char c) noexcept {
  return std::string_view(" \t\r|:,{}()").find(c) != std::string_view::npos;
}

// The token that starts at this position, cut and escaped for a message.
std::string token_at(std::string_view line, std::size_t position) {
  std::size_t end = position;
  if (end < line.size() && is_separator(line[end]))
    ++end;
  else
    while (end < line.size() && !is_separator(line[end]))
      ++end;

  const bool cut = end - position > kLongestShownToken;
  std::string shown;
  for (const char c : line.substr(position, cut ? kLongestShownToken : end - position)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      shown += "\\x";
      shown += kDigits[byte / 16];
      shown += kDigits[byte % 16];
    }
  }
  if (cut) shown += "...";
  return shown;
}

std::string out_of_range(std::string_view what, const std::string& low, const std::string& high) {
  return std::string(what) + " must be between " + low + " and " + high;
}

}  // namespace

std::string number_text(double value) {
  std::array<char, 40> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), result.ptr};
}

std::int64_t LineScanner::whole(std::string_view what, std::int64_t low, std::int64_t high) {
  const std::size_t start = position();
  const char* const end = line_.data() + line_.size();
  std::int64_t value = 0;
  auto [next, error] = std::from_chars(line_.data() + start, end, value);
  if (error == std::errc::invalid_argument) fail("expected " + std::string(what) + ", a whole number");
  bool in_range = error == std::errc();
  if (next != end && (*next == '.' || *next == 'e' || *next == 'E')) {
    double fraction = 0.0;
    const auto as_real = std::from_chars(line_.data() + start, end, fraction);
    next = as_real.ptr;
    if (as_real.ec == std::errc() && fraction != std::floor(fraction))
      fail(std::string(what) + " must be a whole number");
    // Beyond 2^63 the conversion would be undefined.
    in_range = as_real.ec == std::errc() && std::abs(fraction) < 9.2e18;
    if (in_range) value = static_cast<std::int64_t>(fraction);
  }
  if (!in_range || value < low || value > high)
    fail_at(start, out_of_range(what, std::to_string(low), std::to_string(high)));
  at_ = static_cast<std::size_t>(next - line_.data());
  return value;
}

double LineScanner::real(std::string_view what, double low, double high) {
  const std::size_t start = position();
  const char* const end = line_.data() + line_.size();
  double value = 0.0;
  const auto [next, error] = std::from_chars(line_.data() + start, end, value);
  if (error == std::errc::invalid_argument) fail("expected " + std::string(what) + ", a number");
  // Written so that NaN, which from_chars accepts, is out of range too.
  if (error != std::errc() || !(value >= low && value <= high))
    fail_at(start, out_of_range(what, number_text(low), number_text(high)));
  at_ = static_cast<std::size_t>(next - line_.data());
  return value;
}

std::string_view LineScanner::quoted(std::string_view what, std::size_t max_length) {
  const std::size_t start = position();
  const char quote = start < line_.size() ? line_[start] : '\0';
  if (quote != '\'' && quote != '"') fail("expected " + std::string(what) + " in quotes");
  std::size_t end = start + 1;
  while (end < line_.size() && line_[end] != quote) {
    const char c = line_[end];
    if (c < ' ' || c > '~' || c == '\'' || c == '"' || c == '\\')
      fail_at(end, std::string(what) + " may hold printable ASCII only, without quotes and backslash");
    ++end;
  }
  if (end == line_.size()) fail_at(start, std::string(what) + " lacks its closing quote");
  const std::string_view text = line_.substr(start + 1, end - start - 1);
  if (text.empty()) fail_at(start, std::string(what) + " must not be empty");
  if (text.size() > max_length)
    fail_at(start, std::string(what) + " is longer than " + std::to_string(max_length) + " characters");
  at_ = end + 1;
  return text;
}

void LineScanner::fail_at(std::size_t position, std::string reason) const {
  throw ParseError(std::string(file_), number_, static_cast<std::uint32_t>(position + 1), token_at(line_, position),
                   std::move(reason));
}

}  // namespace polyreme::gph
