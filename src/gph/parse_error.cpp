#include "gph/parse_error.hpp"

#include <utility>

namespace polyreme::gph {
namespace {

std::string describe(const std::string& file, std::uint32_t line, std::uint32_t column, const std::string& token,
                     const std::string& reason) {
  std::string text = file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + reason;
  text += token.empty() ? " (at the end of the line)" : " (at '" + token + "')";
  return text;
}

}  // namespace

ParseError::ParseError(std::string file, std::uint32_t line, std::uint32_t column, std::string token,
                       std::string reason)
    : std::runtime_error(describe(file, line, column, token, reason)),
      file_(std::move(file)),
      line_(line),
      column_(column),
      token_(std::move(token)),
      reason_(std::move(reason)) {}

}  // namespace polyreme::gph
