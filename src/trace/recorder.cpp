#include "trace/recorder.hpp"

#include "trace/exporter.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

namespace polyreme::trace {

bool MemoryBudget::try_take(std::size_t bytes) noexcept {
  const auto amount = static_cast<std::int64_t>(bytes);
  if (left_.fetch_sub(amount, std::memory_order_relaxed) >= amount) return true;
  left_.fetch_add(amount, std::memory_order_relaxed);
  return false;
}

ThreadBuffer::~ThreadBuffer() {
  Chunk* chunk = head_.load(std::memory_order_acquire);
  while (chunk != nullptr) {
    Chunk* const next = chunk->next.load(std::memory_order_acquire);
    delete chunk;
    chunk = next;
  }
}

void ThreadBuffer::name_task(std::uint64_t task, std::string_view name) noexcept {
  constexpr std::size_t kLongest = std::numeric_limits<std::uint32_t>::max();
  name = name.substr(0, kLongest);
  char* const text = take_text(name.size());
  if (text == nullptr) {
    drop();
    return;
  }
  std::memcpy(text, name.data(), name.size());
  append({0, task, reinterpret_cast<std::uintptr_t>(text), static_cast<std::uint32_t>(name.size()), Kind::named});
}

bool ThreadBuffer::add_chunk() noexcept {
  if (out_of_memory_) return false;
  // The events of a new chunk stay uninitialised: zeroing them would cost more than recording.
  Chunk* const chunk = budget_.try_take(sizeof(Chunk)) ? new (std::nothrow) Chunk : nullptr;
  if (chunk == nullptr) {
    out_of_memory_ = true;
    return false;
  }
  // Partner: EventCursor; it must see an empty chunk, not what was in the memory before.
  (tail_ == nullptr ? head_ : tail_->next).store(chunk, std::memory_order_release);
  tail_ = chunk;
  used_ = 0;
  return true;
}

char* ThreadBuffer::take_text(std::size_t size) noexcept {
  if (size > text_left_ || text_ == nullptr) {
    const std::size_t block = std::max(size, kTextBlock);
    if (out_of_memory_ || !budget_.try_take(block)) return nullptr;
    try {
      text_blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    text_ = text_blocks_.back().get();
    text_left_ = block;
  }
  char* const text = text_;
  text_ += size;
  text_left_ -= size;
  return text;
}

const Event* EventCursor::peek() noexcept {
  while (chunk_ != nullptr) {
    if (at_ < chunk_->count.load(std::memory_order_acquire)) return &chunk_->events[at_];
    const ThreadBuffer::Chunk* const next = chunk_->next.load(std::memory_order_acquire);
    if (next == nullptr) return nullptr;
    chunk_ = next;
    at_ = 0;
  }
  return nullptr;
}

Recorder::Recorder(RecorderOptions options)
    : budget_(options.max_bytes),
      start_ns_(static_cast<std::uint64_t>(
          std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count())) {}

ThreadBuffer& Recorder::add_thread(std::string name) {
  const std::lock_guard lock(mutex_);
  return threads_.emplace_back(std::move(name), std::nullopt, budget_);
}

ThreadBuffer& Recorder::add_slot(std::uint32_t slot) {
  const std::lock_guard lock(mutex_);
  return threads_.emplace_back("slot " + std::to_string(slot), slot, budget_);
}

std::uint64_t Recorder::dropped() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const ThreadBuffer& thread : threads_)
    sum += thread.dropped();
  return sum;
}

void Recorder::write_json(const std::filesystem::path& path, const TraceMeta& meta) const {
  std::vector<BufferSnapshot> threads;
  {
    const std::lock_guard lock(mutex_);
    for (const ThreadBuffer& thread : threads_)
      threads.emplace_back(thread);
  }
  export_json(path, meta, threads, start_ns_);
}

}  // namespace polyreme::trace
