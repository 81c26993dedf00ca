// Priorities: the highest ready task of a slot starts first.
#include <polyreme/runtime.hpp>

#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <vector>

namespace polyreme {
namespace {

/// One slot, so that a list needs no protection.
class ApiPriority : public testing::Test {
 protected:
  auto note(int number) {
    return [this, number] { order_.push_back(number); };
  }
  Runtime rt_{{.workers = 1}};
  std::vector<int> order_;
};

TEST_F(ApiPriority, TheHighestFirstAndTheNewestOfIt) {
  rt_.spawn([this] {
    rt_.spawn({.priority = -1}, note(-1));
    rt_.spawn({.priority = 1}, note(1));
    rt_.spawn(note(0));
    rt_.spawn({.priority = -1}, note(-2));
    rt_.spawn({.priority = 1}, note(2));
    rt_.spawn({.priority = 0}, note(3));
  });
  rt_.wait();
  EXPECT_EQ(order_, (std::vector<int>{2, 1, 3, 0, -2, -1}));
}

TEST_F(ApiPriority, ASuccessorDoesNotJumpTheQueue) {
  rt_.spawn([this] {
    const auto first = rt_.spawn({.name = "first"}, note(0));
    rt_.spawn({.after = {first}, .priority = -1}, note(-1));
    rt_.spawn({.after = {first}}, [this] {
      order_.push_back(1);
      rt_.spawn({.priority = 1}, note(5));
    });
    rt_.spawn({.after = {first}, .priority = 1}, note(4));
  });
  rt_.wait();
  EXPECT_EQ(order_, (std::vector<int>{0, 4, 1, 5, -1}));
}

TEST_F(ApiPriority, AWaiterRunsTheTaskItWaitsForWhateverItsPriority) {
  rt_.spawn([this] {
    const auto low = rt_.spawn({.priority = -1}, note(-1));
    rt_.spawn({.priority = 1}, note(1));
    low.wait();
    order_.push_back(2);
  });
  rt_.wait();
  EXPECT_EQ(order_, (std::vector<int>{-1, 2, 1}));
}

TEST_F(ApiPriority, NamedIdsAndFailuresHaveOne) {
  const Space space = rt_.space("T");
  rt_.spawn([&] {
    rt_.spawn({.id = space[0], .priority = -1}, note(-1));
    rt_.spawn({.id = space[1], .priority = 1}, [] { throw std::runtime_error("first"); });
    rt_.spawn({.after = {space[1]}, .priority = 1}, note(7));
    rt_.spawn(note(0));
  });
  EXPECT_THROW(rt_.wait(), TaskErrors);
  EXPECT_EQ(order_, (std::vector<int>{0, -1}));
}

TEST_F(ApiPriority, AnotherOneIsAnErrorThatNamesIt) {
  for (const int wrong : {2, -2, 257, std::numeric_limits<int>::min()}) {
    EXPECT_EQ(test::text_of(test::caught([&] { rt_.spawn({.priority = wrong}, note(0)); })),
              "polyreme: priority=" + std::to_string(wrong) + "; it is -1, 0 or 1");
  }
  const Space space = rt_.space("T");
  EXPECT_THROW(rt_.spawn({.id = space[0], .priority = 3}, note(0)), UsageError);
  rt_.spawn({.id = space[0]}, note(1));  // nothing was spawned
  rt_.wait();
  EXPECT_EQ(order_, std::vector<int>{1});
}

TEST(ApiPriorities, ThievesFindThemInEveryLane) {
  Runtime rt({.workers = 2, .max_ready = 8});
  std::atomic<int> ran{0};
  for (int i = 0; i < 3000; ++i) {
    rt.spawn({.priority = i % 3 - 1}, [&rt, &ran, i] {
      for (int k = 0; k < 3; ++k)
        rt.spawn({.priority = (i + k) % 3 - 1}, [&] { ++ran; });
    });
  }
  rt.wait();
  EXPECT_EQ(ran.load(), 9000);
}

}  // namespace
}  // namespace polyreme
