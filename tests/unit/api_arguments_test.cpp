// What spawn() takes besides the body, and that nothing leaks when taking it fails.
#include <polyreme/runtime.hpp>

#include "support/counted.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace polyreme {
namespace {

using test::Census;
using test::Counted;
using test::Fragile;

TEST(ApiArguments, TasksArriveAsTheirValues) {
  Runtime rt({.workers = 2});
  const auto a = rt.spawn([] { return 2; });
  const auto b = rt.spawn([] { return std::string("xy"); });
  const auto c = rt.spawn(
      [](int n, const std::string& text, int times) { return n * times + static_cast<int>(text.size()); }, a, b, 10);
  EXPECT_EQ(c.get(), 22);
}

TEST(ApiArguments, VoidTaskOrdersWithoutArriving) {
  Runtime rt({.workers = 2});
  int order = 0;
  const Task<> first = rt.spawn([&] { order = 1; });
  const auto second = rt.spawn([&](int x) { return order * x; }, first, 5);
  EXPECT_EQ(second.get(), 5);
  const auto third = rt.spawn([&] { return order; }, first);
  EXPECT_EQ(third.get(), 1);
}

TEST(ApiArguments, OneTaskTwice) {
  Runtime rt({.workers = 2});
  const auto a = rt.spawn([] { return 21; });
  EXPECT_EQ(rt.spawn([](int x, int y) { return x + y; }, a, a).get(), 42);
  EXPECT_EQ(rt.spawn({.after = {a, a}}, [](int x) { return x; }, a).get(), 21);
}

TEST(ApiArguments, ATaskValueArrivesWithoutACopy) {
  Census census;
  Runtime rt({.workers = 1});
  const auto a = rt.spawn([&] { return Counted(census, 6); });
  const auto seen = rt.spawn([&](const Counted& value) { return &value; }, a);
  EXPECT_EQ(seen.get(), &a.get());
  EXPECT_EQ(census.alive(), 1);
}

TEST(ApiArguments, MoveOnly) {
  Runtime rt({.workers = 2});
  auto value = std::make_unique<int>(8);
  const auto task = rt.spawn([](std::unique_ptr<int> got) { return *got; }, std::move(value));
  EXPECT_EQ(task.get(), 8);
  const auto captured = rt.spawn([kept = std::make_unique<int>(9)] { return *kept; });
  EXPECT_EQ(captured.get(), 9);
}

TEST(ApiArguments, ReferencesByReferenceWrapper) {
  Runtime rt({.workers = 2});
  int counter = 0;
  rt.spawn([](int& target) { target = 3; }, std::ref(counter)).get();
  EXPECT_EQ(counter, 3);
}

TEST(ApiArguments, LvaluesAreCopied) {
  Runtime rt({.workers = 1});
  std::string text = "before";
  const auto task = rt.spawn([](const std::string& got) { return got; }, text);
  text = "after";
  EXPECT_EQ(task.get(), "before");
}

TEST(ApiArguments, LargeBodiesGoToTheHeap) {
  Census census;
  {
    Runtime rt({.workers = 2});
    std::array<char, 200> bytes{};
    bytes[199] = 'z';
    const auto task = rt.spawn([bytes, counted = Counted(census, 1)] { return bytes[199]; });
    EXPECT_EQ(task.get(), 'z');
  }
  EXPECT_EQ(census.alive(), 0);
}

TEST(ApiArguments, BodyIsDestroyedBeforeTheTaskIsDone) {
  Census census;
  Runtime rt({.workers = 2});
  for (int i = 0; i < 100; ++i) {
    const auto task = rt.spawn([counted = Counted(census, i)] { return counted.value(); });
    EXPECT_EQ(task.get(), i);
    EXPECT_EQ(census.alive(), 0) << "what a body captured lives longer than the body";
  }
}

TEST(ApiArguments, BodyThatThrowsIsDestroyedOnce) {
  Census census;
  Runtime rt({.workers = 2});
  const auto task = rt.spawn([counted = Counted(census, 1)] {
    if (counted.value() == 1) throw std::runtime_error("no");
  });
  EXPECT_THROW(task.get(), std::runtime_error);
  EXPECT_EQ(census.alive(), 0);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(ApiArguments, ManyWithOptions) {
  Runtime rt({.workers = 1});
  const auto sum = rt.spawn(
      {}, [](int a, int b, int c, int d, int e, int f, int g, int h) { return a + b + c + d + e + f + g + h; }, 1, 2, 3,
      4, 5, 6, 7, 8);
  EXPECT_EQ(sum.get(), 36);
  EXPECT_EQ(
      rt.spawn([](int a, int b, int c, int d, int e, int f) { return a * b * c * d * e * f; }, 1, 2, 3, 4, 5, 6).get(),
      720);
}

/// Every move that spawn() makes on the way fails once: nothing may leak, and the id must stay free.
TEST(ApiArguments, AMoveThatThrowsLeavesNothingBehind) {
  Census census;
  Runtime rt({.workers = 2});
  const Space space = rt.space("fragile");
  int moves = 0;
  for (bool thrown = true; thrown; ++moves) {
    int fuse = moves;
    thrown = false;
    try {
      rt.spawn({.id = space[moves]}, [](const Fragile&) {}, Fragile(census, fuse)).wait();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "the fuse has burnt down");
      thrown = true;
      EXPECT_EQ(census.alive(), 0);
      int whole = -1;
      rt.spawn({.id = space[moves]}, [](const Fragile&) {}, Fragile(census, whole)).get();
    }
  }
  EXPECT_GT(moves, 1);
  rt.wait();
  EXPECT_EQ(census.alive(), 0);
  EXPECT_EQ(rt.stats().spawned, rt.stats().completed);
}

TEST(ApiArguments, ABodyThatThrowsOnItsWayToTheHeapLeavesNothingBehind) {
  Census census;
  Runtime rt({.workers = 2});
  int moves = 0;
  for (bool thrown = true; thrown; ++moves) {
    int fuse = moves;
    int count = 0;
    thrown = false;
    struct Body {
      Fragile fragile;
      std::array<char, 100> bytes{};
      int* count;
      void operator()() const { ++*count; }
    };
    int safe = -1;
    Body body{Fragile(census, safe), {}, &count};
    try {
      rt.spawn([inner = Fragile(census, fuse), bytes = body.bytes, &count] { count += 1 + bytes[0]; }).wait();
      EXPECT_EQ(count, 1);
    } catch (const std::runtime_error&) {
      thrown = true;
      EXPECT_EQ(count, 0);
      EXPECT_EQ(census.alive(), 1) << "only the body of this test";
    }
  }
  EXPECT_GT(moves, 1);
  EXPECT_EQ(census.alive(), 0);
}

TEST(ApiArguments, FailedSpawnWithDependenciesReleasesThem) {
  Census census;
  Runtime rt({.workers = 2});
  Runtime other({.workers = 1});
  const auto stranger = other.spawn([] {});
  const auto mine = rt.spawn([&] { return Counted(census, 1); });
  mine.wait();
  std::vector<TaskBase> many(10, stranger);
  EXPECT_THROW(static_cast<void>(rt.spawn({.after = many}, [](const Counted&) {}, mine)), UsageError);
  rt.wait();
  EXPECT_EQ(census.alive(), 1);
}

}  // namespace
}  // namespace polyreme
