// Observers: what they are told, and when.
#include <polyreme/errors.hpp>
#include <polyreme/observer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace polyreme {
namespace {

using Kind = TaskEventKind;

class Notes : public Observer {
 public:
  struct Note {
    TaskEvent event;
    std::string name;
  };

  void on_event(const TaskEvent& event) noexcept override {
    const std::lock_guard lock(mutex_);
    notes_.push_back({event, std::string(event.name)});
  }
  /// The kinds of what happened to the task with this name, in order.
  [[nodiscard]] std::vector<Kind> kinds_of(const std::string& name) const {
    std::vector<Kind> kinds;
    for (const Note& note : notes_) {
      if (note.event.task == task_of(name)) kinds.push_back(note.event.kind);
    }
    return kinds;
  }
  [[nodiscard]] std::uint64_t task_of(const std::string& name) const {
    const auto found = std::ranges::find(notes_, name, &Note::name);
    return found == notes_.end() ? 0 : found->event.task;
  }
  [[nodiscard]] const std::vector<Note>& all() const { return notes_; }

 private:
  std::mutex mutex_;
  std::vector<Note> notes_;
};

TEST(Observer, IsToldOfATasksLife) {
  Runtime rt({.workers = 2});
  Notes notes;
  {
    const Observation observation(rt, notes);
    Task<void> first = rt.spawn({.name = "first"}, [] {});
    rt.spawn({.after = first, .name = "second"}, [] {});
  }
  EXPECT_EQ(notes.kinds_of("first"), (std::vector{Kind::kSpawned, Kind::kStarted, Kind::kFinished}));
  EXPECT_EQ(notes.kinds_of("second"),
            (std::vector{Kind::kSpawned, Kind::kDependency, Kind::kStarted, Kind::kFinished}));
  for (const Notes::Note& note : notes.all()) {
    if (note.event.kind == Kind::kDependency) {
      EXPECT_EQ(note.event.other, notes.task_of("first"));
    }
    const bool runs = note.event.kind == Kind::kStarted || note.event.kind == Kind::kFinished;
    EXPECT_EQ(note.event.slot < 2, runs);
    EXPECT_NE(note.event.time.time_since_epoch().count(), 0);
  }
}

TEST(Observer, IsToldOfFailuresAndWhatTheyCancel) {
  Runtime rt({.workers = 1});
  Notes notes;
  {
    const Observation observation(rt, notes);
    Task<int> bad = rt.spawn({.name = "bad"}, []() -> int { throw std::runtime_error("bad"); });
    Task<void> never = rt.spawn({.name = "never"}, [](int) {}, bad);
    EXPECT_THROW(never.get(), DependencyFailed);
  }
  EXPECT_EQ(notes.kinds_of("bad"), (std::vector{Kind::kSpawned, Kind::kStarted, Kind::kFailed}));
  EXPECT_EQ(notes.kinds_of("never"), (std::vector{Kind::kSpawned, Kind::kDependency, Kind::kCancelled}));
  EXPECT_EQ(notes.all().back().event.other, notes.task_of("bad"));
  EXPECT_THROW(rt.wait(), TaskErrors);
}

TEST(Observer, IsToldOfWaits) {
  Runtime rt({.workers = 1});
  Notes notes;
  {
    const Observation observation(rt, notes);
    rt.spawn({.name = "outer"}, [&] { rt.spawn([] {}).get(); });
  }
  EXPECT_EQ(notes.kinds_of("outer"),
            (std::vector{Kind::kSpawned, Kind::kStarted, Kind::kSuspended, Kind::kResumed, Kind::kFinished}));
}

TEST(Observer, HearsNothingAfterItsEnd) {
  Runtime rt({.workers = 1});
  Notes notes;
  {
    const Observation observation(rt, notes);
  }
  rt.spawn([] {}).get();
  EXPECT_TRUE(notes.all().empty());
  const Observation again(rt, notes);
}

TEST(Observer, OneAtATimeAndOnlyWhileIdle) {
  Runtime rt({.workers = 1});
  Notes notes;
  {
    const Observation observation(rt, notes);
    EXPECT_THROW({ const Observation refused(rt, notes); }, UsageError);
  }
  Space ids = rt.space("ids");
  Task<void> waits = rt.spawn({.after = {ids(0)}}, [] {});
  EXPECT_THROW({ const Observation refused(rt, notes); }, UsageError);
  rt.spawn({.id = ids(0)}, [] {});
  waits.get();
}

TEST(Observer, ATraceMayRunAtTheSameTime) {
  Runtime rt({.workers = 1});
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "polyreme_observed.json";
  Notes notes;
  rt.start_trace();
  {
    const Observation observation(rt, notes);
    rt.spawn({.name = "both"}, [] {});
  }
  rt.spawn({.name = "traced"}, [] {}).get();
  rt.write_trace(path.string());
  EXPECT_GT(std::filesystem::file_size(path), 0U);
  std::filesystem::remove(path);
  EXPECT_EQ(notes.kinds_of("both"), (std::vector{Kind::kSpawned, Kind::kStarted, Kind::kFinished}));
  EXPECT_TRUE(notes.kinds_of("traced").empty());
}

TEST(Observer, ManyThreadsTellItOfEachTask) {
  Runtime rt({.workers = 3});
  Notes notes;
  constexpr int kTasks = 500;
  {
    const Observation observation(rt, notes);
    for (int i = 0; i < kTasks; ++i)
      rt.spawn([&rt] { rt.spawn([] {}); });
  }
  std::map<Kind, int> counts;
  for (const Notes::Note& note : notes.all())
    ++counts[note.event.kind];
  EXPECT_EQ(counts, (std::map<Kind, int>{
                        {Kind::kSpawned, 2 * kTasks}, {Kind::kStarted, 2 * kTasks}, {Kind::kFinished, 2 * kTasks}}));
}

}  // namespace
}  // namespace polyreme
