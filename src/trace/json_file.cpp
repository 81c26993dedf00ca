#include "trace/json_file.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace polyreme::trace {
namespace {

// Length of the well-formed UTF-8 sequence at the start of the text, or 0 (Unicode standard, table 3-7).
std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  // Overlong forms, surrogates and values over U+10FFFF show in the second byte.
  const bool valid = (first != 0xe0 || byte(1) >= 0xa0) && (first != 0xed || byte(1) <= 0x9f) &&
                     (first != 0xf0 || byte(1) >= 0x90) && (first != 0xf4 || byte(1) <= 0x8f);
  return valid ? length : 0;
}

}  // namespace

JsonFile::JsonFile(const std::filesystem::path& path) : path_(path.string()), file_(std::fopen(path_.c_str(), "wb")) {
  if (!file_) fail();
  buffer_.reserve(kFlushAt + kFlushAt / 8);
}

JsonFile& JsonFile::operator<<(std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  buffer_.append(digits.data(), result.ptr);
  return *this;
}

void JsonFile::put_string(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  buffer_ += '"';
  while (!text.empty()) {
    const char c = text[0];
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      buffer_ += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      buffer_ += '\\';
      buffer_ += c;
    } else if (length == 1 && c < ' ') {
      const auto code = static_cast<unsigned char>(c);
      buffer_ += "\\u00";
      buffer_ += kDigits[code / 16];
      buffer_ += kDigits[code % 16];
    } else {
      buffer_ += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  buffer_ += '"';
}

void JsonFile::put_time(std::uint64_t ns) {
  const std::uint64_t rest = ns % 1000;
  const std::array<char, 4> decimals{'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                                     static_cast<char>('0' + rest % 10)};
  *this << ns / 1000 << std::string_view(decimals.data(), decimals.size());
}

void JsonFile::close() {
  flush();
  std::FILE* const file = file_.release();
  if (std::fclose(file) != 0) fail();
}

void JsonFile::flush() {
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get()) != buffer_.size()) fail();
  buffer_.clear();
}

void JsonFile::fail() const {
  throw std::system_error(errno, std::generic_category(), "cannot write trace file '" + path_ + "'");
}

}  // namespace polyreme::trace
