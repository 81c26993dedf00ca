#include "gph/reader.hpp"
#include "gph/work.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <system_error>
#include <vector>

namespace polyreme::gph {
namespace {

const std::string kSamples = std::string(POLYREME_SOURCE_DIR) + "/examples/graphs/";

template <typename T>
std::vector<T> list(std::span<const T> values) {
  return {values.begin(), values.end()};
}

TEST(GphReader, ReadsFormat1) {
  const Graph graph = read_text(
      "40, 100\n"
      "0    | 50000, 1, 1, 1, 200 |       | 1 : : 0\n"
      "1, 3 | 50000, 2, 5, 5, 200 | 0 : 7 | 1, 0 : 1 : 0\n"
      "7 | 10.5, 1, 2, 0, 0\n");
  EXPECT_EQ(graph.format(), Format::one);
  ASSERT_EQ(graph.blocks().size(), 2U);
  EXPECT_EQ(graph.blocks()[1], (Block{100, kHostHome}));
  ASSERT_EQ(graph.task_count(), 3U);
  EXPECT_EQ(graph.name(0), "T[0]");
  EXPECT_EQ(graph.name(1), "T[1, 3]");
  EXPECT_EQ(graph.line(1), 3U);
  EXPECT_EQ(list(graph.dependencies(1)), (std::vector<TaskIndex>{0, 2}));
  EXPECT_EQ(list(graph.reads(1)), (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(list(graph.writes(1)), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(list(graph.updates(1)), (std::vector<std::uint32_t>{0}));

  EXPECT_EQ(list(graph.alternative(0, 0).targets), (std::vector{kAnyGpu}));
  EXPECT_EQ(list(graph.alternative(1, 0).targets), (std::vector{3}));
  EXPECT_EQ(list(graph.alternative(2, 0).targets), (std::vector{kAnyDevice}));
  EXPECT_EQ(graph.alternative(1, 0).demand, (Demand{50000, 0.5, 5, 200, 0}));
  EXPECT_EQ(graph.alternative(2, 0).demand, (Demand{10.5, 1, 0, 0, 0}));
}

TEST(GphReader, ReadsFormat2) {
  const Graph graph = read_text(
      "{8388608 : -1}, {8388608 : 0}\n"
      "('P', 0)|{-1:1,1,0,0,0}\n"
      "('S', (1, 0)) | {-2 : 1, 1, 0, 0, 0}\n"
      "('G', (2, 1)) | {-1 : 1000, 1, 1, 0.1, 0}, {0 : 400, 0.5, 1, 0.1, 1048576}, {(0, 0) : 250, 1, 1, "
      "0.1, 1e6}"
      " | ('P', 0) : ('S', (1, 0)) | 0 : : 1\n");
  EXPECT_EQ(graph.format(), Format::two);
  EXPECT_EQ(list(graph.blocks()), (std::vector<Block>{{8388608, -1}, {8388608, 0}}));
  ASSERT_EQ(graph.task_count(), 3U);
  EXPECT_EQ(graph.name(2), "G[2, 1]");
  ASSERT_EQ(graph.alternative_count(2), 3U);
  EXPECT_EQ(list(graph.alternative(2, 2).targets), (std::vector{kAnyGpu, kAnyGpu}));
  EXPECT_EQ(graph.alternative(2, 1).demand, (Demand{400, 0.5, 1, 0.1, 1048576}));
  EXPECT_EQ(graph.alternative(2, 2).demand.memory_bytes, 1'000'000U);
  EXPECT_EQ(list(graph.dependencies(2)), (std::vector<TaskIndex>{0, 1}));
  EXPECT_EQ(list(graph.reads(2)), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(list(graph.updates(2)), (std::vector<std::uint32_t>{1}));
}

TEST(GphReader, AcceptsEveryWayToWriteAnId) {
  const Graph graph = read_text(
      "{0 : -1}\n"
      "3 | {-1 : 1, 1, 0, 0, 0}\n"
      "1, 2 | {-1 : 1, 1, 0, 0, 0}\n"
      "(4, 5) | {-1 : 1, 1, 0, 0, 0} | (3) : (3,) : (1, 2) : 1, 2 : ('T', 3) : (\"T\", (1, 2,))\n"
      "('G', 3) | {-1 : 1, 1, 0, 0, 0} | ('T', (4, 5)) : ('T', (3,))\n"
      "('G', (7)) | {(-1) : 1, 1, 0, 0, 0} | 3\n");
  EXPECT_EQ(list(graph.dependencies(2)), (std::vector<TaskIndex>{0, 0, 1, 1, 0, 1}));
  EXPECT_EQ(list(graph.dependencies(3)), (std::vector<TaskIndex>{2, 0}));
  // An id without a name is in the space of the task that names it.
  EXPECT_EQ(list(graph.dependencies(4)), (std::vector<TaskIndex>{3}));
}

TEST(GphReader, SkipsBlankLinesCommentsAndWhiteSpace) {
  const Graph graph = read_text(
      "\xef\xbb\xbf# made by hand\r\n"
      "\r\n"
      "\t0\r\n"
      "   # indented\n"
      "  \t0|1,1,0,0,0||\n"
      "\n"
      "1 |\t2 , 1 ,0, 0,0 | 0 |  \r\n"
      "2 | 3, 1, 0, 0, 0 | 0 : 1");
  ASSERT_EQ(graph.task_count(), 3U);
  EXPECT_EQ(graph.line(0), 5U);
  EXPECT_EQ(graph.line(2), 8U);
  EXPECT_EQ(graph.dependency_count(), 3U);
}

TEST(GphReader, LastSectionsAndListsMayBeMissing) {
  const Graph graph = read_text(
      "10, 10, 10\n"
      "0\n"
      "1 | 5, 1, 0, 0, 0\n"
      "2 | 5, 1, 0, 0, 0 | 1\n"
      "3 | 5, 1, 0, 0, 0 | | 0, 1\n"
      "4 | 5, 1, 0, 0, 0 | | : 2\n"
      "5 | 5, 1, 0, 0, 0 | | : : 1, 2\n");
  EXPECT_EQ(cpu_work(graph, 0).total_us(), 0.0);
  EXPECT_TRUE(graph.dependencies(1).empty());
  EXPECT_EQ(list(graph.reads(3)), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(list(graph.writes(4)), (std::vector<std::uint32_t>{2}));
  EXPECT_EQ(list(graph.updates(5)), (std::vector<std::uint32_t>{1, 2}));
}

TEST(GphReader, ALoneEmptyBlockMeansNoDataUnlessATaskTouchesIt) {
  EXPECT_TRUE(read_text("0\n0 | 1, 1, 0, 0, 0\n").blocks().empty());
  EXPECT_TRUE(read_text("{0 : -1}\n0 | {-1 : 1, 1, 0, 0, 0}\n").blocks().empty());
  EXPECT_EQ(read_text("0\n0 | 1, 1, 0, 0, 0 | | : : 0\n").blocks().size(), 1U);
}

TEST(GphReader, NamesTasksBeforeTheirLines) {
  const Graph graph = read_text("0\n0 | 1, 1, 0, 0, 0 | 2 : 1\n1 | 1, 1, 0, 0, 0 | 2\n2 | 1, 1, 0, 0, 0\n");
  EXPECT_EQ(list(graph.dependencies(0)), (std::vector<TaskIndex>{2, 1}));
  EXPECT_EQ(list(graph.dependencies(1)), (std::vector<TaskIndex>{2}));
}

TEST(GphReader, FindsAmongManySpacesAndTasks) {
  std::string text = "{0 : -1}\n";
  constexpr int kTasks = 2000;
  for (int i = 0; i < kTasks; ++i) {
    text += "('s" + std::to_string(i % 700) + "', " + std::to_string(i) + ") | {-1 : 1, 1, 0, 0, 0} |";
    if (i > 0) text += "('s" + std::to_string((i - 1) % 700) + "', " + std::to_string(i - 1) + ")";
    text += "\n";
  }
  const Graph graph = read_text(text);
  ASSERT_EQ(graph.task_count(), static_cast<TaskIndex>(kTasks));
  for (TaskIndex task = 1; task < kTasks; ++task)
    EXPECT_EQ(graph.dependencies(task)[0], task - 1);
}

TEST(GphReader, AFileMayHaveNoTasks) {
  EXPECT_EQ(read_text("0\n").task_count(), 0U);
}

TEST(GphReader, ReadsTheSampleFiles) {
  struct Sample {
    const char* name;
    Format format;
    TaskIndex tasks;
    std::size_t dependencies;
    std::size_t blocks;
  };
  for (const Sample& sample :
       {Sample{"cholesky_12.gph", Format::two, 364, 858, 78}, Sample{"reduction_7.gph", Format::two, 255, 254, 128},
        Sample{"gangs_300.gph", Format::two, 300, 295, 1}, Sample{"stencil_1d.v1.gph", Format::one, 80, 198, 8},
        Sample{"mixed_locations.v1.gph", Format::one, 60, 117, 6}}) {
    const Graph graph = read_file(kSamples + sample.name);
    EXPECT_EQ(graph.format(), sample.format) << sample.name;
    EXPECT_EQ(graph.task_count(), sample.tasks) << sample.name;
    EXPECT_EQ(graph.dependency_count(), sample.dependencies) << sample.name;
    EXPECT_EQ(graph.blocks().size(), sample.blocks) << sample.name;
  }
}

TEST(GphReader, SaysWhyAFileCannotBeRead) {
  const auto message_of = [](const std::string& path) -> std::string {
    try {
      static_cast<void>(read_file(path));
    } catch (const std::system_error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message_of("no/such.gph"), "cannot read graph file 'no/such.gph': No such file or directory");
  EXPECT_EQ(message_of(kSamples), "cannot read graph file '" + kSamples + "': Is a directory");
}

TEST(GphReader, KeepsToItsLimits) {
  const std::string text = "0\n0 | 1, 1, 0, 0, 0\n1 | 1, 1, 0, 0, 0\n";
  EXPECT_THROW(static_cast<void>(read_text(text, "big.gph", {.bytes = text.size() - 1})), std::system_error);
  EXPECT_THROW(static_cast<void>(read_file(kSamples + "cholesky_12.gph", {.bytes = 1000})), std::system_error);
  EXPECT_NO_THROW(static_cast<void>(read_text(text, "big.gph", {.bytes = text.size(), .tasks = 2})));
  EXPECT_THROW(static_cast<void>(read_text(text, "big.gph", {.tasks = 1})), ParseError);
}

}  // namespace
}  // namespace polyreme::gph
