// Files that are no traces, and what the reader makes of those that are.
#include "unit/check_sample.hpp"

#include <gtest/gtest.h>

namespace polyreme::check {
namespace {

using testing::Json;
using testing::Sample;

std::string error_of(const std::string& text) {
  std::istringstream in(text);
  try {
    static_cast<void>(read_trace(in));
  } catch (const UnreadableTrace& error) {
    return error.what();
  }
  return "none";
}

TEST(CheckReader, RejectsATraceCutOffAnywhere) {
  const std::string text = Sample(7).text();
  for (std::size_t size = 0; size < text.size(); size += 97)
    EXPECT_NE(error_of(text.substr(0, size)).find("not valid JSON, or cut off, at byte "), std::string::npos)
        << "cut at " << size;
}

TEST(CheckReader, RejectsOtherJson) {
  EXPECT_NE(error_of("{}").find("otherData.format is not \"polyreme-trace\""), std::string::npos);
  EXPECT_NE(error_of("[]").find("otherData.format"), std::string::npos);
  EXPECT_NE(error_of("17").find("otherData.format"), std::string::npos);
}

TEST(CheckReader, ShowsBytesThatAreNoTextByTheirNumbers) {
  const auto shown = [](std::string_view text, const std::string& part) {
    const std::string error = error_of(std::string(text));
    EXPECT_NE(error.find(part), std::string::npos) << error;
    for (const char c : error)
      EXPECT_TRUE(c >= ' ' && c <= '~') << error;
  };
  using namespace std::string_view_literals;
  shown("\x89PNG\r\n\x1a\n\0\0"sv, "\\x89");
  shown("\xff\xfe{\0}\0"sv, "\\xff");
  shown("[\"\xed\xa0\x80\"]"sv, "\\xed\\xa0");
  shown("[\"\xc3"sv, "\\xc3");
  shown("\"\xc2\x85\x1f\""sv, "\\xc2\\x85");
  shown("{\"a\" \x7f}"sv, "\\x7f");
  shown('"' + std::string(100'000, 'x'), "...");

  EXPECT_NE(error_of("[\"\u00e4\U0001f600\" x]").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("\"\u00e4\U0001f600").find("\u00e4\U0001f600"), std::string::npos);
}

TEST(CheckReader, NamesWhatIsMissing) {
  const auto error_with = [](const auto& change) {
    Sample sample(1);
    change(sample);
    return error_of(sample.text());
  };
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect(error_with([](Sample& s) { s.document["otherData"]["version"] = 2; }), "otherData.version is 2");
  expect(error_with([](Sample& s) { s.document["otherData"].erase("workers"); }), "otherData.workers is missing");
  expect(error_with([](Sample& s) { s.document["otherData"]["tasks"] = -1; }), "otherData.tasks is missing or neg");
  expect(error_with([](Sample& s) { s.document["otherData"]["tasks"] = 1.5; }), "1.5 must be whole");
  expect(error_with([](Sample& s) { s.document.erase("traceEvents"); }), "there is no list traceEvents");
  expect(error_with([](Sample& s) { s.event("task").erase("ts"); }), "a slice lacks the field ts");
  expect(error_with([](Sample& s) { s.event("task").erase("dur"); }), "a slice lacks the field dur");
  expect(error_with([](Sample& s) { s.event("task").erase("tid"); }), "a slice lacks the field tid");
  expect(error_with([](Sample& s) { s.event("spawn").erase("ts"); }), "a spawn lacks the field ts");
  expect(error_with([](Sample& s) { s.event("spawn")["args"].erase("task"); }), "a spawn lacks the field args.task");
  expect(error_with([](Sample& s) { s.event("spawn").erase("args"); }), "a spawn lacks the field args.task");
  expect(error_with([](Sample& s) { s.event("cancel").erase("ts"); }), "a cancellation lacks the field ts");
  expect(error_with([](Sample& s) { s.event("task", 1)["args"]["outcome"] = "maybe"; }), "the outcome 'maybe'");
  expect(error_with([](Sample& s) { s.event("task")["args"]["task"] = -1; }), "the task id -1 is negative");
  expect(error_with([](Sample& s) { s.event("task")["args"]["task"] = 1.5; }), "the number 1.5 must be whole");
  expect(error_with([](Sample& s) { s.event("spawn")["args"]["after"] = {0.5}; }), "the number 0.5 must be whole");
  expect(error_with([](Sample& s) { s.event("task")["args"]["task"] = 18446744073709551615U; }), "is too large");
  expect(error_with([](Sample& s) { s.event("task")["ts"] = 1e300; }), "the time 1e+300 is too large");
}

TEST(CheckReader, SaysWhichFileCannotBeRead) {
  const auto error_of_file = [](const std::string& path) -> std::string {
    try {
      static_cast<void>(read_trace(std::filesystem::path(path)));
    } catch (const UnreadableTrace& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(error_of_file("no/such.json"), "cannot read trace 'no/such.json': No such file or directory");
  EXPECT_EQ(error_of_file("no/\xff.json"), "cannot read trace 'no/\\xff.json': No such file or directory");
  EXPECT_EQ(error_of_file("/"), "cannot read trace '/': Is a directory");
}

TEST(CheckReader, ReadsTimesToTheNanosecond) {
  Sample sample(1);
  sample.events() = Json::array();
  std::string text = sample.text();
  const std::string events =
      R"([{"ph":"X","cat":"task","name":"a","ts":9007199254.741,"dur":0.001,"tid":0,"args":{"task":0,"outcome":"ok"}},)"
      R"({"ph":"X","cat":"task","name":"a","ts":7,"dur":1.5,"tid":0,"args":{"task":0,"outcome":"ok"}},)"
      R"({"ph":"X","cat":"task","name":"a","ts":-2.25,"dur":1e-3,"tid":0,"args":{"task":0,"outcome":"ok"}},)"
      R"({"ph":"X","cat":"task","name":"a","ts":1.25e1,"dur":0.1239,"tid":0,"args":{"task":0,"outcome":"ok"}}])";
  text.replace(text.find("[]"), 2, events);
  std::istringstream in(text);
  const Trace trace = read_trace(in);
  ASSERT_EQ(trace.slices.size(), 4U);
  EXPECT_EQ(trace.slices[0].start_ns, 9'007'199'254'741);
  EXPECT_EQ(trace.slices[0].duration_ns, 1);
  EXPECT_EQ(trace.slices[1].start_ns, 7000);
  EXPECT_EQ(trace.slices[1].duration_ns, 1500);
  EXPECT_EQ(trace.slices[2].start_ns, -2250);
  EXPECT_EQ(trace.slices[2].duration_ns, 1);
  EXPECT_EQ(trace.slices[3].start_ns, 12'500);
  EXPECT_EQ(trace.slices[3].duration_ns, 124);
}

TEST(CheckReader, IgnoresWhatItDoesNotKnow) {
  Sample sample(2);
  sample.document["more"] = {{"workers", 17}, {"traceEvents", {1, 2, {{"ph", "X"}}}}};
  sample.document["otherData"]["nested"] = {{"tasks", 99}};
  sample.events().push_back({{"ph", "C"}, {"cat", "task"}, {"args", {{"task", -5}}}});
  sample.events().push_back({{"ph", "X"}, {"cat", "of others"}, {"args", {{"after", {{"task", 4}}}}}});
  sample.events().push_back(nullptr);
  EXPECT_TRUE(check_trace(sample.read()).verified());
}

TEST(CheckReader, KnowsDependenciesStatedAfterTheSpawn) {
  Sample sample(2);
  const std::int64_t task = sample.plain_task_with_plain_dependency();
  Json late = sample.event("spawn", task);
  late["cat"] = "dependency";
  sample.event("spawn", task)["args"]["after"] = Json::array();
  sample.events().push_back(late);
  EXPECT_TRUE(check_trace(sample.read()).verified());
  std::swap(sample.event("task", task)["ts"], sample.event("task", sample.first_dependency(task))["ts"]);
  EXPECT_FALSE(check_trace(sample.read()).verified());
}

}  // namespace
}  // namespace polyreme::check
