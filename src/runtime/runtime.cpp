// The compiled half of include/polyreme/runtime.hpp and space.hpp.
#include <polyreme/runtime.hpp>

#include "graph/space.hpp"
#include "runtime/engine.hpp"

namespace polyreme {

// ---- ids and spaces

TaskId::TaskId(std::shared_ptr<graph::SpaceState> space, std::span<const std::int64_t> index)
    : space_(std::move(space)), rank_(index.size()) {
  std::ranges::copy(index, index_.begin());
}

std::string TaskId::name() const {
  return space_->label(index());
}

detail::Record* TaskId::resolve() const {
  return &space_->find_or_done(index());
}

Space::Space(std::shared_ptr<graph::SpaceState> state) : owner_(std::make_shared<const Owner>(std::move(state))) {}

Space::Owner::~Owner() {
  state->clear();
}

const std::string& Space::name() const noexcept {
  return owner_->state->name();
}

// ---- After

After::Rest::~Rest() {
  for (detail::Record* record : owned)
    detail::release(*record);
}

void After::add_slowly(const Item& item) {
  if (item.task_ && item.record_ == nullptr) {
    throw UsageError("polyreme: an empty task handle in `after`; assign it from spawn() first");
  }
  if (rest_ == nullptr) {
    rest_ = std::make_unique<Rest>();
    rest_->all.assign(few_.begin(), few_.begin() + count_);
    count_ = kFew;  // so that add() comes here from now on
  }
  if (item.task_) {
    rest_->all.push_back(item.record_);
    return;
  }
  const std::size_t first = rest_->owned.size();
  if (item.id_ != nullptr) {
    rest_->owned.reserve(first + 1);
    if (detail::Record* record = item.id_->space().find_or_name(item.id_->index()); record != nullptr) {
      rest_->owned.push_back(record);
    }
  } else if (item.slice_ != nullptr) {
    std::vector<graph::IndexRange> ranges;
    for (std::size_t i = 0; i < item.slice_->rank; ++i) {
      const Range& range = item.slice_->ranges[i];
      ranges.push_back({range.start, range.stop, range.step, range.open});
    }
    item.slice_->space->select(ranges, rest_->owned);
  } else {
    item.space_->state()->select_all(rest_->owned);
  }
  rest_->all.insert(rest_->all.end(), rest_->owned.begin() + static_cast<std::ptrdiff_t>(first), rest_->owned.end());
}

// ---- Runtime

Runtime::Runtime(RuntimeOptions options) {
  runtime::EngineOptions wanted;
  wanted.workers = options.workers;
  wanted.pin = options.pin;
  wanted.max_ready = options.on_full == OnFull::kGrow ? runtime::kUnlimited : options.max_ready;
  wanted.stall_warning_s = options.stall_warning_s;
  wanted.warn = std::move(options.warn);
  engine_ = runtime::Engine::open(std::move(wanted));
}

Runtime::~Runtime() {
  engine_->close();
  runtime::Engine::bury(engine_);
}

Space Runtime::space(std::string name) {
  return Space(engine_->make_space(std::move(name)));
}

void Runtime::wait() {
  engine_->wait_all();
}

bool Runtime::wait_for_ns(std::int64_t timeout_ns) {
  const bool over = engine_->wait_quiescent(timeout_ns < 0 ? 0 : timeout_ns, nullptr);
  if (over) runtime::Engine::throw_failures(engine_->take_failures());
  return over;
}

Runtime::Producer::Producer(Runtime& runtime) : engine_(runtime.engine()) {
  engine_.add_producer();
}
Runtime::Producer::~Producer() {
  engine_.remove_producer();
}

void Runtime::start_trace() {
  engine_->start_trace();
}

void Runtime::write_trace(const std::string& path) {
  engine_->write_trace(path);
}

std::uint32_t Runtime::workers() const noexcept {
  return engine_->workers();
}

RuntimeStats Runtime::stats() const {
  runtime::Engine::Stats stats = engine_->stats();
  return {.spawned = stats.spawned,
          .completed = stats.completed,
          .steals = stats.steals,
          .live_blocks = stats.live_blocks,
          .workers = stats.workers,
          .threads = stats.threads,
          .free_slots = stats.free_slots,
          .ready = stats.ready,
          .ready_by_slot = std::move(stats.ready_by_slot),
          .parks = stats.parks,
          .wakes = stats.wakes,
          .interpreter_enters = stats.interpreter_enters,
          .interpreter_wait_ns = stats.interpreter_wait_ns};
}

}  // namespace polyreme
