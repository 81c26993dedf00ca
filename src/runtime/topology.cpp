#include "runtime/topology.hpp"

namespace polyreme::runtime {

Topology::Topology(const char* synthetic) {
  if (hwloc_topology_init(&topology_) != 0) {
    topology_ = nullptr;
    return;
  }
  if ((synthetic != nullptr && hwloc_topology_set_synthetic(topology_, synthetic) != 0) ||
      hwloc_topology_load(topology_) != 0) {
    hwloc_topology_destroy(topology_);
    topology_ = nullptr;
    return;
  }
  const int cores = hwloc_get_nbobjs_by_type(topology_, HWLOC_OBJ_CORE);
  for (int i = 0; i < cores; ++i) {
    cores_.push_back(hwloc_get_obj_by_type(topology_, HWLOC_OBJ_CORE, static_cast<unsigned>(i)));
  }
}

Topology::~Topology() {
  if (topology_ != nullptr) hwloc_topology_destroy(topology_);
}

void Topology::bind(std::span<const std::uint32_t> slots) const noexcept {
  if (cores_.empty()) return;
  const hwloc_bitmap_t all = hwloc_bitmap_alloc();
  if (all == nullptr) return;
  for (const std::uint32_t slot : slots)
    static_cast<void>(hwloc_bitmap_or(all, all, cores_[slot % cores_.size()]->cpuset));
  static_cast<void>(hwloc_set_cpubind(topology_, all, HWLOC_CPUBIND_THREAD));
  hwloc_bitmap_free(all);
}

std::vector<launch::SlotPlace> Topology::places(std::uint32_t slots) const {
  std::vector<launch::SlotPlace> places(slots);
  if (cores_.empty()) return places;
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    const hwloc_obj_t core = cores_[slot % cores_.size()];
    places[slot].core = core->logical_index;
    const hwloc_obj_t cache = hwloc_get_ancestor_obj_by_type(topology_, HWLOC_OBJ_L3CACHE, core);
    if (cache != nullptr) places[slot].cache = cache->logical_index;
    const int node = hwloc_bitmap_first(core->nodeset);
    if (node >= 0) places[slot].node = static_cast<std::uint32_t>(node);
  }
  return places;
}

const Topology& this_machine() {
  static const auto* const topology = new Topology;
  return *topology;
}

}  // namespace polyreme::runtime
