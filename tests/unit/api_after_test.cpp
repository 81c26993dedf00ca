// `after`: tasks, ids, slices and spaces; before and after they are spawned.
#include <polyreme/runtime.hpp>

#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <vector>

namespace polyreme {
namespace {

TEST(ApiAfter, OneTaskAndSeveral) {
  Runtime rt({.workers = 2});
  std::atomic<int> done{0};
  const auto add = [&] { done.fetch_add(1); };
  const auto a = rt.spawn(add);
  const auto b = rt.spawn({.after = a}, add);
  const auto c = rt.spawn({.after = {a, b}}, [&] { return done.load(); });
  EXPECT_EQ(c.get(), 2);
}

class ApiAfterCount : public testing::TestWithParam<std::size_t> {};

TEST_P(ApiAfterCount, AsManyTasksAsOneLikes) {
  Runtime rt({.workers = 2});
  const std::size_t count = GetParam();
  std::latch hold(1);
  std::atomic<std::size_t> done{0};
  const auto gate = rt.spawn([&] { hold.wait(); });
  std::vector<Task<>> tasks;
  for (std::size_t i = 0; i < count; ++i) {
    // Every other one is done, or about to be, when the last task is linked.
    if (i % 2 == 0) {
      tasks.push_back(rt.spawn({.after = gate}, [&] { done.fetch_add(1); }));
    } else {
      tasks.push_back(rt.spawn([&] { done.fetch_add(1); }));
    }
  }
  const auto last = rt.spawn({.after = tasks}, [&] { return done.load(); });
  hold.count_down();
  EXPECT_EQ(last.get(), count);
}

INSTANTIATE_TEST_SUITE_P(Counts, ApiAfterCount, testing::Values(0, 1, 2, 3, 4, 5, 10, 11, 100, 1000));

TEST(ApiAfter, IdBeforeItIsSpawned) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  int value = 0;
  const auto second = rt.spawn({.after = {space[0]}}, [&] { return value; });
  EXPECT_FALSE(second.done());
  static_cast<void>(rt.spawn({.id = space[0]}, [&] { value = 5; }));
  EXPECT_EQ(second.get(), 5);
}

TEST(ApiAfter, HandleOfAnIdBeforeItIsSpawned) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const Task<int> early = space[3].task<int>();
  const auto twice = rt.spawn([](int x) { return 2 * x; }, early);
  EXPECT_FALSE(early.done());
  EXPECT_EQ(early.name(), "T[3]");
  static_cast<void>(rt.spawn({.id = space[3]}, [] { return 21; }));
  EXPECT_EQ(twice.get(), 42);
  EXPECT_EQ(early.get(), 21);
  EXPECT_EQ(space[3].task<int>().get(), 21);
}

TEST(ApiAfter, FinishedId) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  rt.spawn({.id = space[0]}, [] {}).get();
  EXPECT_EQ(rt.spawn({.after = {space[0]}}, [] { return 1; }).get(), 1);
  space[0].task().get();
  EXPECT_TRUE(space[0].task().done());
}

TEST(ApiAfter, BoundedSliceNamesIdsThatComeLater) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  std::atomic<int> done{0};
  const auto last = rt.spawn({.after = {space(range(2, 12, 3), 7)}}, [&] { return done.load(); });
  for (const int i : {2, 5, 8, 11}) {
    EXPECT_FALSE(last.done());
    static_cast<void>(rt.spawn({.id = space(i, 7)}, [&] { done.fetch_add(1); }));
  }
  EXPECT_EQ(last.get(), 4);
}

TEST(ApiAfter, OpenSliceMeansThoseSpawnedSoFar) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  std::latch hold(1);
  std::atomic<int> done{0};
  const auto gate = rt.spawn([&] { hold.wait(); });
  const auto add = [&] { done.fetch_add(1); };
  for (int i = 0; i < 10; ++i)
    static_cast<void>(rt.spawn({.id = space[i], .after = gate}, add));
  const auto named = space[100].task();  // named is not spawned
  const auto some = rt.spawn({.after = {space(from(6))}}, [&] { return done.load(); });
  const auto all = rt.spawn({.after = space}, [&] { return done.load(); });
  hold.count_down();
  EXPECT_GE(some.get(), 4);
  EXPECT_EQ(all.get(), 10);
  EXPECT_FALSE(named.done());
}

/// A slice with an open range is open as a whole: its bounded ranges choose among what was spawned and name nothing.
TEST(ApiAfter, SliceOpenInTheFirstIndexNamesNothing) {
  Runtime rt({.workers = 2});
  const Space grid = rt.space("grid");
  static_cast<void>(rt.spawn({.id = grid(1, 5)}, [] {}));
  static_cast<void>(rt.spawn({.id = grid(2, 0)}, [] {}));
  const auto column = rt.spawn({.after = {grid(from(0), 0)}}, [] { return 1; });
  const auto block = rt.spawn({.after = {grid(from(0), range(0, 3))}}, [] { return 2; });
  EXPECT_NO_THROW(rt.wait());
  EXPECT_EQ(column.get() + block.get(), 3);
}

TEST(ApiAfter, EmptySlicesAndSpaces) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("empty");
  EXPECT_EQ(
      rt.spawn({.after = {space, space(range(5, 5)), space(range(7, 3)), space(upto(-1), 3)}}, [] { return 1; }).get(),
      1);
  EXPECT_EQ(rt.spawn({.after = std::vector<Task<int>>()}, [] { return 2; }).get(), 2);
}

TEST(ApiAfter, Mixed) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("mixed");
  std::latch hold(1);
  std::atomic<int> done{0};
  const auto add = [&] { done.fetch_add(1); };
  const auto gate = rt.spawn([&] { hold.wait(); });
  std::vector<Task<>> tasks;
  for (int i = 0; i < 6; ++i)
    tasks.push_back(rt.spawn({.after = gate}, add));
  for (int i = 0; i < 5; ++i)
    static_cast<void>(rt.spawn({.id = space(0, i), .after = gate}, add));
  const auto last = rt.spawn(
      {.after = {tasks[0], tasks[1], tasks[2], tasks[3], tasks[4], tasks[5], space(0, 2), space(1, upto(4)), space,
                 space(from(0), from(1, 2))}},
      [](int extra, int counted) { return extra + counted; }, 100,
      rt.spawn({.after = {tasks[0], space(1, 3)}}, [] { return 1000; }));
  for (int i = 0; i < 4; ++i)
    static_cast<void>(rt.spawn({.id = space(1, i), .after = gate}, add));
  hold.count_down();
  EXPECT_EQ(last.get(), 1100);
  EXPECT_EQ(done.load(), 15);
}

TEST(ApiAfter, NegativeAndFarIndices) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("far");
  constexpr std::int64_t kFar = std::int64_t{1} << 60;
  const auto last = rt.spawn({.after = {space(-5), space(kFar), space(-kFar, kFar, -1, 0, 1, 2)}}, [] { return 1; });
  static_cast<void>(rt.spawn({.id = space(kFar)}, [] {}));
  static_cast<void>(rt.spawn({.id = space(-5)}, [] {}));
  EXPECT_FALSE(last.done());
  static_cast<void>(rt.spawn({.id = space(-kFar, kFar, -1, 0, 1, 2)}, [] {}));
  EXPECT_EQ(last.get(), 1);
  EXPECT_EQ(space(-kFar, 3).name(), "far[-1152921504606846976, 3]");
}

TEST(ApiAfter, SpacesOfOneNameAreDistinct) {
  Runtime rt({.workers = 1});
  const Space one = rt.space("same");
  const Space two = rt.space("same");
  static_cast<void>(rt.spawn({.id = one[0]}, [] {}));
  EXPECT_NO_THROW(static_cast<void>(rt.spawn({.id = two[0]}, [] {})));
  rt.wait();
}

TEST(ApiAfter, WavefrontByIdsInAnyOrder) {
  Runtime rt({.workers = 3});
  const Space grid = rt.space("grid");
  constexpr int kSide = 24;
  std::vector<std::atomic<int>> stamp(kSide * kSide);
  std::atomic<int> clock{1};
  // Back to front: every dependency is named before it is spawned.
  for (int i = kSide; i-- > 0;) {
    for (int j = kSide; j-- > 0;) {
      const auto body = [&, i, j] { stamp[static_cast<std::size_t>(i * kSide + j)] = clock.fetch_add(1); };
      if (i > 0 && j > 0) {
        static_cast<void>(rt.spawn({.id = grid(i, j), .after = {grid(i - 1, j), grid(i, j - 1)}}, body));
      } else if (i + j > 0) {
        static_cast<void>(rt.spawn({.id = grid(i, j), .after = {i > 0 ? grid(i - 1, j) : grid(i, j - 1)}}, body));
      } else {
        static_cast<void>(rt.spawn({.id = grid(i, j)}, body));
      }
    }
  }
  rt.wait();
  const auto at = [&](int i, int j) { return stamp[static_cast<std::size_t>(i * kSide + j)].load(); };
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < kSide; ++j) {
      EXPECT_GT(at(i, j), 0);
      EXPECT_LT(i > 0 ? at(i - 1, j) : 0, at(i, j));
      EXPECT_LT(j > 0 ? at(i, j - 1) : 0, at(i, j));
    }
  }
}

TEST(ApiAfter, IdsOfAResultHoldIt) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("values");
  static_cast<void>(rt.spawn({.id = space[0]}, [] { return std::string("kept by its id"); }));
  rt.wait();
  EXPECT_EQ(space[0].task<std::string>().get(), "kept by its id");
  EXPECT_THROW(static_cast<void>(space[0].task<int>().get()), TypeMismatch);
  space[0].task().wait();
}

TEST(ApiAfter, SliceErrorsNameTheSpaceAndTheValue) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("S");
  const auto error = [&](const SpaceSlice& slice) {
    return test::text_of(test::caught([&] { static_cast<void>(rt.spawn({.after = {slice}}, [] {})); }));
  };
  EXPECT_NE(error(space(range(0, 5, 0))).find("step 0 in a slice of space 'S'"), std::string::npos);
  EXPECT_NE(error(space(range(0, 5, -1))).find("step -1 in a slice of space 'S'"), std::string::npos);
  EXPECT_NE(error(space(upto(1 << 20), upto(1 << 20))).find("names more than 268435456 ids"), std::string::npos);
  EXPECT_NO_THROW(rt.wait());
}

}  // namespace
}  // namespace polyreme
