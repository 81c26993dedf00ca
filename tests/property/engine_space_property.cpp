// Slices of task spaces against a search through all ids.
#include "graph/space.hpp"
#include "support/records.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace polyreme::graph {
namespace {

using Index = std::vector<std::int64_t>;

enum class Phase : std::uint8_t { kNamed, kSpawned, kFinished };

std::int64_t random_index() {
  // Close ones often meet; far ones leave the dense part of a row.
  return *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-3, 8), rc::gen::inRange<std::int64_t>(-3, 8),
                         rc::gen::inRange<std::int64_t>(-500, 5000));
}

IndexRange random_range() {
  IndexRange range;
  range.start = *rc::gen::inRange<std::int64_t>(-4, 8);
  range.stop = range.start + *rc::gen::inRange<std::int64_t>(-2, 9);
  range.step = *rc::gen::inRange<std::int64_t>(1, 4);
  range.open = *rc::gen::element(true, false, false);
  return range;
}

bool contains(const IndexRange& range, std::int64_t index) {
  return index >= range.start && (range.open || index < range.stop) && (index - range.start) % range.step == 0;
}

/// Calls fn(index) for each point of a product of bounded ranges.
template <class Fn>
void for_each_point(const std::vector<IndexRange>& ranges, Index& prefix, Fn&& fn) {
  if (prefix.size() == ranges.size()) {
    fn(prefix);
    return;
  }
  const IndexRange& range = ranges[prefix.size()];
  for (std::int64_t i = range.start; i < range.stop; i += range.step) {
    prefix.push_back(i);
    for_each_point(ranges, prefix, fn);
    prefix.pop_back();
  }
}

Index index_of(const tasks::Record& record) {
  Index index = *record.rare->leading_indices;
  index.push_back(record.rare->space_index);
  return index;
}

RC_GTEST_PROP(EngineSpaceProperty, SlicesFindWhatASearchFinds, ()) {
  test::HeapRecords source;
  const auto space = std::make_shared<SpaceState>(source, "S");
  std::map<Index, Phase> model;

  const auto bring_to = [&](const Index& index, Phase phase) {
    tasks::Record* record = space->find_or_name(index);
    RC_ASSERT((record == nullptr) == (model.contains(index) && model[index] == Phase::kFinished));
    model.try_emplace(index, Phase::kNamed);
    if (record == nullptr) return;
    if (phase >= Phase::kSpawned && model[index] == Phase::kNamed) {
      RC_ASSERT(tasks::claim_for_spawn(*record));
      space->note_spawned();
      model[index] = Phase::kSpawned;
    }
    if (phase == Phase::kFinished) {
      space->retire(*record);
      model[index] = Phase::kFinished;
    }
    source.drop(*record);
  };

  const auto rank = *rc::gen::inRange<std::size_t>(1, 4);
  for (int i = *rc::gen::inRange(0, 40); i > 0; --i) {
    Index index;
    for (std::size_t k = 0; k < rank; ++k)
      index.push_back(random_index());
    bring_to(index, static_cast<Phase>(*rc::gen::inRange(0, 3)));
  }

  for (int slices = 0; slices < 4; ++slices) {
    std::vector<IndexRange> ranges;
    bool open = false;
    for (std::size_t k = 0; k < rank; ++k) {
      ranges.push_back(random_range());
      open = open || ranges.back().open;
    }
    std::set<Index> expected;
    if (open) {
      for (const auto& [index, phase] : model) {
        bool inside = phase == Phase::kSpawned;
        for (std::size_t k = 0; k < rank; ++k)
          inside = inside && contains(ranges[k], index[k]);
        if (inside) expected.insert(index);
      }
    } else {
      Index prefix;
      for_each_point(ranges, prefix, [&](const Index& index) {
        if (model.try_emplace(index, Phase::kNamed).first->second != Phase::kFinished) expected.insert(index);
      });
    }
    std::vector<tasks::Record*> selected;
    space->select(ranges, selected);
    std::set<Index> seen;
    for (tasks::Record* record : selected) {
      seen.insert(index_of(*record));
      source.drop(*record);
    }
    RC_ASSERT(seen.size() == selected.size());
    RC_ASSERT(seen == expected);
  }

  std::uint64_t unspawned = 0;
  std::size_t spawned = 0;
  for (const auto& [index, phase] : model) {
    unspawned += phase == Phase::kNamed ? 1 : 0;
    spawned += phase == Phase::kSpawned ? 1 : 0;
  }
  RC_ASSERT(space->unspawned() == unspawned);
  std::vector<tasks::Record*> all;
  space->select_all(all);
  RC_ASSERT(all.size() == spawned);
  for (tasks::Record* record : all)
    source.drop(*record);
  space->clear();
  RC_ASSERT(source.alive() == 0);
  RC_ASSERT(static_cast<std::uint64_t>(source.given_up()) == unspawned);
}

}  // namespace
}  // namespace polyreme::graph
