// What a task does on the CPU, and what that says of a whole graph.
#include "gph/bounds.hpp"
#include "gph/builder.hpp"
#include "gph/order.hpp"
#include "gph/reader.hpp"
#include "gph/work.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace polyreme::gph {
namespace {

CpuWork work_of(const std::string& text) {
  return cpu_work(read_text(text), 0);
}

TEST(GphWork, OfFormat1) {
  const CpuWork work = work_of("0\n0 | 1000, 2, 0, 4, 50\n");
  EXPECT_DOUBLE_EQ(work.free_us, 250);
  EXPECT_DOUBLE_EQ(work.held_us, 50);
  EXPECT_EQ(work.accesses, 4U);
  EXPECT_EQ(work.cores, 1U);
  EXPECT_DOUBLE_EQ(work.total_us(), 1200);
  EXPECT_DOUBLE_EQ(work.total_held_us(), 200);
}

TEST(GphWork, OfFormat1WithoutAccesses) {
  const CpuWork work = work_of("0\n0 | 1000, 1, 2, 0, 50\n");
  EXPECT_DOUBLE_EQ(work.free_us, 1000);
  EXPECT_DOUBLE_EQ(work.held_us, 0);
  EXPECT_EQ(work.accesses, 1U);
}

TEST(GphWork, OfFormat2) {
  const CpuWork work = work_of("{0 : -1}\n0 | {0 : 1, 1, 0, 0, 0}, {-1 : 1000, 2.5, 4, 0.1, 77}\n");
  EXPECT_DOUBLE_EQ(work.free_us, 225);
  EXPECT_DOUBLE_EQ(work.held_us, 25);
  EXPECT_EQ(work.accesses, 4U);
  EXPECT_EQ(work.cores, 3U);
  EXPECT_EQ(work.memory_bytes, 77U);
  EXPECT_DOUBLE_EQ(work.total_us(), 1000);
}

TEST(GphWork, OfFormat2WithoutAccesses) {
  const CpuWork work = work_of("{0 : -1}\n0 | {-1 : 1000, 0.25, 0, 0, 0}\n");
  EXPECT_DOUBLE_EQ(work.free_us, 1000);
  EXPECT_EQ(work.accesses, 1U);
  EXPECT_EQ(work.cores, 1U);
}

TEST(GphWork, PrefersTheCpuToAnyDeviceAndTheFirstOfEach) {
  EXPECT_DOUBLE_EQ(work_of("{0 : -1}\n0 | {-2 : 1, 1, 0, 0, 0}, {-1 : 2, 1, 0, 0, 0}, {-1 : 3, 1, 0, 0, 0}\n").free_us,
                   2);
  EXPECT_DOUBLE_EQ(work_of("{0 : -1}\n0 | {0 : 1, 1, 0, 0, 0}, {-2 : 2, 1, 0, 0, 0}, {-2 : 3, 1, 0, 0, 0}\n").free_us,
                   2);
}

TEST(GphWork, NamesLineAndDevicesOfATaskWithoutCpu) {
  const auto error_of = [](const std::string& text) -> std::string {
    try {
      static_cast<void>(work_of(text));
    } catch (const NoCpuAlternative& error) {
      EXPECT_EQ(error.task(), 0U);
      EXPECT_EQ(error.line(), 3U);
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(error_of("{0 : -1}\n\n7 | {(-1, 1) : 1, 1, 0, 0, 0}, {(0, 0) : 1, 1, 0, 0, 0}, {4 : 1, 1, 0, 0, 0}\n"),
            "task T[7] on line 3 cannot run on the CPU: it accepts only CPU + GPU 0 or any GPU + any GPU or GPU "
            "3; "
            "give it an alternative for the CPU");
  EXPECT_EQ(error_of("0\n\n7 | 1, 1, 1, 0, 0\n"),
            "task T[7] on line 3 cannot run on the CPU: it accepts only any GPU; give it an alternative "
            "for the CPU");
}

TEST(GphBounds, OfADiamond) {
  const Bounds bounds =
      cpu_bounds(read_text("0\n"
                           "0 | 100, 1, 0, 0, 0\n"
                           "1 | 200, 1, 0, 1, 30 | 0\n"
                           "2 | 100, 1, 0, 2, 60 | 0\n"
                           "3 | 100, 1, 0, 0, 0 | 1 : 2\n"));
  EXPECT_DOUBLE_EQ(bounds.critical_path_us, 430);
  EXPECT_DOUBLE_EQ(bounds.work_us, 650);
  EXPECT_DOUBLE_EQ(bounds.core_us, 650);
  EXPECT_DOUBLE_EQ(bounds.lock_us, 150);
  EXPECT_DOUBLE_EQ(bounds.makespan_us(1), 650);
  EXPECT_DOUBLE_EQ(bounds.makespan_us(2), 430);
}

TEST(GphBounds, CountCoresAndTheLock) {
  const Bounds wide = cpu_bounds(read_text("{0 : -1}\n0 | {-1 : 100, 3, 0, 0, 0}\n1 | {-1 : 100, 1, 0, 0, 0}\n"));
  EXPECT_DOUBLE_EQ(wide.work_us, 200);
  EXPECT_DOUBLE_EQ(wide.core_us, 400);
  EXPECT_EQ(wide.widest_task, 3U);
  EXPECT_DOUBLE_EQ(wide.makespan_us(4), 100);
  EXPECT_DOUBLE_EQ(wide.makespan_us(3), 400.0 / 3);

  const Bounds locked = cpu_bounds(read_text("{0 : -1}\n0 | {-1 : 100, 1, 5, 1, 0}\n1 | {-1 : 100, 1, 5, 1, 0}\n"));
  EXPECT_DOUBLE_EQ(locked.makespan_us(8), 200);
}

TEST(GphBounds, OfNothing) {
  const Bounds bounds = cpu_bounds(read_text("0\n"));
  EXPECT_EQ(bounds.makespan_us(1), 0.0);
}

TEST(GphOrder, IsThatOfTheFileWhereItCanBe) {
  using Order = std::vector<TaskIndex>;
  const std::string time = " | 1, 1, 0, 0, 0 | ";
  EXPECT_EQ(topological_order(read_text("0\n0" + time + "\n1" + time + "0\n2" + time + "\n3" + time + "1 : 2\n")),
            (Order{0, 1, 2, 3}));
  EXPECT_EQ(topological_order(read_text("0\n0" + time + "3 : 1\n1" + time + "\n2" + time + "\n3" + time + "2\n")),
            (Order{2, 3, 1, 0}));
}

TEST(GphOrder, NamesACycle) {
  GraphBuilder builder(Format::two);
  for (std::int64_t i = 0; i < 3; ++i) {
    builder.begin_task("T", {i});
    builder.add_alternative(kAnyCpu, {});
    builder.add_dependency(static_cast<TaskIndex>((i + 1) % 3));
  }
  const Graph graph = std::move(builder).finish();
  EXPECT_EQ(find_order(graph).cycle, (std::vector<TaskIndex>{0, 1, 2}));
  try {
    static_cast<void>(topological_order(graph));
    FAIL() << "has an order";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "the tasks wait for one another: T[0] -> T[1] -> T[2] -> T[0]");
  }
  EXPECT_THROW(static_cast<void>(cpu_bounds(graph)), std::invalid_argument);
}

TEST(GphOrder, OfALongChainNamedBackwards) {
  std::string text = "0\n";
  constexpr int kTasks = 200'000;  // deeper than a recursive walk could go
  for (int i = 0; i < kTasks; ++i) {
    text += std::to_string(i) + " | 1, 1, 0, 0, 0";
    if (i + 1 < kTasks) text += " | " + std::to_string(i + 1);
    text += '\n';
  }
  const std::vector<TaskIndex> order = topological_order(read_text(text));
  EXPECT_EQ(order.front(), TaskIndex{kTasks - 1});
  EXPECT_EQ(order.back(), 0U);
}

}  // namespace
}  // namespace polyreme::gph
