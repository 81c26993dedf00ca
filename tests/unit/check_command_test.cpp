#include "check/command.hpp"
#include "unit/check_sample.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace polyreme::check {
namespace {

using testing::Json;
using testing::Sample;

struct Outcome {
  int status;
  std::string out;
  std::string errors;
};

Outcome run(const std::vector<const char*>& words) {
  std::ostringstream out;
  std::ostringstream errors;
  const int status = run_command(words, out, errors);
  return {status, out.str(), errors.str()};
}

class CheckCommand : public ::testing::Test {
 protected:
  const std::string trace_ = ::testing::TempDir() + "polyreme_check_" + test_name() + ".json";
  const std::string graph_ = ::testing::TempDir() + "polyreme_check_" + test_name() + ".gph";

  void write_trace(const Sample& sample) const { std::ofstream(trace_) << sample.text(); }
  // Every task of the sample, without dependencies.
  void write_graph() const {
    std::ofstream out(graph_);
    out << "0\n";
    for (std::int64_t task = 0; task < Sample::kTasks; ++task)
      out << task << '\n';
  }
  void TearDown() override {
    std::filesystem::remove(trace_);
    std::filesystem::remove(graph_);
  }

 private:
  static std::string test_name() { return ::testing::UnitTest::GetInstance()->current_test_info()->name(); }
};

TEST_F(CheckCommand, SaysThatATraceIsVerified) {
  write_trace(Sample(1));
  write_graph();
  const Outcome plain = run({trace_.c_str()});
  EXPECT_EQ(plain.status, 0);
  EXPECT_EQ(plain.out.rfind("verified: 60 tasks on 3 workers in ", 0), 0U) << plain.out;
  EXPECT_EQ(plain.out.find("as in the graph"), std::string::npos) << plain.out;
  const Outcome with_graph = run({trace_.c_str(), "--graph", graph_.c_str()});
  EXPECT_EQ(with_graph.status, 0);
  EXPECT_NE(with_graph.out.find("as in the graph"), std::string::npos) << with_graph.out;
}

TEST_F(CheckCommand, PrintsTheFirstViolationsAndCountsTheRest) {
  Sample sample(1);
  for (std::int64_t task = 0; task < Sample::kTasks; ++task)
    sample.event("spawn", task)["ts"] = 1e6;
  write_trace(sample);
  const Outcome outcome = run({trace_.c_str()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out.rfind("violated: ", 0), 0U);
  EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 22);
  EXPECT_NE(outcome.out.find("  order: T["), std::string::npos);
  EXPECT_NE(outcome.out.find(" more\n"), std::string::npos);
}

TEST_F(CheckCommand, PrintsJson) {
  Sample sample(1);
  write_trace(sample);
  const Outcome good = run({"--json", trace_.c_str()});
  EXPECT_EQ(good.status, 0);
  const Json verified = Json::parse(good.out);
  EXPECT_EQ(verified["verified"], true);
  EXPECT_EQ(verified["tasks"], 60);
  EXPECT_EQ(verified["failed"], 1);
  EXPECT_EQ(verified["workers"], 3);
  EXPECT_GT(verified["makespan_s"].get<double>(), 0.0);
  EXPECT_TRUE(verified["violations"].empty());

  sample.document["otherData"]["tasks"] = 61;
  write_trace(sample);
  const Outcome bad = run({trace_.c_str(), "--json"});
  EXPECT_EQ(bad.status, 1);
  const Json violated = Json::parse(bad.out);
  EXPECT_EQ(violated["verified"], false);
  EXPECT_EQ(violated["violation_count"], 1);
  EXPECT_EQ(violated["violations"][0]["rule"], "complete");
}

TEST_F(CheckCommand, ComparesWithTheOrderOfDataIfAsked) {
  Sample sample(1);
  const std::int64_t task = sample.plain_task_with_plain_dependency();
  const std::int64_t before = sample.first_dependency(task);
  write_trace(sample);
  // By the data of the graph, they should have run the other way round.
  std::ofstream out(graph_);
  out << "1\n";
  for (std::int64_t other = 0; other < Sample::kTasks; ++other)
    if (other != before) out << other << (other == task ? " | 1, 1, 0, 0, 0 | | : 0\n" : "\n");
  out << before << " | 1, 1, 0, 0, 0 | | 0\n";
  out.close();
  EXPECT_EQ(run({trace_.c_str(), "--graph", graph_.c_str()}).status, 0);
  const Outcome outcome = run({trace_.c_str(), "--graph", graph_.c_str(), "--data-order"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("before " + Sample::name(task) + ", which it depends on, ended"), std::string::npos)
      << outcome.out;
}

TEST_F(CheckCommand, RefusesMisuseAndUnreadableFiles) {
  write_trace(Sample(1));
  std::ofstream(graph_) << "0\n0 | 1, 1, 0, 0, 0 | 4711\n";
  const std::string& trace = trace_;
  const auto expect_refused = [](const std::vector<const char*>& words, const std::string& part) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_TRUE(outcome.out.empty());
    EXPECT_NE(outcome.errors.find(part), std::string::npos) << outcome.errors;
  };
  expect_refused({}, "the name of a trace file is missing");
  expect_refused({trace.c_str(), trace.c_str()}, "one trace at a time");
  expect_refused({"--speed", trace.c_str()}, "there is no option '--speed'");
  expect_refused({trace.c_str(), "--graph"}, "--graph needs the name of a graph file");
  expect_refused({trace.c_str(), "--data-order"}, "--data-order needs --graph GRAPH");
  expect_refused({"no/such.json"}, "cannot read trace 'no/such.json': No such file");
  expect_refused({trace.c_str(), "--graph", "no/such.gph"}, "cannot read graph file 'no/such.gph'");
  expect_refused({trace.c_str(), "--graph", graph_.c_str()}, ".gph:2:21: no line defines task T[4711]");
}

TEST_F(CheckCommand, ExplainsItself) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.rfind("usage: polyreme-check TRACE", 0), 0U);
}

}  // namespace
}  // namespace polyreme::check
