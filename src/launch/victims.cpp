#include "launch/victims.hpp"

#include <algorithm>

namespace polyreme::launch {

std::vector<VictimOrder> victim_orders(std::span<const SlotPlace> places) {
  std::vector<VictimOrder> orders(places.size());
  for (std::uint32_t thief = 0; thief < places.size(); ++thief) {
    VictimOrder& order = orders[thief];
    for (std::size_t which = 0; which < kDistances; ++which) {
      for (std::uint32_t victim = 0; victim < places.size(); ++victim) {
        const bool is_at = distance(places[thief], places[victim]) == static_cast<Distance>(which);
        if (victim != thief && is_at) order.slots.push_back(victim);
      }
      order.ends[which] = static_cast<std::uint32_t>(order.slots.size());
    }
  }
  const auto is_alike = [&](const VictimOrder& order) {
    return std::ranges::all_of(orders.front().ends,
                               [&](std::uint32_t end) { return end == 0 || end == order.ends[3]; });
  };
  const bool says_nothing = orders.empty() || std::ranges::all_of(orders, [&](const VictimOrder& order) {
                              return order.ends == orders.front().ends && is_alike(order);
                            });
  if (says_nothing) orders.clear();
  return orders;
}

}  // namespace polyreme::launch
