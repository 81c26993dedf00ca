// Where the edges of a task live: three inside its record, more in a chain of blocks.
//
// With up to three predecessors every edge is inline. With more, two are inline and the third inline place holds the
// address of the first block; a block is one allocation unit: the address of the next block, then seven edges. Its
// first word is left alone, for it may be read as that of a record (task/record.hpp). Blocks live as long as the
// record.
#pragma once

#include "base/slab.hpp"
#include "graph/successors.hpp"
#include "task/awaiting.hpp"
#include "task/record.hpp"

#include <cstddef>
#include <cstdint>

namespace polyreme::graph {

inline constexpr std::size_t kEdgesPerBlock = 7;

struct EdgeBlock {
  std::uint64_t state_of_a_record;
  EdgeBlock* next;
  BlockEdge edges[kEdgesPerBlock];
};
static_assert(sizeof(EdgeBlock) <= base::kBlockBytes);

/// Gives a task that is being built its edges, one push_to() for each of `count` predecessors. All memory is taken by
/// the constructor, so that linking cannot fail half-way.
class EdgeWriter {
 public:
  template <class Allocate>
  EdgeWriter(tasks::Record& record, std::size_t count, Allocate&& allocate) : record_(record) {
    if (count <= tasks::kInlineEdges) return;
    inline_left_ = tasks::kInlineEdges - 1;
    record.edges[tasks::kInlineEdges - 1].next = 0;
    record.flags |= tasks::kEdgeBlocks;
    for (std::size_t in_blocks = count - inline_left_; in_blocks > 0;) {
      auto* block = static_cast<EdgeBlock*>(allocate());
      block->next = reinterpret_cast<EdgeBlock*>(record.edges[tasks::kInlineEdges - 1].next);
      record.edges[tasks::kInlineEdges - 1].next = reinterpret_cast<std::uintptr_t>(block);
      in_blocks -= in_blocks < kEdgesPerBlock ? in_blocks : kEdgesPerBlock;
    }
    block_ = reinterpret_cast<EdgeBlock*>(record.edges[tasks::kInlineEdges - 1].next);
  }

  /// False: the predecessor is done already.
  [[nodiscard]] bool push_to(tasks::Record& predecessor) noexcept {
    if (inline_left_ > 0) {
      if (!push_inline_edge(predecessor, record_.edges[inline_used_])) return false;
      ++inline_used_;
      --inline_left_;
      return true;
    }
    if (block_used_ == kEdgesPerBlock) {
      block_ = block_->next;
      block_used_ = 0;
    }
    BlockEdge& edge = block_->edges[block_used_];
    edge.successor = &record_;
    if (!push_block_edge(predecessor, edge)) return false;
    // After the last push the record, and its blocks, may be gone.
    ++block_used_;
    return true;
  }

 private:
  tasks::Record& record_;
  std::size_t inline_used_ = 0;
  std::size_t inline_left_ = tasks::kInlineEdges;
  EdgeBlock* block_ = nullptr;
  std::size_t block_used_ = 0;
};

/// Calls free(void*) for each edge block of the record. A body that has suspended has none left.
template <class Free>
void for_each_block(tasks::Record& record, Free&& free) {
  if ((record.flags & tasks::kEdgeBlocks) == 0 || tasks::has_suspended(record)) return;
  auto* block = reinterpret_cast<EdgeBlock*>(record.edges[tasks::kInlineEdges - 1].next);
  while (block != nullptr) {
    EdgeBlock* next = block->next;
    free(block);
    block = next;
  }
}

}  // namespace polyreme::graph
