// Task spaces: ids that are usable before their tasks are spawned.
//
// An id maps to one 64-bit entry: 0 (never named), finished (done, with no result to keep; the entry holds the number
// of the task), or a record, to which the entry holds a reference. Naming an id that has no entry makes a placeholder
// record; spawning it later fills that record. A finished id without a result costs its entry alone; a space that
// nobody can name any more (clear()) costs nothing. Whoever asks for the record of a finished id gets a stand-in that
// is done and has the number and the name of the task.
//
// Layout. The last index runs along a row, dense from 0 as far as that pays, hashed otherwise; the leading indices
// choose the row. Everything is guarded by one mutex a space: look-ups are short, and spawning into one space from many
// threads at once is rare.
#pragma once

#include "task/record.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace polyreme::graph {

/// Indices start, start + step, … below stop along one dimension. Open: those spawned so far, filtered by start and
/// step.
struct IndexRange {
  std::int64_t start = 0;
  std::int64_t stop = 0;
  std::int64_t step = 1;
  bool open = false;
};

/// Where placeholders come from; implemented by the runtime. `make` returns a record in phase placeholder with one
/// reference, `drop` gives a reference back.
class RecordSource {
 public:
  RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;
  virtual ~RecordSource() = default;
  [[nodiscard]] virtual tasks::Record& make() = 0;
  /// A record that is done, has no result, and has one reference.
  [[nodiscard]] virtual tasks::Record& make_done() = 0;
  virtual void drop(tasks::Record& record) noexcept = 0;
  /// The same for a placeholder that nobody can name any more: whoever waits for it must be told.
  virtual void give_up(tasks::Record& record) noexcept = 0;
};

/// "T[1, 2]", for a record that has an id.
[[nodiscard]] std::string id_of(const tasks::Rare& rare);

class SpaceState : public std::enable_shared_from_this<SpaceState> {
 public:
  SpaceState(RecordSource& source, std::string name) : source_(source), name_(std::move(name)) {}
  SpaceState(const SpaceState&) = delete;
  SpaceState& operator=(const SpaceState&) = delete;
  ~SpaceState() {
    if (keeper_ != nullptr) source_.drop(*keeper_);
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool comes_from(const RecordSource& source) const noexcept { return &source_ == &source; }
  [[nodiscard]] std::string label(std::span<const std::int64_t> index) const;

  /// The record of an id, with a reference for the caller; a placeholder is made if need be. Null: finished without
  /// result.
  [[nodiscard]] tasks::Record* find_or_name(std::span<const std::int64_t> index);

  /// The same, but for a finished id a stand-in: a record that is done, with the id and the number of its task.
  [[nodiscard]] tasks::Record& find_or_done(std::span<const std::int64_t> index);

  /// Appends the unfinished records (each with a reference for the caller) of all ids in the product of the ranges; if
  /// one of these is open, only of those spawned so far.
  /// @throws UsageError if the ranges name more than kMaxNamed ids or a step is not positive.
  void select(std::span<const IndexRange> ranges, std::vector<tasks::Record*>& out);
  /// The same for every id spawned so far.
  void select_all(std::vector<tasks::Record*>& out);

  /// The record's task is done and left no result: keeps its entry only. Drops the entry's reference.
  void retire(tasks::Record& record) noexcept;

  /// Nobody can name the ids any more: drops all references, and gives up what was named and not spawned.
  void clear() noexcept;

  /// The runtime closes: ids that were never named can no longer be. To be called while records can still be made.
  void close() noexcept;

  /// Calls fn(record) for each entry that holds a record; used by the deadlock search, which holds the slot pool's
  /// lock.
  void for_each(const std::function<void(tasks::Record&)>& fn);

  /// Ids named but not spawned. Changed by note_named/note_spawned under the lock, read by anyone.
  [[nodiscard]] std::uint64_t unspawned() const noexcept { return unspawned_.load(sync::memory_order_acquire); }
  void note_spawned() noexcept { unspawned_.fetch_sub(1, sync::memory_order_acq_rel); }
  void note_unspawned() noexcept { unspawned_.fetch_add(1, sync::memory_order_acq_rel); }

  static constexpr std::uint64_t kMaxNamed = std::uint64_t{1} << 28;

 private:
  using Entry = std::uint64_t;
  /// Set in the entry of a finished id, above it the number of its task; records are aligned, so theirs have it clear.
  static constexpr Entry kFinished = 1;

  /// The record of an entry, or null: there is none, or it is finished.
  [[nodiscard]] static tasks::Record* record_in(Entry entry) noexcept {
    return (entry & kFinished) != 0 ? nullptr : reinterpret_cast<tasks::Record*>(entry);
  }

  struct Row {
    std::vector<Entry> dense;
    std::unordered_map<std::int64_t, Entry> sparse;
    std::shared_ptr<const std::vector<std::int64_t>> leading;
  };
  struct LeadingHash {
    using is_transparent = void;
    std::size_t operator()(std::span<const std::int64_t> key) const noexcept;
    std::size_t operator()(const std::vector<std::int64_t>& key) const noexcept {
      return (*this)(std::span<const std::int64_t>(key));
    }
  };
  struct LeadingEqual {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }
  };

  Row& row_locked(std::span<const std::int64_t> leading);
  Entry& entry_locked(Row& row, std::int64_t last);
  tasks::Record* named_locked(Row& row, std::int64_t last);
  tasks::Record& stand_in_locked(const Row& row, std::int64_t last, std::uint64_t number);
  void name_in_row_locked(Row& row, const IndexRange& range, std::vector<tasks::Record*>& out);
  void keep_spawned_in_row_locked(const Row& row, const IndexRange& range, std::vector<tasks::Record*>& out);
  void keep_if_spawned_locked(Entry entry, std::vector<tasks::Record*>& out);

  RecordSource& source_;
  const std::string name_;
  std::mutex mutex_;
  std::unordered_map<std::vector<std::int64_t>, std::unique_ptr<Row>, LeadingHash, LeadingEqual> rows_;
  bool closed_ = false;
  bool any_finished_ = false;
  tasks::Record* keeper_ =
      nullptr;               ///< from close() on, if there are finished ids: a live record keeps the source alive
  Row* last_row_ = nullptr;  ///< most look-ups stay in one row
  sync::Atomic<std::uint64_t> unspawned_{0};
};

}  // namespace polyreme::graph
