// Collects the events of one trace, buffer by buffer, at the cost of a clock reading and a store for each.
//
// Ownership. A ThreadBuffer has one writer at a time and needs no lock: the thread it was added for, or
// whoever holds the slot it was added for; the hand-over of the slot is what orders one holder's writes
// before the next's. Events go into chunks that are never moved, and the count of a chunk is stored with
// release after the event it counts. A reader that loads it with acquire (EventCursor) sees whole events
// only. write_json() may therefore run at any time, but only a quiescent runtime gives a complete trace. The
// Recorder owns all buffers and outlives every use of them.
//
// Memory is bounded: over the limit, events are counted and dropped, the trace says so, and the checker
// rejects it.
#pragma once

#include "trace/event.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace polyreme::trace {

// What Event::time_ns is in.
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
}

// Bytes that the buffers of a trace may still take; shared by all of them.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes) noexcept : left_(static_cast<std::int64_t>(bytes)) {}

  [[nodiscard]] bool try_take(std::size_t bytes) noexcept;

 private:
  std::atomic<std::int64_t> left_;
};

class ThreadBuffer {
 public:
  // `slot` is empty for a thread that holds none.
  ThreadBuffer(std::string name, std::optional<std::uint32_t> slot, MemoryBudget& budget)
      : name_(std::move(name)), slot_(slot), budget_(budget) {}
  ~ThreadBuffer();
  ThreadBuffer(const ThreadBuffer&) = delete;
  ThreadBuffer& operator=(const ThreadBuffer&) = delete;

  // Only its writer may call it.
  void record(Kind kind, std::uint64_t task, std::uint64_t arg = 0, std::uint32_t where = 0) noexcept {
    record({now_ns(), task, arg, where, kind});
  }
  void record(const Event& event) noexcept { append(event); }

  // Gives the task a name, in any encoding, at most once and before or after its other events. Only its
  // writer may call it. Tasks without a name are shown as "task 7".
  void name_task(std::uint64_t task, std::string_view name) noexcept;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::optional<std::uint32_t> slot() const noexcept { return slot_; }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  friend class EventCursor;

  static constexpr std::uint32_t kChunkEvents = 4096;
  static constexpr std::size_t kTextBlock = std::size_t{64} << 10;

  struct Chunk {
    std::atomic<std::uint32_t> count{0};
    std::atomic<Chunk*> next{nullptr};
    std::array<Event, kChunkEvents> events;
  };

  void append(const Event& event) noexcept {
    if (used_ == kChunkEvents && !add_chunk()) [[unlikely]] {
      drop();
      return;
    }
    tail_->events[used_] = event;
    // Partner: EventCursor::next. Without it a reader could see the count before the event.
    tail_->count.store(++used_, std::memory_order_release);
  }
  void drop() noexcept { dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  [[nodiscard]] bool add_chunk() noexcept;
  [[nodiscard]] char* take_text(std::size_t size) noexcept;

  const std::string name_;
  const std::optional<std::uint32_t> slot_;
  MemoryBudget& budget_;

  // The writer's own.
  Chunk* tail_ = nullptr;
  std::uint32_t used_ = kChunkEvents;  // events in the tail; a full one, or none, is replaced at the next event
  bool out_of_memory_ = false;
  std::vector<std::unique_ptr<char[]>> text_blocks_;
  char* text_ = nullptr;
  std::size_t text_left_ = 0;

  // Written by the writer, read by anyone.
  std::atomic<Chunk*> head_{nullptr};
  std::atomic<std::uint64_t> dropped_{0};
};

// Walks the events of one buffer in the order in which they were recorded, those that come meanwhile
// included.
class EventCursor {
 public:
  explicit EventCursor(const ThreadBuffer& buffer) noexcept : chunk_(buffer.head_.load(std::memory_order_acquire)) {}

  // The event, or null after the last one. peek() does not step on.
  [[nodiscard]] const Event* peek() noexcept;
  [[nodiscard]] const Event* next() noexcept {
    const Event* event = peek();
    if (event != nullptr) ++at_;
    return event;
  }

 private:
  const ThreadBuffer::Chunk* chunk_;
  std::uint32_t at_ = 0;
};

struct RecorderOptions {
  std::size_t max_bytes = std::size_t{2} << 30;
};

// What the file says besides the events.
struct TraceMeta {
  // Slots of the runtime.
  std::uint32_t workers = 0;
  // Tasks spawned while the trace ran, as the engine counted them; without it, as they were recorded, and
  // the checker cannot find a spawn that was lost.
  std::optional<std::uint64_t> tasks = std::nullopt;
  // Dependencies are drawn as arrows if there are no more than this.
  std::uint64_t max_arrows = 10'000;
};

class Recorder {
 public:
  explicit Recorder(RecorderOptions options = {});

  // A buffer for a thread without a slot, or for the holders of a slot. Any thread may call them at any
  // time. What is spawned or cancelled there shows on a row with this name, or on the row of the slot.
  [[nodiscard]] ThreadBuffer& add_thread(std::string name);
  [[nodiscard]] ThreadBuffer& add_slot(std::uint32_t slot);

  [[nodiscard]] std::uint64_t dropped() const;

  // Writes the trace as Chrome trace-event JSON, the format that Perfetto and chrome://tracing open and the
  // checker reads; docs/reference/trace.md describes it. Throws std::system_error if the file cannot be
  // written.
  void write_json(const std::filesystem::path& path, const TraceMeta& meta) const;

 private:
  MemoryBudget budget_;
  std::uint64_t start_ns_;
  mutable std::mutex mutex_;  // guards the list of threads; their buffers need none
  std::deque<ThreadBuffer> threads_;
};

}  // namespace polyreme::trace
