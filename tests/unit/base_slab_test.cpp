// Blocks: where they come from, who owns them, that they are used again.
#include "base/slab.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace polyreme::base {
namespace {

TEST(BaseSlab, BlocksAreDistinctAlignedAndOwned) {
  int owner = 0;
  BlockDepot depot(&owner);
  BlockCache cache(depot);
  std::set<std::uintptr_t> seen;
  constexpr int kBlocks = 3000;  // more than one chunk
  for (int i = 0; i < kBlocks; ++i) {
    void* block = cache.allocate();
    std::memset(block, 0xff, kBlockBytes);  // must not reach what owner_of() reads
    EXPECT_EQ(BlockDepot::owner_of(block), &owner);
    seen.insert(reinterpret_cast<std::uintptr_t>(block));
  }
  ASSERT_EQ(seen.size(), std::size_t{kBlocks});
  std::uintptr_t end = 0;
  for (const std::uintptr_t block : seen) {
    EXPECT_EQ(block % kBlockBytes, 0U);
    EXPECT_GE(block, end);
    end = block + kBlockBytes;
  }
  for (const std::uintptr_t block : seen)
    cache.free(reinterpret_cast<void*>(block));
}

TEST(BaseSlab, TheLastOneFreedIsTheNextOneOut) {
  BlockDepot depot(nullptr);
  BlockCache cache(depot);
  void* block = cache.allocate();
  cache.free(block);
  EXPECT_EQ(cache.allocate(), block);
  cache.free(block);
}

TEST(BaseSlab, AStreamOfBlocksNeedsNoNewMemory) {
  BlockDepot depot(nullptr);
  BlockCache cache(depot);
  std::vector<void*> live;
  const auto wave = [&] {
    for (int i = 0; i < 1000; ++i)
      live.push_back(cache.allocate());
    for (void* block : live)
      cache.free(block);
    live.clear();
  };
  wave();
  const std::size_t allocated = depot.blocks_allocated();
  for (int i = 0; i < 20; ++i)
    wave();
  EXPECT_EQ(depot.blocks_allocated(), allocated);
}

TEST(BaseSlab, FullMagazinesTravelFromConsumerToProducer) {
  BlockDepot depot(nullptr);
  BlockCache producer(depot);
  BlockCache consumer(depot);
  std::size_t allocated = 0;
  for (int round = 0; round < 50; ++round) {
    for (std::size_t i = 0; i < 2 * kMagazineBlocks; ++i)
      consumer.free(producer.allocate());
    if (round == 4) allocated = depot.blocks_allocated();
  }
  EXPECT_EQ(depot.blocks_allocated(), allocated);
}

TEST(BaseSlab, BlocksFreedWithoutACacheComeBack) {
  BlockDepot depot(nullptr);
  std::set<void*> taken;
  {
    BlockCache cache(depot);
    for (std::size_t i = 0; i < 2 * kMagazineBlocks; ++i)
      taken.insert(cache.allocate());
  }
  const std::size_t allocated = depot.blocks_allocated();
  for (void* block : taken)
    depot.free_one(block);
  BlockCache cache(depot);
  std::set<void*> again;
  for (std::size_t i = 0; i < allocated; ++i)
    again.insert(cache.allocate());
  EXPECT_EQ(again.size(), allocated) << "a block was handed out twice";
  EXPECT_EQ(depot.blocks_allocated(), allocated) << "a block was lost";
  for (void* block : again)
    cache.free(block);
}

TEST(BaseSlab, CachesOfSeveralThreadsShareADepot) {
  BlockDepot depot(nullptr);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&depot, t] {
      BlockCache cache(depot);
      std::vector<int*> live;
      for (int i = 0; i < 20'000; ++i) {
        live.push_back(static_cast<int*>(cache.allocate()));
        *live.back() = t;
        if (live.size() < 900) continue;
        for (int* block : live) {
          ASSERT_EQ(*block, t);
          cache.free(block);
        }
        live.clear();
      }
      for (int* block : live)
        cache.free(block);
    });
  }
}

}  // namespace
}  // namespace polyreme::base
