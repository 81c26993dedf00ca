// A good trace of a random run, as a JSON document that tests can spoil. It is made here, not by the
// recorder, so that the two are tested against the description of the format and not against each other.
#pragma once

#include "check/checker.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace polyreme::check::testing {

using Json = nlohmann::ordered_json;

class Sample {
 public:
  static constexpr std::int64_t kWorkers = 3;
  static constexpr std::int64_t kTasks = 60;

  Json document;

  explicit Sample(std::uint64_t seed) : random_(seed) {
    plan();
    run();
    for (const Json& event : events_)
      document["traceEvents"].push_back(event);
  }

  [[nodiscard]] Json& events() { return document["traceEvents"]; }

  // A random event with these values of "cat" (task, spawn, cancel) and, if it is not negative, of
  // "args.task".
  [[nodiscard]] Json& event(const std::string& category, std::int64_t task = -1) {
    return events()[pick(
        [&](const Json& e) { return e.value("cat", "") == category && (task < 0 || e["args"]["task"] == task); })];
  }
  void remove(const std::string& category, std::int64_t task) {
    auto& all = events();
    const auto gone = [&](const Json& e) { return e.value("cat", "") == category && e["args"]["task"] == task; };
    all.erase(std::remove_if(all.begin(), all.end(), gone), all.end());
  }

  // A random task that ran and is not like the others: see the names.
  [[nodiscard]] std::int64_t plain_task() {
    return pick_task([&](std::int64_t t) { return is_plain(t); });
  }
  [[nodiscard]] std::int64_t plain_task_without_successors() {
    return pick_task([&](std::int64_t t) { return is_plain(t) && successors(t).empty(); });
  }
  [[nodiscard]] std::int64_t plain_task_with_plain_dependency() {
    return pick_task(
        [&](std::int64_t t) { return is_plain(t) && !after_[at(t)].empty() && is_plain(after_[at(t)][0]); });
  }
  [[nodiscard]] std::int64_t plain_task_with_plain_successor() {
    return pick_task([&](std::int64_t t) {
      return is_plain(t) && std::ranges::any_of(successors(t), [&](std::int64_t s) { return is_plain(s); });
    });
  }
  [[nodiscard]] std::int64_t first_dependency(std::int64_t task) const { return after_[at(task)].at(0); }
  [[nodiscard]] std::int64_t suspended_task() const { return kSuspended; }
  [[nodiscard]] std::int64_t failed_task() const { return kFailed; }
  [[nodiscard]] const std::vector<std::int64_t>& dependencies(std::int64_t task) const { return after_[at(task)]; }

  [[nodiscard]] static std::string name(std::int64_t task) { return "T[" + std::to_string(task) + "]"; }
  [[nodiscard]] std::string text() const { return document.dump(); }
  [[nodiscard]] Trace read() const {
    std::istringstream in(text());
    return read_trace(in);
  }

 private:
  static constexpr std::int64_t kFailed = 5;      // has dependents, which are cancelled
  static constexpr std::int64_t kSuspended = 20;  // runs in three parts
  static constexpr std::int64_t kRequested = 30;  // cancelled by the user

  static std::size_t at(std::int64_t task) { return static_cast<std::size_t>(task); }
  [[nodiscard]] std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound));
  }

  void plan() {
    after_.resize(at(kTasks));
    cancelled_.resize(at(kTasks), false);
    for (std::int64_t task = 1; task < kTasks; ++task) {
      auto& after = after_[at(task)];
      for (std::int64_t i = below(4); i > 0; --i) {
        const std::int64_t other = std::max<std::int64_t>(0, task - 1 - below(12));
        if (std::ranges::find(after, other) == after.end()) after.push_back(other);
      }
    }
    for (const std::int64_t special : {kFailed, kSuspended, kRequested})
      after_[at(special)].clear();
    after_[at(kFailed + 1)].push_back(kFailed);
    cancelled_[at(kRequested)] = true;
    for (std::int64_t task = 0; task < kTasks; ++task)
      for (const std::int64_t other : after_[at(task)])
        if (other == kFailed || cancelled_[at(other)]) cancelled_[at(task)] = true;
  }

  // Times in nanoseconds; every task goes to the slot that is free first.
  void run() {
    document["displayTimeUnit"] = "ns";
    document["otherData"] = {
        {"format", "polyreme-trace"}, {"version", 1}, {"workers", kWorkers}, {"tasks", kTasks}, {"dropped", 0}};
    document["traceEvents"] = Json::array();
    std::vector<std::int64_t> free(at(kWorkers), 0);
    std::vector<std::int64_t> ended(at(kTasks), 0);
    std::int64_t now = 1000;
    for (std::int64_t task = 0; task < kTasks; ++task) {
      now += 1 + below(200);
      spawn(task, now);
      std::int64_t ready = now;
      for (const std::int64_t other : after_[at(task)])
        ready = std::max(ready, ended[at(other)]);
      ended[at(task)] = ready;
      if (cancelled_[at(task)]) {
        cancel(task, ready);
        continue;
      }
      const std::int64_t parts = task == kSuspended ? 3 : 1;
      for (std::int64_t part = 0; part < parts; ++part) {
        const auto slot = std::ranges::min_element(free);
        const std::int64_t start = std::max(*slot, ended[at(task)]) + below(2) * below(300);
        const std::int64_t end = start + 1 + below(5000);
        slice(task, slot - free.begin(), start, end, part, parts);
        *slot = ended[at(task)] = end;
      }
    }
    std::ranges::shuffle(events_, random_);
  }

  static double us(std::int64_t ns) { return static_cast<double>(ns) / 1000.0; }

  void spawn(std::int64_t task, std::int64_t time) {
    events_.push_back({{"ph", "i"},
                       {"s", "t"},
                       {"cat", "spawn"},
                       {"name", name(task)},
                       {"ts", us(time)},
                       {"pid", 1},
                       {"tid", kWorkers},
                       {"args", {{"task", task}, {"after", after_[at(task)]}}}});
  }
  void cancel(std::int64_t task, std::int64_t time) {
    Json args{{"task", task}, {"outcome", "cancelled"}};
    if (task == kRequested) args["requested"] = true;
    events_.push_back({{"ph", "i"},
                       {"s", "t"},
                       {"cat", "cancel"},
                       {"name", name(task)},
                       {"ts", us(time)},
                       {"pid", 1},
                       {"tid", kWorkers},
                       {"args", args}});
  }
  void slice(std::int64_t task, std::int64_t slot, std::int64_t start, std::int64_t end, std::int64_t part,
             std::int64_t parts) {
    Json args{{"task", task}, {"thread", slot}};
    if (parts > 1) args["part"] = part;
    if (parts > 1) args["last"] = part + 1 == parts;
    if (part + 1 == parts) args["outcome"] = task == kFailed ? "failed" : "ok";
    events_.push_back({{"ph", "X"},
                       {"cat", "task"},
                       {"name", name(task)},
                       {"ts", us(start)},
                       {"dur", us(end - start)},
                       {"pid", 1},
                       {"tid", slot},
                       {"args", args}});
  }

  [[nodiscard]] bool is_plain(std::int64_t task) const {
    return task != kFailed && task != kSuspended && !cancelled_[at(task)];
  }
  [[nodiscard]] std::vector<std::int64_t> successors(std::int64_t task) const {
    std::vector<std::int64_t> found;
    for (std::int64_t other = 0; other < kTasks; ++other)
      if (std::ranges::find(after_[at(other)], task) != after_[at(other)].end()) found.push_back(other);
    return found;
  }

  template <typename Accept>
  std::size_t pick(const Accept& accept) {
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < events().size(); ++i)
      if (accept(events()[i])) candidates.push_back(i);
    return candidates.at(random_() % candidates.size());
  }
  template <typename Accept>
  std::int64_t pick_task(const Accept& accept) {
    std::vector<std::int64_t> candidates;
    for (std::int64_t task = 0; task < kTasks; ++task)
      if (accept(task)) candidates.push_back(task);
    return candidates.at(random_() % candidates.size());
  }

  std::mt19937_64 random_;
  std::vector<std::vector<std::int64_t>> after_;
  std::vector<bool> cancelled_;
  std::vector<Json> events_;
};

}  // namespace polyreme::check::testing
