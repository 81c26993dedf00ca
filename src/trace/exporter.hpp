// Turns recorded events into the JSON file of Recorder::write_json.
#pragma once

#include "trace/recorder.hpp"

#include <filesystem>
#include <span>

namespace polyreme::trace {

// The events that a buffer holds at one moment; a walk over it is the same each time, also while more are
// recorded.
class BufferSnapshot {
 public:
  explicit BufferSnapshot(const ThreadBuffer& buffer) noexcept;

  [[nodiscard]] const std::string& name() const noexcept { return buffer_->name(); }
  [[nodiscard]] std::optional<std::uint32_t> slot() const noexcept { return buffer_->slot(); }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

  class Cursor {
   public:
    explicit Cursor(const BufferSnapshot& snapshot) noexcept : events_(*snapshot.buffer_), left_(snapshot.events_) {}
    [[nodiscard]] const Event* peek() noexcept { return left_ == 0 ? nullptr : events_.peek(); }
    [[nodiscard]] const Event* next() noexcept {
      if (left_ == 0) return nullptr;
      --left_;
      return events_.next();
    }

   private:
    EventCursor events_;
    std::uint64_t left_;
  };
  [[nodiscard]] Cursor events() const noexcept { return Cursor(*this); }

 private:
  const ThreadBuffer* buffer_;
  std::uint64_t events_ = 0;
  std::uint64_t dropped_;
};

// Times in the file count from start_ns.
void export_json(const std::filesystem::path& path, const TraceMeta& meta, std::span<const BufferSnapshot> threads,
                 std::uint64_t start_ns);

}  // namespace polyreme::trace
