// The checker accepts good traces and rejects each way to spoil one, for the right reason.
#include "gph/builder.hpp"
#include "unit/check_sample.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>

namespace polyreme::check {
namespace {

using testing::Json;
using testing::Sample;

constexpr std::uint64_t kSeeds = 20;

std::string list_of(const Report& report) {
  std::string text;
  for (const Violation& violation : report.violations)
    text += std::string(violation.rule) + ": " + violation.message + "\n";
  return text;
}

bool has(const Report& report, const std::string& rule, const std::string& part) {
  return std::ranges::any_of(report.violations, [&](const Violation& violation) {
    return violation.rule == rule && violation.message.find(part) != std::string::npos;
  });
}

TEST(CheckTrace, AcceptsGoodTraces) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Report report = check_trace(Sample(seed).read());
    EXPECT_TRUE(report.verified()) << "seed " << seed << "\n" << list_of(report);
    EXPECT_EQ(report.tasks, 60U);
    EXPECT_EQ(report.failed, 1U);
    EXPECT_GE(report.cancelled, 2U);
    EXPECT_EQ(report.workers, 3);
  }
}

struct Corruption {
  const char* name;
  const char* rule;
  // Spoils the sample and returns what the message must contain.
  std::function<std::string(Sample&)> spoil;

  friend std::ostream& operator<<(std::ostream& out, const Corruption& corruption) { return out << corruption.name; }
};

class CheckCorruption : public ::testing::TestWithParam<Corruption> {};

TEST_P(CheckCorruption, IsRejectedForTheRightReason) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Sample sample(seed);
    const std::string expected = GetParam().spoil(sample);
    const Report report = check_trace(sample.read());
    EXPECT_FALSE(report.verified()) << "seed " << seed;
    EXPECT_TRUE(has(report, GetParam().rule, expected))
        << "seed " << seed << ": no violation of " << GetParam().rule << " says '" << expected << "', only\n"
        << list_of(report);
  }
}

std::string name(std::int64_t task) {
  return Sample::name(task);
}

// The body after this one on its slot, or null.
Json* next_on_slot(Sample& sample, const Json& slice) {
  Json* next = nullptr;
  for (Json& other : sample.events())
    if (other["cat"] == "task" && other["tid"] == slice["tid"] && other["ts"] > slice["ts"] &&
        (next == nullptr || other["ts"] < (*next)["ts"]))
      next = &other;
  return next;
}

INSTANTIATE_TEST_SUITE_P(
    Trace, CheckCorruption,
    ::testing::Values(
        Corruption{"dropped_body", "exactly-once",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     s.remove("task", task);
                     return name(task) + " was spawned at ";
                   }},
        Corruption{"dropped_body_before_its_dependents", "order",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task_with_plain_successor();
                     s.remove("task", task);
                     return "but " + name(task) + ", which it depends on, never ran";
                   }},
        Corruption{"duplicated_body", "exactly-once",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     const Json copy = s.event("task", task);
                     s.events().push_back(copy);
                     return name(task) + " ran more than once";
                   }},
        Corruption{"duplicated_spawn", "exactly-once",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     const Json copy = s.event("spawn", task);
                     s.events().push_back(copy);
                     return name(task) + " was spawned 2 times";
                   }},
        Corruption{"swapped_order", "order",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task_with_plain_dependency();
                     const std::int64_t before = s.first_dependency(task);
                     std::swap(s.event("task", task)["ts"], s.event("task", before)["ts"]);
                     return "before " + name(before) + ", which it depends on, ended at ";
                   }},
        Corruption{"started_one_nanosecond_early", "order",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task_with_plain_dependency();
                     const Json& before = s.event("task", s.first_dependency(task));
                     s.event("task", task)["ts"] = before["ts"].get<double>() + before["dur"].get<double>() - 0.001;
                     return name(task) + " started at ";
                   }},
        Corruption{"started_before_spawn", "order",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     s.event("spawn", task)["ts"] = s.event("task", task)["ts"].get<double>() + 0.5;
                     return name(task) + " started at ";
                   }},
        Corruption{"overlap", "slot",
                   [](Sample& s) {
                     Json* slice = &s.event("task");
                     while (next_on_slot(s, *slice) == nullptr)
                       slice = &s.event("task");
                     const Json& next = *next_on_slot(s, *slice);
                     (*slice)["dur"] = next["ts"].get<double>() - (*slice)["ts"].get<double>() + 0.001;
                     return "while " + (*slice)["name"].get<std::string>() + " held it until ";
                   }},
        Corruption{"extra_worker", "workers",
                   [](Sample& s) {
                     Json& slice = s.event("task", s.plain_task());
                     slice["tid"] = Sample::kWorkers;
                     return "on slot 3, but the runtime has 3 workers";
                   }},
        Corruption{"fewer_workers_than_bodies_at_a_time", "workers",
                   [](Sample& s) {
                     s.document["otherData"]["workers"] = 1;
                     return std::string("bodies ran at ");
                   }},
        Corruption{"missing_task", "complete",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task_without_successors();
                     s.remove("task", task);
                     s.remove("spawn", task);
                     return std::string("counted 60 tasks, but the trace has 59");
                   }},
        Corruption{"wrong_count", "complete",
                   [](Sample& s) {
                     s.document["otherData"]["tasks"] = 61;
                     return std::string("counted 61 tasks, but the trace has 60");
                   }},
        Corruption{"dropped_events", "complete",
                   [](Sample& s) {
                     s.document["otherData"]["dropped"] = 7;
                     return std::string("7 events were dropped");
                   }},
        Corruption{"missing_spawn", "exactly-once",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     s.remove("spawn", task);
                     return "task " + std::to_string(task) + " is mentioned, but was never spawned";
                   }},
        Corruption{"unknown_dependency", "exactly-once",
                   [](Sample& s) {
                     s.event("spawn", s.plain_task())["args"]["after"].push_back(4711);
                     return std::string("task 4711 is mentioned, but was never spawned");
                   }},
        Corruption{"time_reversed", "exactly-once",
                   [](Sample& s) {
                     Json& slice = s.event("task", s.plain_task());
                     slice["dur"] = -slice["dur"].get<double>();
                     return slice["name"].get<std::string>() + " ended before it started";
                   }},
        Corruption{"cancelled_without_cause", "failure",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task_without_successors();
                     Json& event = s.event("task", task);
                     event["ph"] = "i";
                     event["cat"] = "cancel";
                     event["args"] = {{"task", task}, {"outcome", "cancelled"}};
                     return name(task) + " was cancelled at ";
                   }},
        Corruption{"cancelled_and_run", "exactly-once",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     Json event = s.event("cancel");
                     event["args"] = {{"task", task}, {"outcome", "cancelled"}, {"requested", true}};
                     s.events().push_back(event);
                     return name(task) + " was cancelled, but ran at ";
                   }},
        Corruption{"cancelled_twice", "exactly-once",
                   [](Sample& s) {
                     const Json copy = s.event("cancel");
                     s.events().push_back(copy);
                     return copy["name"].get<std::string>() + " was cancelled 2 times";
                   }},
        Corruption{"false_cause", "failure",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task();
                     s.event("cancel")["args"]["cause"] = task;
                     return "because of " + name(task) + ", which did not fail";
                   }},
        Corruption{"cancelled_before_its_cause", "failure",
                   [](Sample& s) {
                     Json& cancel = s.event("cancel", s.failed_task() + 1);
                     cancel["args"]["cause"] = s.failed_task();
                     cancel["ts"] = 0.5;
                     return "before its cause " + name(s.failed_task()) + " failed at ";
                   }},
        Corruption{"dependent_of_a_failed_task_ran", "failure",
                   [](Sample& s) {
                     const std::int64_t task = s.plain_task_with_plain_successor();
                     s.event("task", task)["args"]["outcome"] = "failed";
                     return "although " + name(task) + ", which it depends on, failed";
                   }},
        Corruption{"first_part_dropped", "exactly-once",
                   [](Sample& s) {
                     const auto is_first = [&](const Json& e) {
                       return e["cat"] == "task" && e["args"]["task"] == s.suspended_task() && e["args"]["part"] == 0;
                     };
                     s.events().erase(std::ranges::find_if(s.events(), is_first));
                     return "part 0 of the body of " + name(s.suspended_task()) + " is missing";
                   }},
        Corruption{"last_part_dropped", "exactly-once",
                   [](Sample& s) {
                     const auto is_last = [&](const Json& e) {
                       return e["cat"] == "task" && e["args"]["task"] == s.suspended_task() && e["args"]["last"];
                     };
                     s.events().erase(std::ranges::find_if(s.events(), is_last));
                     return name(s.suspended_task()) + " was suspended at ";
                   }},
        Corruption{"part_after_the_last", "exactly-once",
                   [](Sample& s) {
                     for (Json& e : s.events())
                       if (e["cat"] == "task" && e["args"]["task"] == s.suspended_task())
                         e["args"].update({{"last", true}, {"outcome", "ok"}});
                     return name(s.suspended_task()) + " went on after its last part";
                   }},
        Corruption{"resumed_before_it_was_suspended", "exactly-once",
                   [](Sample& s) {
                     for (Json& e : s.events())
                       if (e["cat"] == "task" && e["args"]["task"] == s.suspended_task() && e["args"]["part"] == 2)
                         e["ts"] = 0.1;
                     return name(s.suspended_task()) + " resumed at ";
                   }}),
    ::testing::PrintToStringParamName());

// ---- with a graph

// The dependencies of the sample as a graph file would state them, without what it cancels.
gph::Graph graph_of(const Sample& sample, const std::function<std::vector<std::int64_t>(std::int64_t)>& more) {
  gph::GraphBuilder graph(gph::Format::two);
  for (std::int64_t task = 0; task < Sample::kTasks; ++task) {
    graph.begin_task("T", {task});
    graph.add_alternative(gph::kAnyCpu, {});
    for (const std::int64_t other : sample.dependencies(task))
      graph.add_dependency(static_cast<gph::TaskIndex>(other));
    for (const std::int64_t other : more(task))
      graph.add_dependency(static_cast<gph::TaskIndex>(other));
  }
  return std::move(graph).finish();
}

gph::Graph graph_of(const Sample& sample) {
  return graph_of(sample, [](std::int64_t) { return std::vector<std::int64_t>{}; });
}

TEST(CheckGraph, AcceptsTheRunOfIt) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Sample sample(seed);
    const gph::Graph graph = graph_of(sample);
    const Report report = check_trace(sample.read(), &graph);
    EXPECT_TRUE(report.verified()) << "seed " << seed << "\n" << list_of(report);
  }
}

TEST(CheckGraph, IgnoresSpacesInNames) {
  Sample sample(1);
  const gph::Graph graph = graph_of(sample);
  for (Json& event : sample.events()) {
    std::string text = event["name"];
    event["name"] = text.insert(2, " ");
  }
  EXPECT_TRUE(check_trace(sample.read(), &graph).verified());
}

TEST(CheckGraph, FindsADependencyThatTheRunDidNotRespect) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Sample sample(seed);
    // The graph asks for it, the trace does not know of it: only the times can tell.
    const std::int64_t task = sample.plain_task_with_plain_dependency();
    const std::int64_t before = sample.first_dependency(task);
    const gph::Graph graph = graph_of(sample);
    sample.event("spawn", task)["args"]["after"] = Json::array();
    std::swap(sample.event("task", task)["ts"], sample.event("task", before)["ts"]);
    const Report report = check_trace(sample.read(), &graph);
    EXPECT_TRUE(has(report, "graph", "before " + name(before) + ", which it depends on, ended at "))
        << "seed " << seed << "\n"
        << list_of(report);
  }
}

TEST(CheckGraph, FindsADependencyOnATaskThatFailed) {
  Sample sample(1);
  const std::int64_t task = sample.plain_task();
  const gph::Graph graph = graph_of(sample, [&](std::int64_t t) {
    return t == task ? std::vector{sample.failed_task()} : std::vector<std::int64_t>{};
  });
  EXPECT_TRUE(has(check_trace(sample.read(), &graph), "graph", "T[5], which it depends on, failed"));
}

TEST(CheckGraph, ComparesTheTasks) {
  Sample sample(3);
  const gph::Graph graph = graph_of(sample);
  const std::int64_t task = sample.plain_task();
  sample.event("spawn", task)["name"] = "T[60]";
  const Report renamed = check_trace(sample.read(), &graph);
  EXPECT_TRUE(has(renamed, "graph", "T[60] is in the trace, but not in the graph")) << list_of(renamed);
  EXPECT_TRUE(has(renamed, "graph", name(task) + " is not in the trace")) << list_of(renamed);

  sample.event("spawn", task)["name"] = name(task == 0 ? 1 : 0);
  const Report twice = check_trace(sample.read(), &graph);
  EXPECT_TRUE(has(twice, "graph", name(task == 0 ? 1 : 0) + " is in the trace more than once")) << list_of(twice);
}

TEST(CheckTrace, CountsMoreViolationsThanItKeeps) {
  Report report;
  for (int i = 0; i < 2000; ++i)
    report.add("order", [] { return std::string("x"); });
  EXPECT_EQ(report.violation_count, 2000U);
  EXPECT_EQ(report.violations.size(), Report::kKept);
  EXPECT_FALSE(report.verified());
}

}  // namespace
}  // namespace polyreme::check
