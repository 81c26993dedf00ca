// The order in which thieves try slots, on machines that hwloc makes up.
#include "launch/victims.hpp"
#include "runtime/topology.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace polyreme::launch {
namespace {

void check_order(const std::vector<SlotPlace>& places, std::uint32_t thief, const VictimOrder& order) {
  std::vector<std::uint32_t> all = order.slots;
  std::ranges::sort(all);
  RC_ASSERT(all.size() + 1 == places.size());
  RC_ASSERT(std::ranges::adjacent_find(all) == all.end());
  RC_ASSERT(!std::ranges::binary_search(all, thief));
  RC_ASSERT(
      std::ranges::is_sorted(order.slots, {}, [&](std::uint32_t s) { return distance(places[thief], places[s]); }));
  std::size_t seen = 0;
  for (std::size_t which = 0; which < kDistances; ++which) {
    for (const std::uint32_t victim : order.at(static_cast<Distance>(which))) {
      RC_ASSERT(distance(places[thief], places[victim]) == static_cast<Distance>(which));
      ++seen;
    }
  }
  RC_ASSERT(seen == order.slots.size());
}

RC_GTEST_PROP(LaunchVictimsProperty, EverySlotOnceAndTheNearestFirst, ()) {
  const int nodes = *rc::gen::inRange(1, 4);
  const int caches = *rc::gen::inRange(1, 4);
  const int cores = *rc::gen::inRange(1, 5);
  const std::string machine =
      "node:" + std::to_string(nodes) + " l3:" + std::to_string(caches) + " core:" + std::to_string(cores) + " pu:2";
  const runtime::Topology topology(machine.c_str());
  RC_ASSERT(topology.cores() == static_cast<std::size_t>(nodes * caches * cores));
  const auto slots = *rc::gen::inRange<std::uint32_t>(1, 50);
  const std::vector<SlotPlace> places = topology.places(slots);
  const std::vector<VictimOrder> orders = victim_orders(places);
  if (orders.empty()) {
    // Then all are as far from each other.
    for (std::uint32_t a = 0; a < slots; ++a) {
      for (std::uint32_t b = 0; b < slots; ++b) {
        if (a != b) RC_ASSERT(distance(places[a], places[b]) == distance(places[0], places[1]));
      }
    }
    return;
  }
  RC_ASSERT(orders.size() == slots);
  for (std::uint32_t thief = 0; thief < slots; ++thief)
    check_order(places, thief, orders[thief]);
}

TEST(LaunchVictims, NeighboursComeBeforeTheOtherNode) {
  const runtime::Topology topology("node:2 core:4 pu:2");
  const std::vector<VictimOrder> orders = victim_orders(topology.places(8));
  ASSERT_EQ(orders.size(), 8U);
  EXPECT_EQ(orders[5].slots, (std::vector<std::uint32_t>{4, 6, 7, 0, 1, 2, 3}));
  EXPECT_EQ(orders[5].at(Distance::kSameNode).size(), 3U);
  EXPECT_EQ(orders[5].at(Distance::kFar).size(), 4U);
}

TEST(LaunchVictims, ThereIsNoOrderWhereAllAreAlike) {
  EXPECT_TRUE(victim_orders(runtime::Topology("core:2 pu:1").places(2)).empty());
  EXPECT_TRUE(victim_orders(runtime::Topology("l3:1 core:8 pu:2").places(8)).empty());
  EXPECT_TRUE(victim_orders(std::vector<SlotPlace>(3)).empty()) << "a machine that could not be read";
  EXPECT_TRUE(victim_orders(std::vector<SlotPlace>(1)).empty());
  EXPECT_TRUE(victim_orders({}).empty());
}

TEST(LaunchVictims, SlotsBeyondTheCoresShareThem) {
  const std::vector<VictimOrder> orders = victim_orders(runtime::Topology("core:2 pu:1").places(4));
  ASSERT_EQ(orders.size(), 4U);
  EXPECT_EQ(orders[0].at(Distance::kSameCore).size(), 1U);
  EXPECT_EQ(orders[0].slots.front(), 2U);
}

}  // namespace
}  // namespace polyreme::launch
