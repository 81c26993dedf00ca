// Task spaces without an engine: placeholders, what finished ids cost, and what is left when nobody can name them.
#include <polyreme/errors.hpp>

#include "graph/space.hpp"
#include "support/records.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace polyreme::graph {
namespace {

using tasks::Record;

class GraphSpace : public testing::Test {
 protected:
  ~GraphSpace() override {
    space_->clear();
    EXPECT_EQ(source_.alive(), 0);
  }
  Record* find(std::vector<std::int64_t> index) { return space_->find_or_name(index); }
  void spawn(Record& record) {
    ASSERT_TRUE(tasks::claim_for_spawn(record));
    space_->note_spawned();
  }

  test::HeapRecords source_;
  std::shared_ptr<SpaceState> space_ = std::make_shared<SpaceState>(source_, "S");
};

TEST_F(GraphSpace, AnIdHasOneRecord) {
  Record* first = find({3, 4});
  Record* again = find({3, 4});
  Record* other = find({4, 3});
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  EXPECT_EQ(id_of(*first->rare), "S[3, 4]");
  EXPECT_EQ(space_->unspawned(), 2U);
  for (Record* record : {first, again, other})
    source_.drop(*record);
}

TEST_F(GraphSpace, IndicesFarApartAndNegative) {
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  std::set<Record*> seen;
  for (const std::int64_t index : {kLowest, std::int64_t{-1}, std::int64_t{0}, std::int64_t{5}, kHighest}) {
    Record* record = find({index});
    EXPECT_EQ(id_of(*record->rare), "S[" + std::to_string(index) + "]");
    seen.insert(record);
    source_.drop(*record);
  }
  EXPECT_EQ(seen.size(), 5U);
}

/// Ids that were hashed move to the dense part of their row when that grows over them.
TEST_F(GraphSpace, AnIdKeepsItsRecordWhenItsRowGrows) {
  Record* far = find({900});
  for (std::int64_t i = 0; i < 1000; ++i) {
    Record* record = find({i});
    if (i == 900) {
      EXPECT_EQ(record, far);
    }
    source_.drop(*record);
  }
  EXPECT_EQ(space_->unspawned(), 1000U);
  source_.drop(*far);
}

TEST_F(GraphSpace, AFinishedIdKeepsNoRecord) {
  Record* record = find({7});
  spawn(*record);
  space_->retire(*record);
  source_.drop(*record);
  EXPECT_EQ(source_.alive(), 0);
  EXPECT_EQ(find({7}), nullptr);
  const std::array<std::int64_t, 1> seven{7};
  Record& done = space_->find_or_done(seven);
  EXPECT_TRUE(tasks::done(done));
  source_.drop(done);
}

TEST_F(GraphSpace, TheStandInOfAFinishedIdHasItsNameAndNumber) {
  Record* record = find({2, 7});
  const std::uint64_t number = record->id;
  spawn(*record);
  space_->retire(*record);
  source_.drop(*record);
  const std::array<std::int64_t, 2> index{2, 7};
  for (int i = 0; i < 2; ++i) {
    Record& done = space_->find_or_done(index);
    EXPECT_EQ(done.id, number);
    EXPECT_EQ(id_of(*done.rare), "S[2, 7]");
    source_.drop(done);
    EXPECT_EQ(source_.alive(), 0);
  }
  space_->for_each([](Record&) { ADD_FAILURE() << "a finished id has no record"; });
  std::vector<Record*> found;
  space_->select_all(found);
  EXPECT_TRUE(found.empty());
}

TEST_F(GraphSpace, FinishedIdsAnswerAfterClose) {
  Record* record = find({0});
  spawn(*record);
  space_->retire(*record);
  source_.drop(*record);
  space_->close();
  EXPECT_EQ(source_.alive(), 1) << "the source must not go before the space";
  const std::array<std::int64_t, 1> index{0};
  Record* done = &space_->find_or_done(index);
  EXPECT_EQ(id_of(*done->rare), "S[0]");
  EXPECT_THROW(static_cast<void>(find({1})), RuntimeClosed);
  space_.reset();
  EXPECT_EQ(source_.alive(), 2) << "the stand-in keeps its space";
  source_.drop(*done);
  EXPECT_EQ(source_.alive(), 0);
  space_ = std::make_shared<SpaceState>(source_, "S");
}

TEST_F(GraphSpace, ASliceKeepsWhatItFinds) {
  Record* record = find({2});
  spawn(*record);
  source_.drop(*record);
  std::vector<Record*> found;
  space_->select_all(found);
  ASSERT_EQ(found.size(), 1U);
  space_->clear();
  EXPECT_EQ(source_.alive(), 1);
  EXPECT_EQ(id_of(*found[0]->rare), "S[2]") << "the record outlives its entry";
  source_.drop(*found[0]);
}

TEST_F(GraphSpace, ClearGivesUpWhatWasNotSpawned) {
  Record* spawned = find({0});
  spawn(*spawned);
  source_.drop(*spawned);
  source_.drop(*find({1}));
  source_.drop(*find({2, 2}));
  space_->clear();
  EXPECT_EQ(source_.given_up(), 2);
  EXPECT_EQ(source_.alive(), 0);
}

TEST_F(GraphSpace, RetiringAfterClearDoesNothing) {
  Record* record = find({1});
  spawn(*record);
  space_->clear();
  Record* newcomer = find({1});
  EXPECT_NE(newcomer, record);
  space_->retire(*record);
  EXPECT_EQ(find({1}), newcomer);
  source_.drop(*newcomer);
  source_.drop(*newcomer);
  source_.drop(*record);
}

TEST_F(GraphSpace, AfterCloseNoNewIdCanBeNamed) {
  Record* known = find({0});
  space_->close();
  Record* again = find({0});
  EXPECT_EQ(again, known);
  EXPECT_THROW(static_cast<void>(find({1})), RuntimeClosed);
  source_.drop(*known);
  source_.drop(*again);
}

TEST_F(GraphSpace, BadSlices) {
  std::vector<Record*> found;
  EXPECT_THROW(space_->select({}, found), UsageError);
  const std::array<IndexRange, 1> standing{IndexRange{0, 5, 0, false}};
  EXPECT_THROW(space_->select(standing, found), UsageError);
  const std::array<IndexRange, 2> huge{IndexRange{0, 1 << 20, 1, false}, IndexRange{0, 1 << 20, 1, false}};
  EXPECT_THROW(space_->select(huge, found), UsageError);
  EXPECT_THROW(static_cast<void>(find({})), UsageError);
  EXPECT_TRUE(found.empty());
}

}  // namespace
}  // namespace polyreme::graph
