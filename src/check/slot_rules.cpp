#include "check/rules.hpp"

#include <algorithm>
#include <tuple>

namespace polyreme::check {
namespace {

struct Change {
  std::int64_t time_ns;
  bool begins;
  TaskIndex task;
};

}  // namespace

void check_slots(const Trace& trace, Report& report) {
  std::vector<const Slice*> slices;
  slices.reserve(trace.slices.size());
  for (const Slice& slice : trace.slices)
    if (slice.duration_ns >= 0) slices.push_back(&slice);
  std::ranges::sort(slices, {}, [](const Slice* s) { return std::tuple(s->slot, s->start_ns, s->end_ns()); });

  const Slice* longest = nullptr;  // of those before on the same slot, the one that ends last
  for (const Slice* slice : slices) {
    if (longest != nullptr && longest->slot == slice->slot && slice->start_ns < longest->end_ns())
      report.add("slot", [&] {
        return describe(trace, slice->task) + " started on slot " + std::to_string(slice->slot) + " at " +
               describe_time(slice->start_ns) + ", while " + describe(trace, longest->task) + " held it until " +
               describe_time(longest->end_ns());
      });
    if (longest == nullptr || longest->slot != slice->slot || slice->end_ns() > longest->end_ns()) longest = slice;
  }
}

void check_workers(const Trace& trace, Report& report) {
  constexpr std::string_view kRule = "workers";
  std::vector<Change> changes;
  changes.reserve(2 * trace.slices.size());
  for (const Slice& slice : trace.slices) {
    if (slice.slot < 0 || slice.slot >= trace.workers)
      report.add(kRule, [&] {
        return describe(trace, slice.task) + " ran at " + describe_time(slice.start_ns) + " on slot " +
               std::to_string(slice.slot) + ", but the runtime has " + std::to_string(trace.workers) +
               " workers, counted from 0";
      });
    // A body too short for the clock takes part in no overlap that could be seen.
    if (slice.duration_ns <= 0) continue;
    changes.push_back({slice.start_ns, true, slice.task});
    changes.push_back({slice.end_ns(), false, slice.task});
  }
  // At the same time, ends come first: one body may start the moment another ends.
  std::ranges::sort(changes, {}, [](const Change& change) { return std::tuple(change.time_ns, change.begins); });
  std::int64_t running = 0;
  for (const Change& change : changes) {
    running += change.begins ? 1 : -1;
    if (change.begins && running > trace.workers)
      report.add(kRule, [&] {
        return std::to_string(running) + " bodies ran at " + describe_time(change.time_ns) + ", when " +
               describe(trace, change.task) + " started, with " + std::to_string(trace.workers) + " workers";
      });
  }
}

}  // namespace polyreme::check
