// What bodies may return, and how it arrives.
#include <polyreme/runtime.hpp>

#include "support/counted.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace polyreme {
namespace {

using test::Census;
using test::Counted;

TEST(ApiValues, VoidAndInt) {
  Runtime rt({.workers = 2});
  int ran = 0;
  const Task<> nothing = rt.spawn([&] { ran = 1; });
  nothing.get();
  EXPECT_EQ(ran, 1);
  const Task<int> a = rt.spawn([] { return 42; });
  const Task<int> b = rt.spawn([](int x) { return x + 1; }, a);
  EXPECT_EQ(b.get(), 43);
  EXPECT_EQ(a.get(), 42);
  EXPECT_TRUE(a.done());
  EXPECT_EQ(a.exception(), nullptr);
}

TEST(ApiValues, ReferenceIsTheObjectItself) {
  Runtime rt({.workers = 2});
  std::vector<int> owner{1, 2, 3};
  const auto task = rt.spawn([&]() -> std::vector<int>& { return owner; });
  static_assert(std::is_same_v<decltype(task), const Task<std::vector<int>&>>);
  EXPECT_EQ(&task.get(), &owner);
  const auto size = rt.spawn([&](const std::vector<int>& got) { return &got == &owner; }, task);
  EXPECT_TRUE(size.get());
}

TEST(ApiValues, ConstReference) {
  Runtime rt({.workers = 1});
  const std::string text = "kept elsewhere";
  const auto task = rt.spawn([&]() -> const std::string& { return text; });
  EXPECT_EQ(&task.get(), &text);
}

TEST(ApiValues, MoveOnlyStaysInTheTask) {
  Runtime rt({.workers = 2});
  const auto task = rt.spawn([] { return std::make_unique<int>(7); });
  const auto seen = rt.spawn([](const std::unique_ptr<int>& value) { return value.get(); }, task);
  EXPECT_EQ(*task.get(), 7);
  EXPECT_EQ(seen.get(), task.get().get());
}

struct Large {
  std::array<std::int64_t, 100> numbers{};
};

TEST(ApiValues, LargerThanTheRecord) {
  Runtime rt({.workers = 2});
  const auto task = rt.spawn([] {
    Large value;
    value.numbers.fill(9);
    return value;
  });
  EXPECT_EQ(task.get().numbers[99], 9);
  EXPECT_EQ(rt.spawn([](const Large& value) { return value.numbers[50]; }, task).get(), 9);
}

struct alignas(64) Aligned {
  int value = 5;
};

TEST(ApiValues, OverAligned) {
  Runtime rt({.workers = 2});
  const auto task = rt.spawn([] { return Aligned{}; });
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&task.get()) % 64, 0U);
  EXPECT_EQ(task.get().value, 5);
}

/// Neither copyable nor movable: only guaranteed elision can bring it to its place.
struct Immovable {
  explicit Immovable(int one) : value(one) {}
  Immovable(const Immovable&) = delete;
  Immovable& operator=(const Immovable&) = delete;
  int value;
};

TEST(ApiValues, Immovable) {
  Runtime rt({.workers = 1});
  const auto task = rt.spawn([] { return Immovable(3); });
  EXPECT_EQ(task.get().value, 3);
}

struct ThrowsOnMove {
  explicit ThrowsOnMove(int one) : value(one) {}
  // NOLINTNEXTLINE(performance-noexcept-move-constructor): the point of the type
  ThrowsOnMove(ThrowsOnMove&& /*other*/) noexcept(false) { throw std::logic_error("moved"); }
  ThrowsOnMove(const ThrowsOnMove&) = delete;
  ThrowsOnMove& operator=(const ThrowsOnMove&) = delete;
  int value;
};

TEST(ApiValues, ThrowingMoveIsNeverCalled) {
  Runtime rt({.workers = 1});
  const auto task = rt.spawn([] { return ThrowsOnMove(11); });
  EXPECT_EQ(task.get().value, 11);
}

TEST(ApiValues, StringsShortAndLong) {
  Runtime rt({.workers = 2});
  const auto small = rt.spawn([] { return std::string("short"); });
  const auto large = rt.spawn([](const std::string& text) { return text + std::string(1000, 'x'); }, small);
  EXPECT_EQ(large.get().size(), 1005U);
}

/// A worker lets go of a task a little after it is done. Returns once all objects are gone, or never.
void await_nobody(Runtime& rt, const Census& census) {
  while (census.alive() != 0)
    rt.spawn([] {}).get();
}

TEST(ApiValues, ResultIsDestroyedWithTheLastHandle) {
  Census census;
  Runtime rt({.workers = 2});
  {
    auto task = rt.spawn([&] { return Counted(census, 4); });
    const auto copy = task;
    EXPECT_EQ(copy.get().value(), 4);
    task = {};
    EXPECT_EQ(copy.get().value(), 4);
    rt.wait();
    EXPECT_EQ(census.alive(), 1);
  }
  await_nobody(rt, census);
}

TEST(ApiValues, ResultNobodyAsksForIsDestroyed) {
  Census census;
  Runtime rt({.workers = 2});
  static_cast<void>(rt.spawn([&] { return Counted(census, 4); }));
  rt.wait();
  await_nobody(rt, census);
}

TEST(ApiValues, BoxedResultIsDestroyed) {
  Census census;
  {
    Runtime rt({.workers = 2});
    struct Wide {
      Counted counted;
      std::array<char, 100> bytes{};
    };
    const auto task = rt.spawn([&] { return Wide{Counted(census, 1), {}}; });
    EXPECT_EQ(task.get().counted.value(), 1);
  }
  EXPECT_EQ(census.alive(), 0);
}

TEST(ApiValues, TemporaryHandleGivesACopy) {
  Runtime rt({.workers = 1});
  const std::string text = rt.spawn([] { return std::string(100, 'y'); }).get();
  EXPECT_EQ(text.size(), 100U);
  static_assert(std::is_same_v<decltype(std::declval<Task<std::string>>().get()), std::string>);
  static_assert(std::is_same_v<decltype(std::declval<Task<std::string>&>().get()), const std::string&>);
}

TEST(ApiValues, FreeFunctionsAndMembersAreCallables) {
  Runtime rt({.workers = 1});
  struct Adder {
    int base;
    int add(int x) const { return base + x; }
  };
  const Adder adder{10};
  EXPECT_EQ(rt.spawn(&Adder::add, &adder, 5).get(), 15);
  EXPECT_EQ(rt.spawn(static_cast<int (*)(int)>(+[](int x) { return -x; }), 5).get(), -5);
}

}  // namespace
}  // namespace polyreme
