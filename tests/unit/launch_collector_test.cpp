// Who gets several slots: examples. tests/property/launch_collector_property.cpp has the rules.
#include "launch/collector.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace polyreme::launch {
namespace {

Collecting request(std::uint32_t count, int rank = 0) {
  Collecting made;
  made.count = count;
  made.rank = rank;
  return made;
}

TEST(LaunchCollector, TheHeadGetsAllItsSlotsAtOnce) {
  Collector collector;
  EXPECT_FALSE(collector.wants());
  Collecting two = request(2);
  collector.add(two);
  EXPECT_TRUE(collector.wants());
  collector.offer(4);
  EXPECT_EQ(collector.take_complete(), nullptr);
  collector.offer(7);
  EXPECT_EQ(collector.take_complete(), &two);
  EXPECT_EQ(two.slots, (std::vector<std::uint32_t>{4, 7}));
  EXPECT_FALSE(collector.wants());
}

TEST(LaunchCollector, ThePileIsForWhoeverIsHead) {
  Collector collector;
  Collecting three = request(3);
  collector.add(three);
  collector.offer(0);
  collector.offer(1);
  Collecting one = request(1, Collector::kResumes);
  collector.add(one);
  EXPECT_EQ(collector.take_complete(), &one);
  EXPECT_EQ(one.slots, std::vector<std::uint32_t>{1});
  EXPECT_EQ(collector.take_complete(), nullptr);
  collector.offer(1);
  collector.offer(2);
  EXPECT_EQ(collector.take_complete(), &three);
}

TEST(LaunchCollector, OneComesBackForWhoCannotWait) {
  Collector collector;
  std::uint32_t slot = 9;
  EXPECT_FALSE(collector.take_back(slot));
  Collecting two = request(2);
  collector.add(two);
  collector.offer(5);
  EXPECT_TRUE(collector.take_back(slot));
  EXPECT_EQ(slot, 5U);
  EXPECT_TRUE(collector.wants());
}

TEST(LaunchCollector, TasksAreAbandonedBodiesThatGoOnAreNot) {
  Collector collector;
  Collecting task = request(2, 1);
  Collecting other = request(2, -1);
  Collecting body = request(2, Collector::kResumes);
  for (Collecting* one : {&other, &body, &task})
    collector.add(*one);
  EXPECT_EQ(collector.abandon_task(), &task);
  EXPECT_EQ(collector.abandon_task(), &other);
  EXPECT_EQ(collector.abandon_task(), nullptr);
  EXPECT_TRUE(collector.wants());
}

}  // namespace
}  // namespace polyreme::launch
