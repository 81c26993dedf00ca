// Reads the tokens of one line of a graph file; every failure names line, column and token.
#pragma once

#include "gph/parse_error.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace polyreme::gph {

class LineScanner {
 public:
  // All views must outlive the scanner. `number` counts lines from 1.
  LineScanner(std::string_view file, std::string_view line, std::uint32_t number) noexcept
      : file_(file), line_(line), number_(number) {}

  [[nodiscard]] std::uint32_t line_number() const noexcept { return number_; }
  [[nodiscard]] std::string_view line() const noexcept { return line_; }

  // Offset in the line of the next token; seek() goes back to one.
  [[nodiscard]] std::size_t position() noexcept {
    skip_space();
    return at_;
  }
  void seek(std::size_t position) noexcept { at_ = position; }

  [[nodiscard]] bool at_end() noexcept {
    skip_space();
    return at_ == line_.size();
  }

  // The next token starts with this character; it is not consumed.
  [[nodiscard]] bool sees(char c) noexcept {
    skip_space();
    return at_ < line_.size() && line_[at_] == c;
  }
  [[nodiscard]] bool sees_digit_or_sign() noexcept {
    skip_space();
    return at_ < line_.size() && (line_[at_] == '-' || (line_[at_] >= '0' && line_[at_] <= '9'));
  }

  // Consumes the character if it is next.
  [[nodiscard]] bool accept(char c) noexcept {
    if (!sees(c)) return false;
    ++at_;
    return true;
  }

  // Consumes the character, or fails with "expected <what>".
  void expect(char c, std::string_view what) {
    if (!accept(c)) fail("expected " + std::string(what));
  }

  // A whole number (2 and 2.0 are) in [low, high]. `what` names it in messages: "time_us".
  [[nodiscard]] std::int64_t whole(std::string_view what, std::int64_t low, std::int64_t high);

  // A finite number in [low, high].
  [[nodiscard]] double real(std::string_view what, double low, double high);

  // Text between single or double quotes: 1 to max_length printable ASCII characters but quotes and
  // backslash.
  [[nodiscard]] std::string_view quoted(std::string_view what, std::size_t max_length);

  // Throws ParseError at the next token, or at an earlier position.
  [[noreturn]] void fail(std::string reason) { fail_at(position(), std::move(reason)); }
  [[noreturn]] void fail_at(std::size_t position, std::string reason) const;

 private:
  void skip_space() noexcept {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r'))
      ++at_;
  }

  std::string_view file_;
  std::string_view line_;
  std::uint32_t number_;
  std::size_t at_ = 0;
};

// Shortest text that reads back as the same number.
[[nodiscard]] std::string number_text(double value);

}  // namespace polyreme::gph
