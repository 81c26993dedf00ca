#include "gph/data_order.hpp"
#include "gph/reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace polyreme::gph {
namespace {

std::vector<std::vector<TaskIndex>> dependencies(const Graph& graph) {
  std::vector<std::vector<TaskIndex>> all;
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    all.emplace_back(graph.dependencies(task).begin(), graph.dependencies(task).end());
  return all;
}

using Lists = std::vector<std::vector<TaskIndex>>;
const std::string kTime = " | 1, 1, 0, 0, 0 | ";

Graph ordered(const std::string& text) {
  return with_data_order(read_text(text));
}

TEST(GphDataOrder, ReadersFollowTheWriterAndTheNextWriterFollowsThem) {
  EXPECT_EQ(dependencies(ordered("5\n"
                                 "0" +
                                 kTime +
                                 "| : 0\n"
                                 "1" +
                                 kTime +
                                 "| 0\n"
                                 "2" +
                                 kTime +
                                 "| 0\n"
                                 "3" +
                                 kTime +
                                 "| : : 0\n"
                                 "4" +
                                 kTime +
                                 "| : 0\n"
                                 "5" +
                                 kTime + "| 0\n")),
            (Lists{{}, {0}, {0}, {1, 2}, {3}, {4}}));
}

TEST(GphDataOrder, KeepsStatedDependenciesAndAddsNoneTwice) {
  EXPECT_EQ(dependencies(ordered("5, 5\n"
                                 "0" +
                                 kTime +
                                 "| : : 0, 1\n"
                                 "1" +
                                 kTime +
                                 "0 | 0, 1\n"
                                 "2" +
                                 kTime +
                                 "| 0, 1, 0\n"
                                 "3" +
                                 kTime + "0 | : : 0, 1\n")),
            (Lists{{}, {0}, {0}, {0, 1, 2}}));
}

TEST(GphDataOrder, ATaskDoesNotWaitForItself) {
  EXPECT_EQ(dependencies(ordered("5\n0" + kTime + "| 0 : 0 : 0\n1" + kTime + "| 0 : : 0\n")), (Lists{{}, {0}}));
}

TEST(GphDataOrder, FollowsTheOrderOfSpawningWhereTheFileIsNotInIt) {
  // Task 0 comes after task 1, so it reads what task 1 wrote, and there is no cycle.
  EXPECT_EQ(dependencies(ordered("5\n0" + kTime + "1 | 0\n1" + kTime + "| : 0\n")), (Lists{{1}, {}}));
}

TEST(GphDataOrder, KeepsAllElse) {
  const std::string text = "{5 : 2}\n('G', 3) | {(0, 0) : 1, 0.5, 2, 0.5, 9}, {-1 : 1, 1, 0, 0, 0} | | 0 : 0 : 0\n";
  const Graph graph = read_text(text);
  EXPECT_EQ(with_data_order(graph), graph);
  EXPECT_EQ(with_data_order(graph).line(0), 2U);
}

}  // namespace
}  // namespace polyreme::gph
