// Whom a thief tries first: the slots whose cores are nearest, by what they share with its own.
//
// A pure function from where the cores are to an order of victims. It is used only if workers are bound to cores, for
// else a slot is nowhere, and only if that order says more than "any".
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace polyreme::launch {

/// Where the core of a slot is. Slots with the same number share the thing; kNowhere is shared by nobody.
struct SlotPlace {
  static constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t core = kNowhere;
  std::uint32_t cache = kNowhere;  ///< of the last level
  std::uint32_t node = kNowhere;   ///< NUMA node
};

enum class Distance : std::uint8_t { kSameCore, kSameCache, kSameNode, kFar };
inline constexpr std::size_t kDistances = 4;

[[nodiscard]] constexpr Distance distance(const SlotPlace& one, const SlotPlace& other) noexcept {
  const auto share = [](std::uint32_t a, std::uint32_t b) { return a == b && a != SlotPlace::kNowhere; };
  if (share(one.core, other.core)) return Distance::kSameCore;
  if (share(one.cache, other.cache)) return Distance::kSameCache;
  if (share(one.node, other.node)) return Distance::kSameNode;
  return Distance::kFar;
}

/// The other slots, nearest first, those of one distance by number. A thief begins anywhere within one distance.
struct VictimOrder {
  std::vector<std::uint32_t> slots;
  std::array<std::uint32_t, kDistances> ends{};  ///< by distance: where its slots end
  [[nodiscard]] std::span<const std::uint32_t> at(Distance which) const noexcept {
    const auto index = static_cast<std::size_t>(which);
    const std::uint32_t begin = index == 0 ? 0 : ends[index - 1];
    return std::span(slots).subspan(begin, ends[index] - begin);
  }
};

/// One order a slot; none at all if every slot is as far from every other.
[[nodiscard]] std::vector<VictimOrder> victim_orders(std::span<const SlotPlace> places);

}  // namespace polyreme::launch
