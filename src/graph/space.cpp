#include "graph/space.hpp"

#include <polyreme/errors.hpp>

#include <algorithm>
#include <array>

namespace polyreme::graph {

namespace {

bool in_range(const IndexRange& range, std::int64_t index) noexcept {
  if (index < range.start || (!range.open && index >= range.stop)) return false;
  // Unsigned: the difference of two indices may not fit a signed number.
  const std::uint64_t offset = static_cast<std::uint64_t>(index) - static_cast<std::uint64_t>(range.start);
  return offset % static_cast<std::uint64_t>(range.step) == 0;
}

std::uint64_t length(const IndexRange& range) noexcept {
  if (range.stop <= range.start) return 0;
  const auto span = static_cast<std::uint64_t>(range.stop) - static_cast<std::uint64_t>(range.start);
  return (span - 1) / static_cast<std::uint64_t>(range.step) + 1;
}

}  // namespace

std::size_t SpaceState::LeadingHash::operator()(std::span<const std::int64_t> key) const noexcept {
  std::uint64_t hash = 0x9e37'79b9'7f4a'7c15ULL;
  for (const std::int64_t index : key) {
    hash ^= static_cast<std::uint64_t>(index);
    hash *= 0xff51'afd7'ed55'8ccdULL;
    hash ^= hash >> 32;
  }
  return static_cast<std::size_t>(hash);
}

std::string SpaceState::label(std::span<const std::int64_t> index) const {
  std::string text = name_ + "[";
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(index[i]);
  }
  return text + "]";
}

std::string id_of(const tasks::Rare& rare) {
  std::vector<std::int64_t> index = *rare.leading_indices;
  index.push_back(rare.space_index);
  return rare.space->label(index);
}

SpaceState::Row& SpaceState::row_locked(std::span<const std::int64_t> leading) {
  if (last_row_ != nullptr && LeadingEqual{}(*last_row_->leading, leading)) return *last_row_;
  auto found = rows_.find(leading);
  if (found == rows_.end()) {
    auto row = std::make_unique<Row>();
    std::vector<std::int64_t> key(leading.begin(), leading.end());
    row->leading = std::make_shared<const std::vector<std::int64_t>>(key);
    found = rows_.emplace(std::move(key), std::move(row)).first;
  }
  last_row_ = found->second.get();
  return *last_row_;
}

SpaceState::Entry& SpaceState::entry_locked(Row& row, std::int64_t last) {
  // Dense while at least about every fourth place is used.
  const std::uint64_t dense_limit = 4 * row.dense.size() + 64;
  const auto position = static_cast<std::uint64_t>(last);
  if (last >= 0 && position < row.dense.size()) return row.dense[position];
  if (last < 0 || position >= dense_limit || row.sparse.contains(last)) return row.sparse[last];
  row.dense.resize(std::max<std::size_t>(position + 1, std::min<std::size_t>(2 * row.dense.size(), position + 4096)),
                   0);
  // What was sparse below the new end moves, so that an id has one entry.
  for (auto it = row.sparse.begin(); it != row.sparse.end();) {
    if (it->first >= 0 && static_cast<std::uint64_t>(it->first) < row.dense.size()) {
      row.dense[static_cast<std::uint64_t>(it->first)] = it->second;
      it = row.sparse.erase(it);
    } else {
      ++it;
    }
  }
  return row.dense[position];
}

tasks::Record* SpaceState::named_locked(Row& row, std::int64_t last) {
  Entry& entry = entry_locked(row, last);
  if ((entry & kFinished) != 0) return nullptr;
  if (entry == 0) {
    if (closed_) throw RuntimeClosed("polyreme: an id of space '" + name_ + "' was named after its runtime was closed");
    tasks::Record& record = source_.make();
    tasks::Rare& rare = tasks::rare_of(record);
    rare.space = shared_from_this();
    rare.space_index = last;
    rare.space_row = &row;
    rare.leading_indices = row.leading;
    entry = reinterpret_cast<Entry>(&record);
    note_unspawned();
  }
  auto* record = reinterpret_cast<tasks::Record*>(entry);
  tasks::add_reference(*record);
  return record;
}

tasks::Record* SpaceState::find_or_name(std::span<const std::int64_t> index) {
  if (index.empty()) throw UsageError("polyreme: an id of space '" + name_ + "' needs at least one index");
  const std::lock_guard lock(mutex_);
  return named_locked(row_locked(index.first(index.size() - 1)), index.back());
}

tasks::Record& SpaceState::find_or_done(std::span<const std::int64_t> index) {
  if (index.empty()) throw UsageError("polyreme: an id of space '" + name_ + "' needs at least one index");
  const std::lock_guard lock(mutex_);
  Row& row = row_locked(index.first(index.size() - 1));
  if (tasks::Record* record = named_locked(row, index.back()); record != nullptr) return *record;
  return stand_in_locked(row, index.back(), entry_locked(row, index.back()) >> 1);
}

/// A record like that of the finished task, but for the task's own name.
tasks::Record& SpaceState::stand_in_locked(const Row& row, std::int64_t last, std::uint64_t number) {
  if (closed_ && keeper_ == nullptr) {  // the source may be gone
    throw RuntimeClosed("polyreme: a finished id of space '" + name_ + "' was used after its runtime was closed");
  }
  tasks::Record& record = source_.make_done();
  record.id = number;
  tasks::Rare& rare = tasks::rare_of(record);
  rare.space = shared_from_this();
  rare.space_index = last;
  rare.leading_indices = row.leading;
  return record;
}

void SpaceState::keep_if_spawned_locked(Entry entry, std::vector<tasks::Record*>& out) {
  tasks::Record* const record = record_in(entry);
  if (record == nullptr || (tasks::flags_of(*record) & tasks::state::kSpawned) == 0) return;
  tasks::add_reference(*record);
  out.push_back(record);
}

void SpaceState::name_in_row_locked(Row& row, const IndexRange& range, std::vector<tasks::Record*>& out) {
  for (std::uint64_t i = 0, n = length(range); i < n; ++i) {
    const auto last =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(range.start) + i * static_cast<std::uint64_t>(range.step));
    if (tasks::Record* record = named_locked(row, last); record != nullptr) out.push_back(record);
  }
}

void SpaceState::keep_spawned_in_row_locked(const Row& row, const IndexRange& range, std::vector<tasks::Record*>& out) {
  for (std::size_t i = 0; i < row.dense.size(); ++i) {
    if (in_range(range, static_cast<std::int64_t>(i))) keep_if_spawned_locked(row.dense[i], out);
  }
  for (const auto& [last, entry] : row.sparse) {
    if (in_range(range, last)) keep_if_spawned_locked(entry, out);
  }
}

void SpaceState::select(std::span<const IndexRange> ranges, std::vector<tasks::Record*>& out) {
  if (ranges.empty()) throw UsageError("polyreme: a slice of space '" + name_ + "' needs at least one index");
  std::uint64_t named = 1;
  bool open = false;
  for (const IndexRange& range : ranges) {
    open = open || range.open;
    if (range.step <= 0) {
      throw UsageError("polyreme: step " + std::to_string(range.step) + " in a slice of space '" + name_ +
                       "'; steps are positive");
    }
    if (!range.open) named = std::min(kMaxNamed + 1, named * std::min(kMaxNamed + 1, length(range)));
  }
  if (!open && named > kMaxNamed) {
    throw UsageError("polyreme: a slice of space '" + name_ + "' names more than " + std::to_string(kMaxNamed) +
                     " ids; depend on a smaller slice or on the space itself");
  }
  const std::span<const IndexRange> leading = ranges.first(ranges.size() - 1);

  const std::lock_guard lock(mutex_);
  if (open) {
    // Open in one index is open as a whole: the bounded ranges choose among what was spawned.
    for (auto& [key, row] : rows_) {
      if (key.size() != leading.size()) continue;
      bool inside = true;
      for (std::size_t i = 0; i < key.size(); ++i)
        inside = inside && in_range(leading[i], key[i]);
      if (inside) keep_spawned_in_row_locked(*row, ranges.back(), out);
    }
    return;
  }
  std::vector<std::int64_t> key;
  for (const IndexRange& range : leading) {
    if (length(range) == 0) return;
    key.push_back(range.start);
  }
  // Odometer over the leading dimensions.
  while (true) {
    name_in_row_locked(row_locked(key), ranges.back(), out);
    std::size_t digit = key.size();
    while (digit > 0) {
      --digit;
      const std::uint64_t left =
          static_cast<std::uint64_t>(leading[digit].stop) - static_cast<std::uint64_t>(key[digit]);
      if (left > static_cast<std::uint64_t>(leading[digit].step)) {
        key[digit] += leading[digit].step;
        break;
      }
      key[digit] = leading[digit].start;
      if (digit == 0) return;
    }
    if (key.empty()) return;
  }
}

void SpaceState::select_all(std::vector<tasks::Record*>& out) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, row] : rows_) {
    for (const Entry entry : row->dense)
      keep_if_spawned_locked(entry, out);
    for (const auto& [last, entry] : row->sparse)
      keep_if_spawned_locked(entry, out);
  }
}

void SpaceState::retire(tasks::Record& record) noexcept {
  {
    const std::lock_guard lock(mutex_);
    auto* row = static_cast<Row*>(record.rare->space_row);
    if (row == nullptr) return;
    Entry& entry = entry_locked(*row, record.rare->space_index);
    if (entry != reinterpret_cast<Entry>(&record)) return;
    entry = record.id << 1 | kFinished;
    any_finished_ = true;
  }
  source_.drop(record);
}

void SpaceState::clear() noexcept {
  std::vector<tasks::Record*> held;
  const auto hold = [&held](Entry entry) {
    if (tasks::Record* record = record_in(entry); record != nullptr) held.push_back(record);
  };
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, row] : rows_) {
      std::ranges::for_each(row->dense, hold);
      for (const auto& [last, entry] : row->sparse)
        hold(entry);
    }
    // retire() must not follow the position of an entry that is gone. Ids that outlive the space may make new rows.
    for (tasks::Record* record : held)
      record->rare->space_row = nullptr;
    rows_.clear();
    last_row_ = nullptr;
  }
  for (tasks::Record* record : held) {
    if ((tasks::flags_of(*record) & tasks::state::kSpawned) != 0) {
      source_.drop(*record);
    } else {
      source_.give_up(*record);
    }
  }
}

void SpaceState::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (!any_finished_) return;
  try {
    keeper_ = &source_.make_done();
  } catch (...) {
    keeper_ = nullptr;  // finished ids are out of reach then, which is said where one is used
  }
}

void SpaceState::for_each(const std::function<void(tasks::Record&)>& fn) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, row] : rows_) {
    for (const Entry entry : row->dense) {
      if (tasks::Record* record = record_in(entry); record != nullptr) fn(*record);
    }
    for (const auto& [last, entry] : row->sparse) {
      if (tasks::Record* record = record_in(entry); record != nullptr) fn(*record);
    }
  }
}

}  // namespace polyreme::graph
