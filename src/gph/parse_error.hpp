// What is wrong with a graph file, and where.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace polyreme::gph {

// what() reads "file:line:column: reason (at 'token')". Lines and columns count from 1, columns in bytes.
class ParseError : public std::runtime_error {
 public:
  ParseError(std::string file, std::uint32_t line, std::uint32_t column, std::string token, std::string reason);

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] std::uint32_t line() const noexcept { return line_; }
  [[nodiscard]] std::uint32_t column() const noexcept { return column_; }
  // The offending piece of the line, printable; empty when the line ends too early.
  [[nodiscard]] const std::string& token() const noexcept { return token_; }
  // What is wrong and what to do, without the place.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  std::string file_;
  std::uint32_t line_;
  std::uint32_t column_;
  std::string token_;
  std::string reason_;
};

}  // namespace polyreme::gph
