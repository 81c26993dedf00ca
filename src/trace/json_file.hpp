// A file that JSON text is streamed into; writing is buffered and every failure is reported.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace polyreme::trace {

class JsonFile {
 public:
  // Throws std::system_error, as do all others, if the file cannot be written.
  explicit JsonFile(const std::filesystem::path& path);

  JsonFile& operator<<(std::string_view text) {
    buffer_ += text;
    return *this;
  }
  JsonFile& operator<<(std::uint64_t number);

  // A string in quotes. Bytes that are not UTF-8 become U+FFFD, since JSON could not hold them.
  void put_string(std::string_view text);

  // Nanoseconds as microseconds with three decimals.
  void put_time(std::uint64_t ns);

  // To be called between values, so that the buffer stays small.
  void flush_if_full() {
    if (buffer_.size() >= kFlushAt) flush();
  }

  // Writes what is left; without it the file is incomplete.
  void close();

 private:
  static constexpr std::size_t kFlushAt = std::size_t{1} << 20;

  struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  void flush();
  [[noreturn]] void fail() const;

  std::string path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::string buffer_;
};

}  // namespace polyreme::trace
