#include "gph/bounds.hpp"
#include "gph/data_order.hpp"
#include "gph/generate.hpp"
#include "gph/order.hpp"
#include "gph/reader.hpp"
#include "gph/work.hpp"
#include "gph/writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <set>

namespace polyreme::gph {
namespace {

// The dependencies of all tasks by name, whatever their order.
std::set<std::pair<std::string, std::string>> edges(const Graph& graph) {
  std::set<std::pair<std::string, std::string>> all;
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    for (const TaskIndex other : graph.dependencies(task))
      all.emplace(graph.name(task), graph.name(other));
  return all;
}

// ---- what holds for every kind

class GphEveryKind : public testing::TestWithParam<std::string> {};

TEST_P(GphEveryKind, IsAValidGraphInSpawnOrder) {
  const Graph graph = generate(GetParam(), {{"elements", "10"}});
  ASSERT_GT(graph.task_count(), 0U);
  EXPECT_EQ(graph.format(), Format::two);
  EXPECT_EQ(read_text(to_text(graph)), graph);
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    for (const TaskIndex other : graph.dependencies(task))
      ASSERT_LT(other, task) << graph.name(task);
}

TEST_P(GphEveryKind, ItsDependenciesCoverItsData) {
  const Graph graph = generate(GetParam(), {{"elements", "10"}});
  EXPECT_FALSE(graph.blocks().empty());
  // What data order adds is implied already: no path gets longer, whatever the times are.
  for (const char* seed : {"1", "2", "3"}) {
    const Graph spread = generate(GetParam(), {{"elements", "10"}, {"time_spread", "1"}, {"seed", seed}});
    EXPECT_DOUBLE_EQ(cpu_bounds(with_data_order(spread)).critical_path_us, cpu_bounds(spread).critical_path_us);
  }
}

TEST_P(GphEveryKind, TakesTheCommonOptions) {
  const Graph plain = generate(GetParam());
  const Graph graph = generate(GetParam(), {{"time_us", "80"},
                                            {"gil_accesses", "4"},
                                            {"gil_fraction", "0.25"},
                                            {"cores", "2"},
                                            {"memory_bytes", "7"},
                                            {"elements", "3"}});
  EXPECT_TRUE(plain.blocks().empty());
  EXPECT_EQ(edges(graph), edges(plain));
  const CpuWork work = cpu_work(graph, graph.task_count() - 1);
  EXPECT_EQ(work.accesses, 4U);
  EXPECT_EQ(work.cores, 2U);
  EXPECT_EQ(work.memory_bytes, 7U);
  EXPECT_DOUBLE_EQ(work.held_us * 3, work.free_us);
  double longest = 0;
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    longest = std::max(longest, cpu_work(graph, task).total_us());
  EXPECT_DOUBLE_EQ(longest, 80);
  EXPECT_EQ(graph.blocks()[0], (Block{3, kHostHome}));
}

TEST_P(GphEveryKind, DependsOnItsSeedOnly) {
  const Options spread{{"time_spread", "0.5"}, {"seed", "7"}};
  const Graph graph = generate(GetParam(), spread);
  EXPECT_EQ(graph, generate(GetParam(), spread));
  EXPECT_FALSE(graph == generate(GetParam(), {{"time_spread", "0.5"}, {"seed", "8"}}));
  for (TaskIndex task = 0; task < graph.task_count(); ++task)
    EXPECT_LE(cpu_work(graph, task).total_us(), 1500);
}

TEST_P(GphEveryKind, RefusesBadOptionsAndSizes) {
  EXPECT_THROW(static_cast<void>(generate(GetParam(), {{"colour", "1"}})), BadOption);
  const auto kind = std::ranges::find(kinds(), GetParam(), &KindInfo::name);
  for (const OptionInfo& option : kind->options) {
    EXPECT_FALSE(option.help.empty());
    EXPECT_GE(option.default_value, option.low);
    EXPECT_LE(option.default_value, option.high);
    const std::string name(option.name);
    for (const char* value : {"", "x", "nan", "-1", "1x", "1e300"})
      EXPECT_THROW(static_cast<void>(generate(GetParam(), {{name, value}})), BadOption) << name << "=" << value;
    if (option.whole) {
      EXPECT_THROW(static_cast<void>(generate(GetParam(), {{name, "1.5"}})), BadOption) << name;
    }
  }
}

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const KindInfo& kind : kinds())
    names.emplace_back(kind.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Kinds, GphEveryKind, testing::ValuesIn(kind_names()), [](const auto& kind) {
  std::string name = kind.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// ---- the single kinds

struct Shape {
  const char* kind;
  Options options;
  TaskIndex tasks;
  std::size_t dependencies;
  double critical_tasks;  // length of the longest chain

  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.kind; }
};

class GphShape : public testing::TestWithParam<Shape> {};

TEST_P(GphShape, HasTheExpectedTasksAndDependencies) {
  const Shape& shape = GetParam();
  Options options = shape.options;
  options["time_us"] = "1";
  const Graph graph = generate(shape.kind, options);
  EXPECT_EQ(graph.task_count(), shape.tasks);
  EXPECT_EQ(graph.dependency_count(), shape.dependencies);
  EXPECT_DOUBLE_EQ(cpu_bounds(graph).critical_path_us, shape.critical_tasks);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, GphShape,
    testing::Values(Shape{"independent", {{"tasks", "7"}}, 7, 0, 1},
                    Shape{"serial", {{"chains", "3"}, {"steps", "5"}}, 15, 12, 5},
                    Shape{"serial", {{"chains", "2"}, {"steps", "5"}, {"back_links", "2"}}, 10, 18, 5},
                    Shape{"reduction", {{"levels", "3"}, {"branch", "3"}}, 40, 39, 4},
                    Shape{"reduction", {{"levels", "0"}}, 1, 0, 1},
                    Shape{"reduction-scatter", {{"rounds", "3"}, {"width", "4"}}, 15, 20, 6},
                    Shape{"map-reduce", {{"maps", "5"}, {"reduces", "2"}, {"rounds", "3"}}, 21, 50, 6},
                    Shape{"stencil-1d", {{"width", "5"}, {"steps", "3"}}, 15, 26, 3},
                    Shape{"stencil-1d", {{"width", "5"}, {"steps", "3"}, {"radius", "2"}}, 15, 38, 3},
                    Shape{"stencil-1d", {{"width", "1"}, {"steps", "3"}, {"radius", "9"}}, 3, 2, 3},
                    Shape{"stencil-2d", {{"width", "3"}, {"height", "2"}, {"steps", "3"}}, 18, 40, 3},
                    Shape{"wavefront", {{"rows", "3"}, {"columns", "4"}}, 12, 17, 6},
                    Shape{"sweep", {{"rows", "3"}, {"columns", "4"}, {"corners", "2"}, {"sweeps", "1"}}, 24, 34, 6},
                    Shape{"sweep", {{"rows", "2"}, {"columns", "2"}, {"corners", "4"}, {"sweeps", "2"}}, 32, 96, 6},
                    Shape{"butterfly", {{"levels", "3"}}, 32, 48, 4},
                    Shape{"timesteps", {{"chains", "3"}, {"steps", "4"}, {"sync_every", "2"}}, 14, 15, 6},
                    Shape{"timesteps", {{"chains", "3"}, {"steps", "4"}, {"sync_every", "0"}}, 12, 9, 4},
                    Shape{"random", {{"layers", "4"}, {"width", "5"}, {"edges", "3"}, {"reach", "1"}}, 20, 45, 4},
                    Shape{"random", {{"layers", "4"}, {"width", "2"}, {"edges", "9"}, {"reach", "2"}}, 8, 20, 4}));

TEST(GphGenerate, CholeskyIsThatOfTheSample) {
  const Graph sample = read_file(std::string(POLYREME_SOURCE_DIR) + "/examples/graphs/cholesky_12.gph");
  const Graph graph =
      generate("cholesky", {{"blocks", "12"}, {"time_us", "1600"}, {"gil_fraction", "0.05"}, {"elements", "262144"}});
  EXPECT_EQ(edges(graph), edges(sample));
  EXPECT_TRUE(std::ranges::equal(graph.blocks(), sample.blocks()));
  const Bounds expected = cpu_bounds(sample);
  const Bounds bounds = cpu_bounds(graph);
  EXPECT_DOUBLE_EQ(bounds.critical_path_us, expected.critical_path_us);
  EXPECT_DOUBLE_EQ(bounds.work_us, expected.work_us);
  EXPECT_DOUBLE_EQ(bounds.lock_us, expected.lock_us);
}

TEST(GphGenerate, ReductionIsThatOfTheSample) {
  const Graph sample = read_file(std::string(POLYREME_SOURCE_DIR) + "/examples/graphs/reduction_7.gph");
  EXPECT_EQ(edges(generate("reduction", {{"levels", "7"}})), edges(sample));
}

TEST(GphGenerate, RandomTasksDependOnTheLayerBefore) {
  const Graph graph = generate("random", {{"layers", "30"}, {"width", "10"}, {"edges", "2"}, {"reach", "5"}});
  for (TaskIndex task = 10; task < graph.task_count(); ++task) {
    const std::span<const TaskIndex> dependencies = graph.dependencies(task);
    EXPECT_EQ(dependencies.size(), 2U);
    EXPECT_LT(dependencies[0], dependencies[1]);
    EXPECT_GE(dependencies[1] / 10, task / 10 - 1);
    EXPECT_GE(dependencies[0] / 10 + 5, task / 10);
    EXPECT_LT(dependencies[1] / 10, task / 10);
  }
}

TEST(GphGenerate, SaysWhatIsWrongWithOptions) {
  const auto error_of = [](std::string_view kind, const Options& options) -> std::string {
    try {
      static_cast<void>(generate(kind, options));
    } catch (const BadOption& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(error_of("ring", {}),
            "there is no kind of graph 'ring'; choose one of independent, serial, reduction, reduction-scatter, "
            "map-reduce, stencil-1d, stencil-2d, wavefront, sweep, butterfly, cholesky, timesteps, random");
  EXPECT_EQ(error_of("butterfly", {{"width", "3"}}),
            "kind butterfly has no option 'width'; it has levels, time_us, time_spread, gil_accesses, "
            "gil_fraction, "
            "cores, memory_bytes, elements, seed");
  EXPECT_EQ(error_of("serial", {{"steps", "0"}}), "option steps is '0'; it must be a whole number between 1 and 1e+09");
  EXPECT_EQ(error_of("serial", {{"gil_fraction", "1.5"}}),
            "option gil_fraction is '1.5'; it must be a number between 0 and 1");
  EXPECT_EQ(error_of("serial", {{"gil_fraction", "0.5"}, {"gil_accesses", "0"}}),
            "option gil_fraction must be 0 where gil_accesses is 0");
}

TEST(GphGenerate, RefusesTooLargeGraphsBeforeTheyTakeMemory) {
  for (const auto& [kind, options] : std::vector<std::pair<std::string, Options>>{
           {"independent", {{"tasks", "1e9"}}},
           {"reduction", {{"levels", "60"}, {"branch", "1000"}}},
           {"map-reduce", {{"maps", "1e5"}, {"reduces", "1e5"}}},
           {"butterfly", {{"levels", "60"}}},
           {"wavefront", {{"rows", "1e8"}, {"columns", "1e8"}, {"elements", "1"}}}}) {
    try {
      static_cast<void>(generate(kind, options));
      ADD_FAILURE() << kind << " was made";
    } catch (const BadOption& error) {
      EXPECT_NE(std::string(error.what()).find("the graph would have more than 20000000 "), std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace polyreme::gph
