// Reads the JSON of a trace as a stream, event by event, whatever the order of their fields.
#include "check/printable.hpp"
#include "check/trace.hpp"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

namespace polyreme::check {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kFormat = "polyreme-trace";
constexpr std::int64_t kVersion = 1;

// The text of a number of microseconds as nanoseconds, rounded, without the error of a floating-point detour.
std::optional<std::int64_t> nanoseconds(std::string_view text, double value) {
  constexpr double kLargestUs = 1e15;  // thirty years; sums of three such times fit 64 bits in nanoseconds
  if (!(std::abs(value) < kLargestUs)) return std::nullopt;
  if (text.find_first_of("eE") != std::string_view::npos) return std::llround(value * 1000.0);

  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  std::int64_t result = 0;
  for (const char c : text.substr(0, point))
    result = result * 10 + (c - '0');
  const auto decimal = [&](std::size_t i) { return point + 1 + i < text.size() ? text[point + 1 + i] - '0' : 0; };
  for (std::size_t i = 0; i < 3; ++i)
    result = result * 10 + decimal(i);
  if (decimal(3) >= 5) ++result;
  return negative ? -result : result;
}

// The fields of one trace event that matter here.
struct RawEvent {
  std::string phase;
  std::string category;
  std::string name;
  std::optional<std::int64_t> time_ns;
  std::optional<std::int64_t> duration_ns;
  std::optional<std::int64_t> row;
  std::optional<std::int64_t> task;
  std::optional<std::int64_t> cause;
  std::optional<std::int64_t> part;
  bool last = true;
  bool requested = false;
  std::string outcome;
  std::vector<std::int64_t> after;

  void clear() {
    phase.clear();
    category.clear();
    name.clear();
    time_ns = duration_ns = row = task = cause = part = std::nullopt;
    last = true;
    requested = false;
    outcome.clear();
    after.clear();
  }
};

class Handler {
 public:
  explicit Handler(Trace& trace) : trace_(trace) {}

  // ---- The interface of nlohmann's SAX parser. All return true: go on.
  bool null() { return true; }
  bool boolean(bool value) {
    if (place() == Place::args && key_ == Key::last) event_.last = value;
    if (place() == Place::args && key_ == Key::requested) event_.requested = value;
    return true;
  }
  bool number_integer(Json::number_integer_t value) {
    integer(value);
    return true;
  }
  bool number_unsigned(Json::number_unsigned_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      fail("the number " + std::to_string(value) + " is too large");
    integer(static_cast<std::int64_t>(value));
    return true;
  }
  bool number_float(double value, const std::string& text) {
    if (place() == Place::event && (key_ == Key::ts || key_ == Key::dur))
      set_time(text, value);
    else if (place() == Place::after || is_integer_field())
      fail("the number " + text + " must be whole");
    return true;
  }
  bool string(std::string& value) {
    if (place() == Place::other_data && key_ == Key::format) format_ = value;
    if (place() == Place::args && key_ == Key::outcome) event_.outcome.swap(value);
    if (place() != Place::event) return true;
    switch (key_) {
      case Key::ph:
        event_.phase.swap(value);
        break;
      case Key::cat:
        event_.category.swap(value);
        break;
      case Key::name:
        event_.name.swap(value);
        break;
      default:
        break;
    }
    return true;
  }
  bool binary(Json::binary_t&) { return true; }
  bool start_object(std::size_t) {
    enter(true);
    return true;
  }
  bool start_array(std::size_t) {
    enter(false);
    return true;
  }
  bool end_object() {
    if (place() == Place::event) end_event();
    places_.pop_back();
    return true;
  }
  bool end_array() {
    places_.pop_back();
    return true;
  }
  bool key(std::string& text) {
    key_ = key_of(text);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) {
    throw UnreadableTrace("not valid JSON, or cut off, at byte " + std::to_string(position) + ": " +
                          printable(error.what()));
  }

  void finish() {
    if (format_ != kFormat)
      throw UnreadableTrace("otherData.format is not \"" + std::string(kFormat) +
                            "\"; this is no trace of a polyreme run");
    if (version_ != kVersion)
      throw UnreadableTrace("otherData.version is " + std::to_string(version_) + "; this checker reads " +
                            std::to_string(kVersion));
    if (!saw_events_) throw UnreadableTrace("there is no list traceEvents");
    const auto require = [](const std::optional<std::int64_t>& value, const char* name) {
      if (!value || *value < 0) throw UnreadableTrace(std::string("otherData.") + name + " is missing or negative");
      return *value;
    };
    trace_.workers = require(workers_, "workers");
    trace_.declared_tasks = require(tasks_, "tasks");
    trace_.dropped = require(dropped_, "dropped");
  }

 private:
  // Where in the document the parser stands.
  enum class Place : std::uint8_t { top, other_data, events, event, args, after, elsewhere };
  enum class Key : std::uint8_t {
    other,
    other_data,
    trace_events,
    format,
    version,
    workers,
    tasks,
    dropped,
    ph,
    cat,
    name,
    ts,
    dur,
    tid,
    args,
    task,
    after,
    outcome,
    part,
    last,
    requested,
    cause,
  };

  static Key key_of(const std::string& text) {
    static const std::unordered_map<std::string, Key> keys{
        {"otherData", Key::other_data},
        {"traceEvents", Key::trace_events},
        {"format", Key::format},
        {"version", Key::version},
        {"workers", Key::workers},
        {"tasks", Key::tasks},
        {"dropped", Key::dropped},
        {"ph", Key::ph},
        {"cat", Key::cat},
        {"name", Key::name},
        {"ts", Key::ts},
        {"dur", Key::dur},
        {"tid", Key::tid},
        {"args", Key::args},
        {"task", Key::task},
        {"after", Key::after},
        {"outcome", Key::outcome},
        {"part", Key::part},
        {"last", Key::last},
        {"requested", Key::requested},
        {"cause", Key::cause},
    };
    const auto found = keys.find(text);
    return found == keys.end() ? Key::other : found->second;
  }

  [[nodiscard]] Place place() const noexcept { return places_.empty() ? Place::elsewhere : places_.back(); }

  void enter(bool object) {
    places_.push_back(inner_place(object));
    key_ = Key::other;
    if (places_.back() == Place::events) saw_events_ = true;
    if (places_.back() == Place::event) event_.clear();
  }

  [[nodiscard]] Place inner_place(bool object) const {
    if (places_.empty()) return object ? Place::top : Place::elsewhere;
    switch (places_.back()) {
      case Place::top:
        if (object && key_ == Key::other_data) return Place::other_data;
        if (!object && key_ == Key::trace_events) return Place::events;
        return Place::elsewhere;
      case Place::events:
        return object ? Place::event : Place::elsewhere;
      case Place::event:
        return object && key_ == Key::args ? Place::args : Place::elsewhere;
      case Place::args:
        return !object && key_ == Key::after ? Place::after : Place::elsewhere;
      default:
        return Place::elsewhere;
    }
  }

  // The field that the parser stands at, if it is a whole number that matters.
  [[nodiscard]] std::optional<std::int64_t>* integer_field() noexcept {
    if (place() == Place::other_data) {
      switch (key_) {
        case Key::workers:
          return &workers_;
        case Key::tasks:
          return &tasks_;
        case Key::dropped:
          return &dropped_;
        default:
          return nullptr;
      }
    }
    if (place() == Place::event) return key_ == Key::tid ? &event_.row : nullptr;
    if (place() != Place::args) return nullptr;
    switch (key_) {
      case Key::task:
        return &event_.task;
      case Key::part:
        return &event_.part;
      case Key::cause:
        return &event_.cause;
      default:
        return nullptr;
    }
  }
  [[nodiscard]] bool is_integer_field() noexcept { return integer_field() != nullptr; }

  void integer(std::int64_t value) {
    if (place() == Place::after) {
      event_.after.push_back(value);
    } else if (place() == Place::event && (key_ == Key::ts || key_ == Key::dur)) {
      set_time(std::to_string(value), static_cast<double>(value));
    } else if (place() == Place::other_data && key_ == Key::version) {
      version_ = value;
    } else if (std::optional<std::int64_t>* field = integer_field()) {
      *field = value;
    }
  }

  void set_time(std::string_view text, double value) {
    const std::optional<std::int64_t> time = nanoseconds(text, value);
    if (!time) fail("the time " + std::string(text) + " is too large");
    (key_ == Key::ts ? event_.time_ns : event_.duration_ns) = time;
  }

  void end_event() {
    ++event_count_;
    if (event_.phase == "X" && event_.category == "task")
      add_slice();
    else if (event_.phase == "i" && event_.category == "spawn")
      add_spawn();
    else if (event_.phase == "i" && event_.category == "dependency")
      add_edges(task("a dependency"));
    else if (event_.phase == "i" && event_.category == "cancel")
      add_cancellation();
  }

  void add_spawn() {
    const TaskIndex index = task("a spawn");
    Task& spawned = trace_.tasks[index];
    if (spawned.spawns++ == 0) {
      spawned.spawned_ns = required(event_.time_ns, "a spawn", "ts");
      trace_.set_name(index, event_.name);
    }
    add_edges(index);
  }

  void add_edges(TaskIndex index) {
    for (const std::int64_t after : event_.after)
      trace_.edges.push_back({index, task_of(after)});
  }

  void add_slice() {
    Slice slice;
    slice.task = task("a slice");
    slice.start_ns = required(event_.time_ns, "a slice", "ts");
    slice.duration_ns = required(event_.duration_ns, "a slice", "dur");
    slice.slot = required(event_.row, "a slice", "tid");
    slice.part = event_.part.value_or(0);
    slice.last = event_.last;
    if (event_.outcome == "ok")
      slice.outcome = Outcome::ok;
    else if (event_.outcome == "failed")
      slice.outcome = Outcome::failed;
    else if (slice.last)
      fail("a slice has the outcome '" + printable(event_.outcome) + "'; it must be ok or failed");
    trace_.slices.push_back(slice);
  }

  void add_cancellation() {
    Cancellation cancellation;
    cancellation.task = task("a cancellation");
    cancellation.time_ns = required(event_.time_ns, "a cancellation", "ts");
    if (event_.cause) cancellation.cause = task_of(*event_.cause);
    cancellation.requested = event_.requested;
    trace_.cancellations.push_back(cancellation);
  }

  [[nodiscard]] TaskIndex task(const char* what) { return task_of(required(event_.task, what, "args.task")); }

  [[nodiscard]] TaskIndex task_of(std::int64_t id) {
    if (id < 0) fail("the task id " + std::to_string(id) + " is negative");
    return trace_.task_of(static_cast<std::uint64_t>(id));
  }

  [[nodiscard]] std::int64_t required(const std::optional<std::int64_t>& value, const char* what,
                                      const char* field) const {
    if (!value) fail(std::string(what) + " lacks the field " + field);
    return *value;
  }

  [[noreturn]] void fail(const std::string& reason) const {
    throw UnreadableTrace("event " + std::to_string(event_count_) + " of traceEvents: " + reason);
  }

  Trace& trace_;
  std::vector<Place> places_;
  Key key_ = Key::other;
  RawEvent event_;
  std::uint64_t event_count_ = 0;
  bool saw_events_ = false;
  std::string format_;
  std::int64_t version_ = 0;
  std::optional<std::int64_t> workers_;
  std::optional<std::int64_t> tasks_;
  std::optional<std::int64_t> dropped_;
};

}  // namespace

Trace read_trace(std::istream& in) {
  Trace trace;
  Handler handler(trace);
  Json::sax_parse(in, &handler);
  handler.finish();
  return trace;
}

Trace read_trace(const std::filesystem::path& path) {
  const std::string name = printable(path.string());
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path))
    throw UnreadableTrace("cannot read trace '" + name +
                          "': " + std::generic_category().message(errno != 0 ? errno : EISDIR));
  try {
    return read_trace(in);
  } catch (const UnreadableTrace& error) {
    throw UnreadableTrace("cannot read trace '" + name + "': " + error.what());
  }
}

}  // namespace polyreme::check
