// Block allocator for task records and edge blocks: all blocks are 128 bytes, two cache lines.
//
// Magazines after Bonwick and Adams (USENIX 2001): a thread allocates from and frees to its own BlockCache without any
// atomic operation; full and empty magazines are exchanged with the depot under a mutex, once in kMagazineBlocks
// operations. Blocks are freed to whichever thread frees them, so producer and consumer on different cores pass whole
// magazines through the depot. Touching a fresh page costs as much as twenty spawns, so blocks go back to the system
// only with the depot.
#pragma once

#include "base/checks.hpp"
#include "base/layout.hpp"
#include "base/prefetch.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace polyreme::base {

inline constexpr std::size_t kBlockBytes = 2 * kCacheLine;
inline constexpr std::size_t kMagazineBlocks = 254;

struct Magazine {
  std::uint32_t count = 0;
  std::array<void*, kMagazineBlocks> blocks;
};

/// Shared by all caches of a runtime; every member locks.
class BlockDepot {
 public:
  /// `owner` is what owner_of() answers for every block of this depot.
  explicit BlockDepot(void* owner) : owner_(owner) {}
  BlockDepot(const BlockDepot&) = delete;
  BlockDepot& operator=(const BlockDepot&) = delete;
  ~BlockDepot();

  /// Gives `magazine` (full or partly filled) and gets one with blocks: a used one if there is any, else fresh memory.
  /// @throws std::bad_alloc; `magazine` is unchanged then.
  void exchange_for_full(std::unique_ptr<Magazine>& magazine);
  /// Gives a magazine with blocks and gets an empty one.
  void exchange_for_empty(std::unique_ptr<Magazine>& magazine);
  void give_back(std::unique_ptr<Magazine> magazine);

  /// For threads without a cache.
  void free_one(void* block);

  /// The owner of the depot that the block comes from.
  [[nodiscard]] static void* owner_of(const void* block) noexcept {
    return *reinterpret_cast<void* const*>(reinterpret_cast<std::uintptr_t>(block) &
                                           ~(std::uintptr_t{kChunkBytes} - 1));
  }

  [[nodiscard]] std::size_t blocks_allocated();

  /// Marks say which blocks are something that has to be found again; what, is the owner's to know. A block is marked
  /// and unmarked by turns, by any thread, and never when it is freed.
  static void mark(const void* block) noexcept {
    const Mark mark = mark_of(block);
    mark.word->fetch_or(mark.bit, std::memory_order_relaxed);
  }
  static void unmark(const void* block) noexcept {
    const Mark mark = mark_of(block);
    mark.word->fetch_and(~mark.bit, std::memory_order_relaxed);
  }
  /// Calls fn(void*) for each marked block, under the depot's lock. The caller sees to it that marks do not change, or
  /// that it does not matter.
  template <class Fn>
  void for_each_marked(Fn&& fn) {
    const std::lock_guard lock(mutex_);
    for (void* chunk : chunks_) {
      for (std::size_t word = 0; word < kMarkWords; ++word) {
        std::uint64_t bits = marks_of(chunk)[word].load(std::memory_order_relaxed);
        for (; bits != 0; bits &= bits - 1) {
          const std::size_t block = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
          fn(static_cast<void*>(static_cast<std::byte*>(chunk) + block * kBlockBytes));
        }
      }
    }
  }

 private:
  /// Blocks come in chunks that are aligned to their size. The first block's place holds the owner, the next two the
  /// marks, a bit for each block of the chunk.
  static constexpr std::size_t kChunkBytes = std::size_t{256} * 1024;
  static constexpr std::size_t kMarkWords = kChunkBytes / kBlockBytes / 64;
  static constexpr std::size_t kHeadBlocks = 1 + (kMarkWords * sizeof(std::uint64_t) + kBlockBytes - 1) / kBlockBytes;
  static constexpr std::size_t kChunkMagazines = (kChunkBytes / kBlockBytes - kHeadBlocks) / kMagazineBlocks;

  struct Mark {
    std::atomic<std::uint64_t>* word;
    std::uint64_t bit;
  };
  static std::atomic<std::uint64_t>* marks_of(void* chunk) noexcept {
    return std::launder(reinterpret_cast<std::atomic<std::uint64_t>*>(static_cast<std::byte*>(chunk) + kBlockBytes));
  }
  static Mark mark_of(const void* block) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(block);
    const std::size_t index = address % kChunkBytes / kBlockBytes;
    return {marks_of(reinterpret_cast<void*>(address & ~(std::uintptr_t{kChunkBytes} - 1))) + index / 64,
            std::uint64_t{1} << index % 64};
  }

  void add_chunk_locked();

  void* const owner_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Magazine>> full_;
  std::vector<std::unique_ptr<Magazine>> empty_;
  std::vector<void*> chunks_;
  std::size_t allocated_ = 0;
};

/// One owner at a time; not thread-safe.
class BlockCache {
 public:
  explicit BlockCache(BlockDepot& depot)
      : depot_(depot), current_(std::make_unique<Magazine>()), previous_(std::make_unique<Magazine>()) {}
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache() { flush(); }

  [[nodiscard]] void* allocate() {
    if (current_->count == 0) [[unlikely]]
      refill();
    Magazine& magazine = *current_;
    void* block = magazine.blocks[--magazine.count];
    // The block after next is fetched now: it was last written by another core as often as not.
    if (magazine.count >= 4) {
      auto* ahead = static_cast<char*>(magazine.blocks[magazine.count - 4]);
      prefetch_for_write(ahead);
      prefetch_for_write(ahead + kCacheLine);
    }
    return block;
  }

  void free(void* block) noexcept {
    if (current_->count == kMagazineBlocks) [[unlikely]]
      drain();
    current_->blocks[current_->count++] = block;
  }

  /// Returns all blocks to the depot.
  void flush() noexcept;
  [[nodiscard]] std::size_t resting() const noexcept { return current_->count + previous_->count; }

 private:
  void refill();
  void drain() noexcept;

  BlockDepot& depot_;
  std::unique_ptr<Magazine> current_;
  std::unique_ptr<Magazine> previous_;  ///< full or empty; keeps a thread that alternates off the depot
};

}  // namespace polyreme::base
