#include "check/checker.hpp"
#include "trace/recorder.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

namespace polyreme::trace {
namespace {

using Json = nlohmann::json;

class TraceRecorder : public testing::Test {
 protected:
  // Writes the trace and reads it back as plain JSON.
  Json write(const TraceMeta& meta) {
    recorder_.write_json(path_, meta);
    std::ifstream in(path_);
    return Json::parse(in);
  }
  check::Report check(const TraceMeta& meta) {
    recorder_.write_json(path_, meta);
    return check::check_files(path_);
  }
  static std::vector<Json> events(const Json& document, const std::string& phase, const std::string& category = "") {
    std::vector<Json> found;
    for (const Json& event : document["traceEvents"])
      if (event["ph"] == phase && (category.empty() || event["cat"] == category)) found.push_back(event);
    return found;
  }

  void TearDown() override { std::filesystem::remove(path_); }

  const std::string path_ =
      testing::TempDir() + "polyreme_trace_" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".json";
  Recorder recorder_;
};

std::vector<Kind> kinds_of(const ThreadBuffer& buffer) {
  std::vector<Kind> kinds;
  EventCursor cursor(buffer);
  while (const Event* event = cursor.next())
    kinds.push_back(event->kind);
  return kinds;
}

TEST_F(TraceRecorder, KeepsEventsInOrderAcrossChunks) {
  ThreadBuffer& buffer = recorder_.add_thread("main");
  EXPECT_TRUE(kinds_of(buffer).empty());
  constexpr std::uint64_t kEvents = 20'000;
  for (std::uint64_t i = 0; i < kEvents; ++i)
    buffer.record(Kind::started, i, i + 1, static_cast<std::uint32_t>(i % 7));
  EventCursor cursor(buffer);
  std::uint64_t last_time = 0;
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    const Event* event = cursor.next();
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->task, i);
    EXPECT_EQ(event->arg, i + 1);
    EXPECT_EQ(event->where, i % 7);
    EXPECT_GE(event->time_ns, last_time);
    last_time = event->time_ns;
  }
  EXPECT_EQ(cursor.next(), nullptr);
  buffer.record(Kind::finished, 0);
  // A cursor at the end sees what comes later.
  ASSERT_NE(cursor.peek(), nullptr);
  EXPECT_EQ(cursor.next()->kind, Kind::finished);
}

TEST_F(TraceRecorder, ManyThreadsRecordAtATime) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kTasks = 6000;
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      ThreadBuffer& buffer = recorder_.add_thread("thread " + std::to_string(t));
      for (std::uint64_t i = 0; i < kTasks; ++i) {
        const std::uint64_t task = t * kTasks + i;
        buffer.record(Kind::spawned, task);
        buffer.record(Kind::started, task, 0, static_cast<std::uint32_t>(t));
        buffer.record(Kind::finished, task, 0, static_cast<std::uint32_t>(t));
      }
    });
  }
  // Reading beside the writers gives whole events only.
  for (int i = 0; i < 5; ++i)
    recorder_.write_json(path_, {.workers = kThreads});
  threads.clear();
  const check::Report report = check({.workers = kThreads, .tasks = kThreads * kTasks});
  EXPECT_TRUE(report.verified()) << report.violations.front().message;
  EXPECT_EQ(report.tasks, kThreads * kTasks);
}

TEST_F(TraceRecorder, WritesTheDocumentedShape) {
  ThreadBuffer& main = recorder_.add_thread("main");
  ThreadBuffer& worker = recorder_.add_thread("worker 0");
  main.name_task(100, "T[0]");
  main.record(Kind::spawned, 100);
  main.record(Kind::spawned, 200);
  main.record(Kind::dependency, 200, 100);
  main.record(Kind::spawned, 300);
  main.record(Kind::dependency, 300, 100);
  main.record(Kind::dependency, 300, 200);
  worker.record(Kind::started, 100, 0, 1);
  worker.record(Kind::finished, 100, 0, 1);
  worker.record(Kind::started, 200, 0, 1);
  worker.record(Kind::failed, 200, 0, 1);
  worker.record(Kind::cancelled, 300, 200);
  const Json document = write({.workers = 2, .tasks = 3});

  EXPECT_EQ(document["displayTimeUnit"], "ns");
  EXPECT_EQ(document["otherData"],
            (Json{{"format", "polyreme-trace"}, {"version", 1}, {"workers", 2}, {"tasks", 3}, {"dropped", 0}}));

  std::set<std::pair<int, std::string>> rows;
  for (const Json& event : events(document, "M"))
    if (event["name"] == "thread_name") rows.emplace(event["tid"], event["args"]["name"]);
  EXPECT_EQ(rows, (std::set<std::pair<int, std::string>>{{0, "slot 0"}, {1, "slot 1"}, {2, "main"}, {3, "worker 0"}}));

  const auto spawns = events(document, "i", "spawn");
  ASSERT_EQ(spawns.size(), 3U);
  EXPECT_EQ(spawns[0]["name"], "T[0]");
  EXPECT_EQ(spawns[1]["name"], "task 1");
  EXPECT_EQ(spawns[2]["args"], (Json{{"task", 2}, {"after", {0, 1}}}));
  EXPECT_EQ(spawns[2]["tid"], 2);
  EXPECT_EQ(spawns[2]["s"], "t");

  const auto slices = events(document, "X", "task");
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[0]["args"], (Json{{"task", 0}, {"outcome", "ok"}, {"thread", 1}}));
  EXPECT_EQ(slices[0]["tid"], 1);
  EXPECT_EQ(slices[1]["args"]["outcome"], "failed");
  EXPECT_GE(slices[0]["dur"].get<double>(), 0.0);

  const auto cancels = events(document, "i", "cancel");
  ASSERT_EQ(cancels.size(), 1U);
  EXPECT_EQ(cancels[0]["args"], (Json{{"task", 2}, {"outcome", "cancelled"}, {"cause", 1}}));

  // One arrow, for the dependency of which both ends ran.
  EXPECT_EQ(events(document, "s").size(), 1U);
  EXPECT_EQ(events(document, "f").size(), 1U);
  EXPECT_EQ(events(document, "f")[0]["bp"], "e");

  const check::Report report = check({.workers = 2, .tasks = 3});
  EXPECT_TRUE(report.verified()) << report.violations.front().message;
  EXPECT_EQ(report.failed, 1U);
  EXPECT_EQ(report.cancelled, 1U);
}

TEST_F(TraceRecorder, ShowsWhatHappensOnASlotInItsRow) {
  ThreadBuffer& slot = recorder_.add_slot(1);
  ThreadBuffer& other = recorder_.add_thread("main");
  slot.record(Kind::spawned, 1);
  slot.record(Kind::cancelled, 1, kNoTask);
  other.record(Kind::spawned, 2);
  const Json document = write({.workers = 2});
  EXPECT_EQ(events(document, "i", "spawn")[0]["tid"], 1);
  EXPECT_EQ(events(document, "i", "cancel")[0]["tid"], 1);
  EXPECT_EQ(events(document, "i", "spawn")[1]["tid"], 3);
  std::vector<std::string> rows;
  for (const Json& event : events(document, "M"))
    if (event["name"] == "thread_name") rows.push_back(event["args"]["name"]);
  EXPECT_EQ(rows, (std::vector<std::string>{"slot 0", "slot 1", "main"}));
}

TEST_F(TraceRecorder, NumbersTasksAnewSoThatJsonCanHoldThem) {
  ThreadBuffer& main = recorder_.add_thread("main");
  const std::uint64_t huge = ~std::uint64_t{0} - 1;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    main.record(Kind::spawned, huge - (i << 40));
    if (i > 0) main.record(Kind::dependency, huge - (i << 40), huge - ((i - 1) << 40));
    main.record(Kind::started, huge - (i << 40));
    main.record(Kind::finished, huge - (i << 40));
  }
  const Json document = write({.workers = 1});
  std::set<std::uint64_t> ids;
  for (const Json& spawn : events(document, "i", "spawn"))
    ids.insert(spawn["args"]["task"].get<std::uint64_t>());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(*ids.rbegin(), 999U);
  EXPECT_TRUE(check({.workers = 1, .tasks = 1000}).verified());
}

TEST_F(TraceRecorder, WritesABodyThatWaitsInParts) {
  ThreadBuffer& main = recorder_.add_thread("main");
  ThreadBuffer& worker = recorder_.add_thread("worker");
  main.record(Kind::spawned, 1);
  main.record(Kind::started, 1, 0, 0);
  main.record(Kind::spawned, 2);
  main.record(Kind::suspended, 1, 0, 0);
  main.record(Kind::started, 2, 0, 0);
  main.record(Kind::finished, 2, 0, 0);
  main.record(Kind::resumed, 1, 0, 0);
  main.record(Kind::suspended, 1, 0, 0);
  // It goes on elsewhere.
  worker.record(Kind::resumed, 1, 0, 1);
  worker.record(Kind::failed, 1, 0, 1);
  const Json document = write({.workers = 2});
  std::vector<Json> parts;
  for (const Json& slice : events(document, "X"))
    if (slice["args"]["task"] == 0) parts.push_back(slice);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0]["args"], (Json{{"task", 0}, {"part", 0}, {"last", false}, {"thread", 0}}));
  EXPECT_EQ(parts[1]["args"], (Json{{"task", 0}, {"part", 1}, {"last", false}, {"thread", 0}}));
  EXPECT_EQ(parts[2]["args"], (Json{{"task", 0}, {"part", 2}, {"last", true}, {"outcome", "failed"}, {"thread", 1}}));
  EXPECT_EQ(parts[2]["tid"], 1);
  const check::Report report = check({.workers = 2, .tasks = 2});
  EXPECT_TRUE(report.verified()) << report.violations.front().message;
}

TEST_F(TraceRecorder, ABodyThatHasNotEndedIsNotHidden) {
  ThreadBuffer& main = recorder_.add_thread("main");
  main.record(Kind::spawned, 1);
  main.record(Kind::started, 1);
  const check::Report report = check({.workers = 1, .tasks = 1});
  ASSERT_EQ(report.violation_count, 1U);
  EXPECT_NE(report.violations[0].message.find("never ran and was not cancelled"), std::string::npos);
}

TEST_F(TraceRecorder, LeavesOutDependenciesOnTasksOfBeforeTheTrace) {
  ThreadBuffer& main = recorder_.add_thread("main");
  main.record(Kind::spawned, 1);
  main.record(Kind::dependency, 1, 77);
  main.record(Kind::started, 1);
  main.record(Kind::finished, 1);
  EXPECT_TRUE(check({.workers = 1, .tasks = 1}).verified());
}

TEST_F(TraceRecorder, WritesDependenciesThatComeLater) {
  ThreadBuffer& main = recorder_.add_thread("main");
  main.record(Kind::spawned, 1);
  main.record(Kind::spawned, 2);
  main.record(Kind::dependency, 1, 2);
  for (const std::uint64_t task : {1U, 2U}) {
    main.record(Kind::started, task);
    main.record(Kind::finished, task);
  }
  const check::Report report = check({.workers = 1, .tasks = 2});
  ASSERT_EQ(report.violation_count, 1U);
  EXPECT_EQ(report.violations[0].rule, "order");
}

TEST_F(TraceRecorder, TellsARequestedCancellation) {
  ThreadBuffer& main = recorder_.add_thread("main");
  main.record(Kind::spawned, 1);
  main.record(Kind::cancelled, 1, kNoTask);
  const Json document = write({.workers = 1});
  EXPECT_EQ(events(document, "i", "cancel")[0]["args"]["requested"], true);
  EXPECT_TRUE(check({.workers = 1, .tasks = 1}).verified());
}

TEST_F(TraceRecorder, EscapesNames) {
  ThreadBuffer& main = recorder_.add_thread("a \"quoted\" thread\n");
  const std::string long_name(200'000, 'x');
  const std::vector<std::pair<std::string, std::string>> names{
      {"", "task 0"},
      {"a\"b\\c\n\x01", "a\"b\\c\n\x01"},
      {"größe √2 🚣", "größe √2 🚣"},
      {"cut \xf0\x9f", "cut \ufffd\ufffd"},
      {"\xc0\xaf \xed\xa0\x80 \xf5\x80\x80\x80", "\ufffd\ufffd \ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd"},
      {long_name, long_name},
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    main.name_task(i, names[i].first);
    main.record(Kind::spawned, i);
  }
  const auto spawns = events(write({.workers = 1}), "i", "spawn");
  ASSERT_EQ(spawns.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(spawns[i]["name"], names[i].second);
}

TEST_F(TraceRecorder, DrawsArrowsOnlyWhenThereAreFew) {
  ThreadBuffer& main = recorder_.add_thread("main");
  for (std::uint64_t i = 0; i < 4; ++i) {
    main.record(Kind::spawned, i);
    if (i > 0) main.record(Kind::dependency, i, i - 1);
    main.record(Kind::started, i);
    main.record(Kind::finished, i);
  }
  EXPECT_EQ(events(write({.workers = 1, .max_arrows = 3}), "s").size(), 3U);
  EXPECT_EQ(events(write({.workers = 1, .max_arrows = 2}), "s").size(), 0U);
}

TEST(TraceMemory, OverTheLimitEventsAreCountedAndTheTraceRejected) {
  Recorder recorder({.max_bytes = 300'000});
  ThreadBuffer& buffer = recorder.add_thread("main");
  constexpr std::uint64_t kTasks = 20'000;
  for (std::uint64_t i = 0; i < kTasks; ++i) {
    buffer.name_task(i, "name");
    buffer.record(Kind::spawned, i);
  }
  EXPECT_GT(recorder.dropped(), 0U);
  EXPECT_LT(recorder.dropped(), 2 * kTasks);
  const std::string path = testing::TempDir() + "polyreme_trace_memory.json";
  recorder.write_json(path, {.workers = 1, .tasks = kTasks});
  const check::Report report = check::check_files(path);
  std::filesystem::remove(path);
  ASSERT_FALSE(report.verified());
  EXPECT_EQ(report.violations[0].rule, "complete");
  EXPECT_NE(report.violations[0].message.find(std::to_string(recorder.dropped()) + " events were dropped"),
            std::string::npos);
}

TEST(TraceFile, SaysWhyItCannotBeWritten) {
  const Recorder recorder;
  const auto error_of = [&](const char* path) -> std::string {
    try {
      recorder.write_json(path, {.workers = 1});
    } catch (const std::system_error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_EQ(error_of("no/such/folder/t.json"),
            "cannot write trace file 'no/such/folder/t.json': No such file or directory");
  EXPECT_EQ(error_of("/dev/full"), "cannot write trace file '/dev/full': No space left on device");
}

}  // namespace
}  // namespace polyreme::trace
