// Circles: of dependencies, at the spawn that closes them or at quiescence; and of waits in bodies.
#include <polyreme/runtime.hpp>

#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <optional>
#include <string>
#include <vector>

namespace polyreme {
namespace {

using test::caught;
using test::is;
using test::text_of;

TEST(ApiCycles, OfOne) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto error = caught([&] { static_cast<void>(rt.spawn({.id = space[0], .after = {space[0]}}, [] {})); });
  ASSERT_TRUE(is<CycleError>(error));
  EXPECT_NE(text_of(error).find("T[0] depends on itself"), std::string::npos) << text_of(error);
  // Nothing was spawned: the id is free.
  EXPECT_EQ(rt.spawn({.id = space[0]}, [] { return 1; }).get(), 1);
  EXPECT_NO_THROW(rt.wait());
}

TEST(ApiCycles, OfOneAmongMany) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  EXPECT_THROW(static_cast<void>(rt.spawn({.id = space[5], .after = {space(upto(20))}}, [] {})), CycleError);
  for (int i = 0; i < 20; ++i)
    static_cast<void>(rt.spawn({.id = space[i]}, [] {}));
  EXPECT_NO_THROW(rt.wait());
}

class ApiCyclesLength : public testing::TestWithParam<int> {};

TEST_P(ApiCyclesLength, IsFoundAtTheSpawnThatClosesIt) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("T");
  const int length = GetParam();
  std::vector<Task<>> tasks;
  for (int i = 0; i + 1 < length; ++i) {
    tasks.push_back(rt.spawn({.id = space[i], .after = {space[i + 1]}}, [] {}));
  }
  const auto error =
      caught([&] { static_cast<void>(rt.spawn({.id = space[length - 1], .after = {space[0]}}, [] {})); });
  ASSERT_TRUE(is<CycleError>(error));
  EXPECT_NE(text_of(error).find("closes a circle of dependencies"), std::string::npos);
  EXPECT_NE(text_of(error).find("T[" + std::to_string(length - 1) + "] -> T["), std::string::npos) << text_of(error);
  // The id is free: without the faulty dependency all goes well.
  static_cast<void>(rt.spawn({.id = space[length - 1]}, [] {}));
  for (const auto& task : tasks)
    EXPECT_NO_THROW(task.get());
  EXPECT_NO_THROW(rt.wait());
}

INSTANTIATE_TEST_SUITE_P(Lengths, ApiCyclesLength, testing::Values(2, 3, 10, 300));

TEST(ApiCycles, TooLongForTheSpawnIsFoundAtQuiescence) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("long");
  constexpr int kLength = 3000;
  std::vector<Task<>> tasks;
  for (int i = 0; i < kLength; ++i) {
    tasks.push_back(rt.spawn({.id = space[i], .after = {space[(i + 1) % kLength]}}, [] {}));
  }
  try {
    rt.wait();
    FAIL();
  } catch (const TaskErrors& errors) {
    ASSERT_EQ(errors.failures().size(), 1U);
    EXPECT_TRUE(is<CycleError>(errors.failures()[0].error));
    EXPECT_EQ(errors.cancelled_dependents(), static_cast<std::uint64_t>(kLength - 1));
    const std::string text = errors.what();
    EXPECT_NE(text.find("a circle of dependencies"), std::string::npos) << text;
    EXPECT_LT(text.size(), 2000U) << "long circles are abridged";
  }
  int roots = 0;
  for (const auto& task : tasks) {
    const auto error = task.exception();
    ASSERT_NE(error, nullptr);
    roots += is<CycleError>(error) ? 1 : 0;
  }
  EXPECT_EQ(roots, 1);
  EXPECT_EQ(rt.stats().spawned, rt.stats().completed);
}

TEST(ApiCycles, SeveralLongOnesWithDependents) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("rings");
  constexpr int kRings = 3;
  constexpr int kLength = 600;
  for (int ring = 0; ring < kRings; ++ring) {
    for (int i = 0; i < kLength; ++i) {
      static_cast<void>(rt.spawn({.id = space(ring, i), .after = {space(ring, (i + 1) % kLength)}}, [] {}));
    }
  }
  const auto last = rt.spawn({.after = space}, [] {});
  const auto beside = rt.spawn([] { return 1; });
  EXPECT_TRUE(is<DependencyFailed>(last.exception()));
  EXPECT_EQ(beside.get(), 1);
  try {
    rt.wait();
    FAIL();
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), static_cast<std::size_t>(kRings));
  }
}

/// Tasks that depend on the circle but are not in it come before it in the space.
TEST(ApiCycles, BehindManyDependents) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  constexpr int kBehind = 20'000;
  constexpr int kLength = 600;
  for (int i = 0; i < kBehind; ++i) {
    static_cast<void>(rt.spawn({.id = space[kBehind - 1 - i], .after = {space[kBehind - i]}}, [] {}));
  }
  for (int i = 0; i < kLength; ++i) {
    static_cast<void>(rt.spawn({.id = space[kBehind + i], .after = {space[kBehind + (i + 1) % kLength]}}, [] {}));
  }
  try {
    rt.wait();
    FAIL();
  } catch (const TaskErrors& errors) {
    EXPECT_EQ(errors.failures().size(), 1U);
    EXPECT_EQ(errors.cancelled_dependents(), static_cast<std::uint64_t>(kBehind + kLength - 1));
  }
}

class ApiCyclesWorkers : public testing::TestWithParam<std::uint32_t> {};

TEST_P(ApiCyclesWorkers, OfWaitsBetweenBodies) {
  Runtime rt({.workers = GetParam()});
  const auto producing = rt.producer();  // or a body could find the id missing before it is spawned
  const Space space = rt.space("T");
  const auto a = rt.spawn({.id = space[0]}, [other = space[1].task()] { other.get(); });
  const auto b = rt.spawn({.id = space[1]}, [other = space[0].task()] { other.get(); });
  EXPECT_TRUE(is<CycleError>(a.exception()));
  EXPECT_TRUE(is<CycleError>(b.exception()));
  const std::string text = text_of(a.exception());
  EXPECT_NE(text.find("T[0]"), std::string::npos) << text;
  EXPECT_NE(text.find("T[1]"), std::string::npos) << text;
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST_P(ApiCyclesWorkers, OfABodyAndItsOwnDependent) {
  Runtime rt({.workers = GetParam()});
  const auto producing = rt.producer();  // or a body could find the id missing before it is spawned
  const Space space = rt.space("T");
  const auto body = rt.spawn({.id = space[0]}, [dependent = space[1].task()] { dependent.get(); });
  const auto dependent = rt.spawn({.id = space[1], .after = body}, [] {});
  EXPECT_THROW(body.get(), CycleError);
  EXPECT_THROW(dependent.get(), DependencyFailed);
  const auto error = caught([&] { rt.wait(); });
  ASSERT_TRUE(is<TaskErrors>(error));
  EXPECT_NE(text_of(error).find("can never end"), std::string::npos) << text_of(error);
}

TEST_P(ApiCyclesWorkers, OfManyWaits) {
  Runtime rt({.workers = GetParam()});
  const auto producing = rt.producer();  // or a body could find the id missing before it is spawned
  const Space space = rt.space("ring");
  constexpr int kLength = 12;
  for (int i = 0; i < kLength; ++i) {
    static_cast<void>(rt.spawn({.id = space[i]}, [next = space[(i + 1) % kLength].task()] { next.get(); }));
  }
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST_P(ApiCyclesWorkers, ABodyThatCatchesItGoesOn) {
  Runtime rt({.workers = GetParam()});
  const auto producing = rt.producer();  // or a body could find the id missing before it is spawned
  const Space space = rt.space("T");
  const auto body = rt.spawn({.id = space[0]}, [dependent = space[1].task()] {
    return is<CycleError>(caught([&] { dependent.get(); })) ? 1 : 0;
  });
  const auto dependent = rt.spawn({.id = space[1], .after = body}, [] { return 2; });
  EXPECT_EQ(body.get(), 1);
  EXPECT_EQ(rt.spawn({.after = dependent}, [] { return 3; }).get(), 3);
  EXPECT_NO_THROW(rt.wait());
}

INSTANTIATE_TEST_SUITE_P(Workers, ApiCyclesWorkers, testing::Values(1U, 2U, 4U));

TEST(ApiCycles, ABodyThatWaitsForItself) {
  Runtime rt({.workers = 1});
  const Space space = rt.space("T");
  const auto body = rt.spawn({.id = space[0]}, [self = space[0].task()] { self.get(); });
  EXPECT_THROW(body.get(), UsageError);
  EXPECT_NE(text_of(body.exception()).find("T[0] waits for itself"), std::string::npos);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

}  // namespace
}  // namespace polyreme
