#include "launch/lane.hpp"

#include <stdexcept>
#include <string>

namespace polyreme::launch {

Lane& LaneTable::add(base::BlockDepot& depot, std::uint32_t slot) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t index = size_.load(sync::memory_order_relaxed);
  if (index == kCapacity) {
    throw std::runtime_error("polyreme: more than " + std::to_string(kCapacity) +
                             " threads spawn tasks at once; spawn from fewer threads");
  }
  lanes_[index] = std::make_unique<Lane>(depot, index);
  lanes_[index]->slot = slot;
  size_.store(index + 1, sync::memory_order_seq_cst);  // partner: size()
  return *lanes_[index];
}

}  // namespace polyreme::launch
