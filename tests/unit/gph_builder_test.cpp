#include "gph/builder.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace polyreme::gph {
namespace {

template <typename T>
std::vector<T> list(std::span<const T> values) {
  return {values.begin(), values.end()};
}

using Blocks = std::vector<std::uint32_t>;

TEST(GphBuilder, KeepsDataListsApartInWhateverOrderTheyAreAdded) {
  GraphBuilder builder(Format::two);
  builder.add_block({1, kHostHome});
  builder.begin_task("T", {0});
  builder.add_update(1);
  builder.add_read(2);
  builder.add_write(3);
  builder.add_read(4);
  builder.add_update(5);
  builder.begin_task("T", {1});
  builder.add_write(6);
  const Graph graph = std::move(builder).finish();
  EXPECT_EQ(list(graph.reads(0)), (Blocks{2, 4}));
  EXPECT_EQ(list(graph.writes(0)), (Blocks{3}));
  EXPECT_EQ(list(graph.updates(0)), (Blocks{1, 5}));
  EXPECT_EQ(list(graph.reads(1)), Blocks{});
  EXPECT_EQ(list(graph.writes(1)), (Blocks{6}));
}

TEST(GphBuilder, FindsTasksByIdAndRefusesDoubles) {
  GraphBuilder builder(Format::two);
  const std::int64_t indices[] = {1, 2};
  EXPECT_FALSE(builder.find({"T", indices}).has_value());
  EXPECT_EQ(builder.begin_task("T", {1, 2}), 0U);
  EXPECT_EQ(builder.begin_task("G", {1, 2}), 1U);
  EXPECT_EQ(builder.begin_task("T", {1}), 2U);
  EXPECT_EQ(builder.begin_task("T", {1, 2, 0}), 3U);
  EXPECT_EQ(builder.find({"T", indices}), 0U);
  EXPECT_EQ(builder.find({"G", indices}), 1U);
  EXPECT_FALSE(builder.find({"H", indices}).has_value());
  EXPECT_FALSE(builder.try_begin_task({"G", indices}).has_value());
  EXPECT_THROW(builder.begin_task("T", {1}), std::invalid_argument);
  EXPECT_EQ(builder.task_count(), 4U);
}

TEST(GphBuilder, GraphsAreEqualByContentAndNotByLine) {
  const auto build = [](std::uint32_t line, double time, std::int32_t target, std::uint32_t block) {
    GraphBuilder builder(Format::two);
    builder.add_block({1, kHostHome});
    const std::int64_t index = 0;
    static_cast<void>(builder.try_begin_task({"T", {&index, 1}}, line));
    builder.add_alternative(target, {.time_us = time});
    builder.add_read(block);
    return std::move(builder).finish();
  };
  const Graph graph = build(1, 2, kAnyCpu, 0);
  EXPECT_EQ(graph, build(9, 2, kAnyCpu, 0));
  EXPECT_FALSE(graph == build(1, 3, kAnyCpu, 0));
  EXPECT_FALSE(graph == build(1, 2, kAnyGpu, 0));
  EXPECT_FALSE(graph == build(1, 2, kAnyCpu, 1));
  EXPECT_FALSE(graph == GraphBuilder(Format::two).finish());
}

TEST(GphModel, NamesTasksAndDevices) {
  const std::vector<std::int64_t> indices{2, 1};
  EXPECT_EQ(to_string(TaskId{"G", indices}), "G[2, 1]");
  EXPECT_EQ(to_string(std::vector<std::int32_t>{kAnyCpu, 1, kAnyGpu, kAnyDevice}),
            "CPU + GPU 0 + any GPU + any device");
}

}  // namespace
}  // namespace polyreme::gph
