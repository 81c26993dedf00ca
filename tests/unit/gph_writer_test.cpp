#include "gph/builder.hpp"
#include "gph/reader.hpp"
#include "gph/writer.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace polyreme::gph {
namespace {

TEST(GphWriter, WritesFormat1) {
  const std::string text =
      "40, 100\n"
      "0 | 50000, 1, 1, 1, 200 |  | 1 :  : 0\n"
      "1, 3 | 0.25, 7, 5, 5, 0 | 0 : 7 | 0, 1 : 1 : \n"
      "7 | 1e+15, 1, 2, 0, 0 | 0 |  :  : \n";
  EXPECT_EQ(to_text(read_text(text)), text);
}

TEST(GphWriter, WritesFormat2) {
  const std::string text =
      "{8388608 : -1}, {1 : 3}\n"
      "3 | {-1 : 1, 1, 0, 0, 0} |  |  :  : \n"
      "('P', 0) | {-1 : 1, 1, 0, 0, 0} | ('T', 3) |  :  : \n"
      "(1, 2) | {-1 : 1, 4, 2, 0.1, 0}, {(0, 0, 2) : 250, 0.3, 1, 1, 7} | 3 : ('P', 0) | 0 :  : 1\n"
      "('S', (1, 0)) | {-2 : 1, 1, 0, 0, 0} | ('P', 0) : ('T', (1, 2)) |  :  : \n";
  EXPECT_EQ(to_text(read_text(text)), text);
}

TEST(GphWriter, SaysThatThereIsNoData) {
  EXPECT_EQ(to_text(GraphBuilder(Format::one).finish()), "0\n");
  EXPECT_EQ(to_text(GraphBuilder(Format::two).finish()), "{0 : -1}\n");
}

TEST(GphWriter, KeepsEveryBitOfAShare) {
  for (const int divisor : {1, 3, 7, 49, 333'333, 999'999, 1'000'000}) {
    const std::string text = "0\n0 | 1, " + std::to_string(divisor) + ", 0, 0, 0 |  |  :  : \n";
    EXPECT_EQ(to_text(read_text(text)), text);
  }
}

TEST(GphWriter, StreamsAndWritesFiles) {
  GraphBuilder builder(Format::two);
  constexpr std::int64_t kTasks = 50'000;  // more than one flush
  for (std::int64_t i = 0; i < kTasks; ++i) {
    builder.begin_task("T", {i});
    builder.add_alternative(kAnyCpu, {.time_us = 1.0 / 3.0});
  }
  const Graph graph = std::move(builder).finish();
  std::ostringstream stream;
  write(graph, stream);
  EXPECT_EQ(stream.str(), to_text(graph));

  const std::filesystem::path path = testing::TempDir() + "polyreme_writer.gph";
  write_file(graph, path);
  EXPECT_EQ(read_file(path), graph);
  std::filesystem::remove(path);
}

TEST(GphWriter, SaysWhyAFileCannotBeWritten) {
  const Graph graph = GraphBuilder(Format::two).finish();
  const auto error_of = [&](const char* path) -> std::string {
    try {
      write_file(graph, path);
    } catch (const std::system_error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(error_of("no/such/folder/a.gph"),
            "cannot write graph file 'no/such/folder/a.gph': No such file or directory");
  EXPECT_EQ(error_of("/dev/full"), "cannot write graph file '/dev/full': No space left on device");
}

TEST(GphWriter, RefusesWhatTheFormatCannotSay) {
  const auto error_of = [](Format format, const auto& fill) -> std::string {
    GraphBuilder graph(format);
    fill(graph);
    try {
      static_cast<void>(to_text(std::move(graph).finish()));
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  const auto task = [](std::string_view space, const Demand& demand, std::vector<std::int32_t> targets = {kAnyCpu}) {
    return [=](GraphBuilder& graph) {
      graph.begin_task(space, {1});
      graph.add_alternative(targets, demand);
    };
  };
  EXPECT_EQ(error_of(Format::two, task("it's", {})),
            "cannot write task it's[1]: the name of a space is printable ASCII without quotes and backslash");
  EXPECT_EQ(error_of(Format::two, [](GraphBuilder& graph) { graph.begin_task("T", {1}); }),
            "cannot write task T[1]: it has no alternative");
  EXPECT_EQ(error_of(Format::two, [](GraphBuilder& graph) { graph.begin_task("T", {}); }),
            "cannot write task T[]: its id has no index");
  EXPECT_EQ(error_of(Format::one, task("G", {})), "cannot write task G[1]: format 1 has no named spaces");
  EXPECT_EQ(error_of(Format::one, task("T", {}, {0, 0})), "cannot write task T[1]: format 1 has no gangs");
  EXPECT_EQ(error_of(Format::one, task("T", {.memory_bytes = 1})),
            "cannot write task T[1]: format 1 cannot state memory");
  EXPECT_EQ(error_of(Format::one, task("T", {.share = 2})), "cannot write task T[1]: format 1 states shares as 1/n");
  EXPECT_EQ(error_of(Format::one,
                     [](GraphBuilder& graph) {
                       graph.begin_task("T", {1});
                       graph.add_alternative(kAnyCpu, {});
                       graph.add_alternative(kAnyGpu, {});
                     }),
            "cannot write task T[1]: format 1 has one alternative a task");
}

}  // namespace
}  // namespace polyreme::gph
