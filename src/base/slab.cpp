#include "base/slab.hpp"

#include <new>
#include <utility>

namespace polyreme::base {

BlockDepot::~BlockDepot() {
  for (void* chunk : chunks_)
    ::operator delete(chunk, std::align_val_t{kChunkBytes});
}

void BlockDepot::add_chunk_locked() {
  // All that can throw comes first.
  chunks_.reserve(chunks_.size() + 1);
  full_.reserve(full_.size() + kChunkMagazines);
  std::array<std::unique_ptr<Magazine>, kChunkMagazines> fresh;
  for (auto& magazine : fresh)
    magazine = std::make_unique<Magazine>();
  auto* chunk = static_cast<std::byte*>(::operator new(kChunkBytes, std::align_val_t{kChunkBytes}));
  chunks_.push_back(chunk);
  *reinterpret_cast<void**>(chunk) = owner_;
  for (std::size_t word = 0; word < kMarkWords; ++word)
    ::new (chunk + kBlockBytes + word * sizeof(std::uint64_t)) std::atomic<std::uint64_t>(0);
  std::byte* end = chunk + kChunkBytes;
  for (auto& magazine : fresh) {
    magazine->count = kMagazineBlocks;
    // Within a magazine the last block is handed out first: filled from high to low, allocation walks memory upwards.
    for (void*& block : magazine->blocks) {
      end -= kBlockBytes;
      block = end;
    }
    full_.push_back(std::move(magazine));
  }
  allocated_ += kChunkMagazines * kMagazineBlocks;
}

void BlockDepot::exchange_for_full(std::unique_ptr<Magazine>& magazine) {
  const std::lock_guard lock(mutex_);
  if (full_.empty()) add_chunk_locked();
  empty_.reserve(empty_.size() + 1);
  std::unique_ptr<Magazine> next = std::move(full_.back());
  full_.pop_back();
  (magazine->count == 0 ? empty_ : full_).push_back(std::move(magazine));
  magazine = std::move(next);
}

void BlockDepot::exchange_for_empty(std::unique_ptr<Magazine>& magazine) {
  const std::lock_guard lock(mutex_);
  full_.reserve(full_.size() + 1);
  std::unique_ptr<Magazine> next;
  if (empty_.empty()) {
    next = std::make_unique<Magazine>();
  } else {
    next = std::move(empty_.back());
    empty_.pop_back();
  }
  full_.push_back(std::move(magazine));
  magazine = std::move(next);
}

void BlockDepot::give_back(std::unique_ptr<Magazine> magazine) {
  const std::lock_guard lock(mutex_);
  (magazine->count == 0 ? empty_ : full_).push_back(std::move(magazine));
}

void BlockDepot::free_one(void* block) {
  const std::lock_guard lock(mutex_);
  if (full_.empty() || full_.back()->count == kMagazineBlocks) full_.push_back(std::make_unique<Magazine>());
  Magazine& magazine = *full_.back();
  magazine.blocks[magazine.count++] = block;
}

std::size_t BlockDepot::blocks_allocated() {
  const std::lock_guard lock(mutex_);
  return allocated_;
}

void BlockCache::refill() {
  if (previous_->count != 0) {
    std::swap(current_, previous_);
    return;
  }
  depot_.exchange_for_full(current_);
}

void BlockCache::drain() noexcept {
  if (previous_->count == 0) {
    std::swap(current_, previous_);
    return;
  }
  // Out of memory here means that a few kilobytes of bookkeeping are not to be had: nothing sensible is left to do.
  depot_.exchange_for_empty(current_);
}

void BlockCache::flush() noexcept {
  if (current_ == nullptr) return;
  depot_.give_back(std::move(current_));
  depot_.give_back(std::move(previous_));
}

}  // namespace polyreme::base
