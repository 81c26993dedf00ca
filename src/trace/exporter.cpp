#include "trace/exporter.hpp"

#include "trace/json_file.hpp"
#include "trace/task_table.hpp"

#include <limits>

namespace polyreme::trace {
namespace {

// Rows of the picture: one a slot, numbered like the slots, then one a thread that spawned or cancelled.
constexpr std::uint64_t kProcess = 1;

// Arrows need room for each task, so a large trace has none, however few they would be.
constexpr std::uint32_t kTasksWithArrows = 1'000'000;

// Where the arrows of a dependency end: the first start and the last end of each body.
struct BodyEnds {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t start_ns = kNever;
  std::uint64_t end_ns = 0;
  std::uint32_t start_slot = 0;
  std::uint32_t end_slot = 0;
};

struct Arrow {
  std::uint32_t from;
  std::uint32_t to;
};

class Exporter {
 public:
  Exporter(const std::filesystem::path& path, const TraceMeta& meta, std::span<const BufferSnapshot> threads,
           std::uint64_t start_ns)
      : out_(path), meta_(meta), threads_(threads), start_ns_(start_ns), tasks_(threads) {
    if (tasks_.dependency_count() <= meta_.max_arrows && tasks_.size() <= kTasksWithArrows) ends_.resize(tasks_.size());
  }

  void run() {
    put_header();
    put_rows();
    for (std::size_t i = 0; i < threads_.size(); ++i)
      put_thread(i);
    put_arrows();
    out_ << "\n]}\n";
    out_.close();
  }

 private:
  void put_header() {
    std::uint64_t dropped = 0;
    for (const BufferSnapshot& thread : threads_)
      dropped += thread.dropped();
    out_ << "{\"displayTimeUnit\":\"ns\",\n"
         << R"("otherData":{"format":"polyreme-trace","version":1,"workers":)" << std::uint64_t{meta_.workers}
         << R"(,"tasks":)" << meta_.tasks.value_or(tasks_.spawned_count()) << R"(,"dropped":)" << dropped
         << "},\n\"traceEvents\":[";
  }

  void put_rows() {
    begin_event("M", "process_name", 0);
    out_ << R"(,"args":{"name":"polyreme"}})";
    for (std::uint64_t slot = 0; slot < meta_.workers; ++slot)
      put_row(slot, "slot " + std::to_string(slot));
    for (std::size_t i = 0; i < threads_.size(); ++i)
      if (has_row(threads_[i])) put_row(row_of(i), threads_[i].name());
  }

  void put_row(std::uint64_t row, std::string_view name) {
    begin_event("M", "thread_name", row);
    out_ << R"(,"args":{"name":)";
    out_.put_string(name);
    out_ << "}}";
    begin_event("M", "thread_sort_index", row);
    out_ << R"(,"args":{"sort_index":)" << row << "}}";
  }

  // What has a slot, or only ran bodies, shows on the rows of the slots.
  static bool has_row(const BufferSnapshot& thread) {
    if (thread.slot()) return false;
    BufferSnapshot::Cursor events = thread.events();
    while (const Event* event = events.next())
      if (event->kind == Kind::spawned || event->kind == Kind::dependency || event->kind == Kind::cancelled)
        return true;
    return false;
  }
  [[nodiscard]] std::uint64_t row_of(std::size_t thread) const noexcept {
    return threads_[thread].slot().value_or(static_cast<std::uint32_t>(meta_.workers + thread));
  }

  void put_thread(std::size_t thread) {
    // At most one slice is open on a thread at any time: a body that waits closes its own.
    const Event* opened = nullptr;
    BufferSnapshot::Cursor events = threads_[thread].events();
    while (const Event* event = events.next()) {
      switch (event->kind) {
        case Kind::spawned:
          put_spawn(*event, events, row_of(thread));
          break;
        case Kind::dependency:
          put_late_dependency(*event, row_of(thread));
          break;
        case Kind::cancelled:
          put_cancel(*event, row_of(thread));
          break;
        case Kind::started:
        case Kind::resumed:
          opened = event;
          break;
        case Kind::suspended:
        case Kind::finished:
        case Kind::failed:
          // A slice whose beginning was dropped cannot be drawn.
          if (opened != nullptr && opened->task == event->task) put_slice(*opened, *event, thread);
          opened = nullptr;
          break;
        case Kind::named:
          break;
      }
      out_.flush_if_full();
    }
  }

  void put_spawn(const Event& spawned, BufferSnapshot::Cursor& events, std::uint64_t row) {
    const std::uint32_t number = tasks_.find(spawned.task).value();
    begin_instant("spawn", number, spawned.time_ns, row);
    out_ << R"(,"args":{"task":)" << std::uint64_t{number} << R"(,"after":[)";
    bool first = true;
    const Event* next = events.peek();
    for (; next != nullptr && next->kind == Kind::dependency && next->task == spawned.task; next = events.peek()) {
      put_after(number, next->arg, first);
      static_cast<void>(events.next());
    }
    out_ << "]}}";
  }

  // A dependency that was not recorded with the spawn of its task.
  void put_late_dependency(const Event& event, std::uint64_t row) {
    const std::optional<std::uint32_t> number = tasks_.find(event.task);
    if (!number) return;
    begin_instant("dependency", *number, event.time_ns, row);
    out_ << R"(,"args":{"task":)" << std::uint64_t{*number} << R"(,"after":[)";
    bool first = true;
    put_after(*number, event.arg, first);
    out_ << "]}}";
  }

  // A task that ended before the trace began is in no other event, and there is nothing to check about it.
  void put_after(std::uint32_t task, std::uint64_t other, bool& first) {
    const std::optional<std::uint32_t> before = tasks_.find(other);
    if (!before) return;
    if (!first) out_ << ",";
    first = false;
    out_ << std::uint64_t{*before};
    if (!ends_.empty()) arrows_.push_back({*before, task});
  }

  void put_cancel(const Event& event, std::uint64_t row) {
    const std::uint32_t number = tasks_.find(event.task).value();
    begin_instant("cancel", number, event.time_ns, row);
    out_ << R"(,"args":{"task":)" << std::uint64_t{number} << R"(,"outcome":"cancelled")";
    if (event.arg == kNoTask)
      out_ << R"(,"requested":true)";
    else if (const std::optional<std::uint32_t> cause = tasks_.find(event.arg))
      out_ << R"(,"cause":)" << std::uint64_t{*cause};
    out_ << "}}";
  }

  void put_slice(const Event& from, const Event& to, std::size_t thread) {
    const std::uint32_t number = tasks_.find(from.task).value();
    begin_event("X", {}, from.where);
    out_ << R"(,"cat":"task","name":)";
    put_name(number);
    out_ << R"(,"ts":)";
    out_.put_time(from.time_ns - start_ns_);
    out_ << R"(,"dur":)";
    out_.put_time(to.time_ns - from.time_ns);
    out_ << R"(,"args":{"task":)" << std::uint64_t{number};
    const bool last = to.kind != Kind::suspended;
    if (tasks_.has_parts(number) || !last) {
      const std::uint64_t part = from.kind == Kind::resumed ? tasks_.part_resumed_at(number, from.time_ns) : 0;
      out_ << R"(,"part":)" << part << R"(,"last":)" << (last ? "true" : "false");
    }
    if (last) out_ << R"(,"outcome":)" << (to.kind == Kind::finished ? R"("ok")" : R"("failed")");
    out_ << R"(,"thread":)" << std::uint64_t{thread} << "}}";
    if (!ends_.empty()) note_ends(ends_[number], from, to);
  }

  static void note_ends(BodyEnds& ends, const Event& from, const Event& to) {
    if (from.time_ns < ends.start_ns) {
      ends.start_ns = from.time_ns;
      ends.start_slot = from.where;
    }
    if (to.time_ns >= ends.end_ns) {
      ends.end_ns = to.time_ns;
      ends.end_slot = from.where;
    }
  }

  void put_arrows() {
    std::uint64_t id = 0;
    for (const Arrow& arrow : arrows_) {
      const BodyEnds& from = ends_[arrow.from];
      const BodyEnds& to = ends_[arrow.to];
      if (from.start_ns == BodyEnds::kNever || to.start_ns == BodyEnds::kNever) continue;
      ++id;
      // An arrow hangs on the slice around its time, and the end of a slice is not part of it.
      const std::uint64_t leave = from.end_ns > from.start_ns ? from.end_ns - 1 : from.end_ns;
      put_arrow_end("s", id, from.end_slot, leave, "");
      put_arrow_end("f", id, to.start_slot, to.start_ns, R"(,"bp":"e")");
      out_.flush_if_full();
    }
  }

  void put_arrow_end(std::string_view phase, std::uint64_t id, std::uint64_t slot, std::uint64_t time_ns,
                     std::string_view more) {
    begin_event(phase, "after", slot);
    out_ << R"(,"cat":"arrow","id":)" << id << R"(,"ts":)";
    out_.put_time(time_ns - start_ns_);
    out_ << more << "}";
  }

  // {"ph":…,"pid":…,"tid":…[,"name":…], to be continued by the caller.
  void begin_event(std::string_view phase, std::string_view name, std::uint64_t row) {
    out_ << (first_event_ ? "\n" : ",\n") << R"({"ph":")" << phase << R"(","pid":)" << kProcess << R"(,"tid":)" << row;
    first_event_ = false;
    if (!name.empty()) {
      out_ << R"(,"name":)";
      out_.put_string(name);
    }
  }

  void begin_instant(std::string_view category, std::uint32_t number, std::uint64_t time_ns, std::uint64_t row) {
    begin_event("i", {}, row);
    out_ << R"(,"s":"t","cat":")" << category << R"(","name":)";
    put_name(number);
    out_ << R"(,"ts":)";
    out_.put_time(time_ns - start_ns_);
  }

  void put_name(std::uint32_t number) {
    const std::string_view name = tasks_.name(number);
    if (name.empty())
      out_ << R"("task )" << std::uint64_t{number} << R"(")";
    else
      out_.put_string(name);
  }

  JsonFile out_;
  const TraceMeta& meta_;
  std::span<const BufferSnapshot> threads_;
  std::uint64_t start_ns_;
  TaskTable tasks_;
  bool first_event_ = true;
  std::vector<BodyEnds> ends_;  // empty if no arrows are drawn
  std::vector<Arrow> arrows_;
};

}  // namespace

BufferSnapshot::BufferSnapshot(const ThreadBuffer& buffer) noexcept : buffer_(&buffer), dropped_(buffer.dropped()) {
  EventCursor cursor(buffer);
  while (cursor.next() != nullptr)
    ++events_;
}

void export_json(const std::filesystem::path& path, const TraceMeta& meta, std::span<const BufferSnapshot> threads,
                 std::uint64_t start_ns) {
  Exporter(path, meta, threads, start_ns).run();
}

}  // namespace polyreme::trace
