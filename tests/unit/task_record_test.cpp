// The named transitions of a task's state word.
#include "support/records.hpp"
#include "task/record.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace polyreme::tasks {
namespace {

class TaskRecord : public testing::Test {
 protected:
  TaskRecord() { reset(record_, 2, state::kSpawned); }
  ~TaskRecord() override {
    reset(record_, 1, 0);
    source_.drop(record_);
  }
  test::HeapRecords source_;
  Record& record_ = source_.make();
};

TEST_F(TaskRecord, BeginsUnstartedAndNotReady) {
  EXPECT_EQ(flags_of(record_), state::kSpawned);
  EXPECT_FALSE(done(record_));
  EXPECT_FALSE(sole_owner(record_));
  EXPECT_FALSE(try_claim(record_)) << "it waits for its commit";
}

TEST_F(TaskRecord, OnlyOneStartsIt) {
  record_.pending = 0;
  EXPECT_TRUE(try_start(record_));
  EXPECT_FALSE(try_start(record_));
  EXPECT_FALSE(try_claim(record_));
  EXPECT_EQ(flags_of(record_) & state::kClaimed, 0U) << "a claim that came too late must leave no mark";
}

TEST_F(TaskRecord, AClaimLeavesTheQueueEntryStale) {
  record_.pending = 0;
  EXPECT_TRUE(try_claim(record_));
  EXPECT_FALSE(try_claim(record_));
  EXPECT_FALSE(try_start(record_));
}

TEST_F(TaskRecord, AClaimedOneIsStaleAlsoForItsLastOwner) {
  record_.pending = 0;
  ASSERT_TRUE(try_claim(record_));
  ASSERT_FALSE(drop_reference(record_));
  EXPECT_TRUE(sole_owner(record_));
  EXPECT_FALSE(only_engine_holds(record_));
  EXPECT_FALSE(try_start(record_));
}

TEST_F(TaskRecord, WaitersMustNotBypassTheFullRoad) {
  record_.pending = 0;
  record_.flags |= kFullRoad;
  EXPECT_FALSE(try_claim(record_));
  EXPECT_TRUE(try_start(record_)) << "once admitted, a slot may";
}

TEST_F(TaskRecord, ATaskThatWaitsCanBeTakenOver) {
  record_.pending = 3;
  EXPECT_FALSE(try_claim(record_));
  EXPECT_TRUE(take_over_waiting(record_));
  EXPECT_FALSE(take_over_waiting(record_));
  EXPECT_FALSE(try_start(record_));
}

TEST_F(TaskRecord, AnIdIsSpawnedOnce) {
  reset(record_, 2, 0);
  EXPECT_TRUE(claim_for_spawn(record_));
  EXPECT_FALSE(claim_for_spawn(record_));
  unclaim_spawn(record_);
  EXPECT_TRUE(claim_for_spawn(record_)) << "a spawn that failed leaves the id free";
}

TEST_F(TaskRecord, TheFirstFailingPredecessorLeavesItsCause) {
  EXPECT_TRUE(set_poisoned(record_));
  EXPECT_FALSE(set_poisoned(record_));
}

TEST_F(TaskRecord, OutcomesKeepTheReferences) {
  set_outcome(record_, state::kFailed);
  EXPECT_EQ(flags_of(record_), state::kSpawned | state::kFailed);
  EXPECT_FALSE(drop_reference(record_));
  EXPECT_TRUE(sole_owner(record_));
  set_outcome(record_, state::kCancelled);
  EXPECT_EQ(flags_of(record_), state::kSpawned | state::kFailed | state::kCancelled);
  EXPECT_TRUE(drop_reference(record_));
}

TEST_F(TaskRecord, ReferencesAreCounted) {
  add_reference(record_);
  EXPECT_FALSE(drop_reference(record_));
  EXPECT_FALSE(drop_reference(record_));
  EXPECT_TRUE(drop_reference(record_));
}

TEST_F(TaskRecord, AnEntryOfAQueueWithoutHandles) {
  ASSERT_FALSE(drop_reference(record_));
  EXPECT_TRUE(only_engine_holds(record_));
  EXPECT_TRUE(try_start(record_));
}

TEST(TaskLabel, AnOldTextOutlivesANewOne) {
  Label label;
  EXPECT_TRUE(label.empty());
  EXPECT_EQ(label.text(), "");
  label = "a name that is too long to be stored in place";
  const std::string_view first = label.text();
  label = "another name";
  EXPECT_EQ(label.text(), "another name");
  EXPECT_EQ(first, "a name that is too long to be stored in place") << "somebody may be reading it";
  label = "";
  EXPECT_TRUE(label.empty());
}

TEST_F(TaskRecord, APlainOneHasNothingRare) {
  EXPECT_EQ(record_.rare, nullptr);
  Rare& rare = rare_of(record_);
  EXPECT_EQ(&rare, record_.rare);
  EXPECT_EQ(&rare, &rare_of(record_));
  delete record_.rare;
}

}  // namespace
}  // namespace polyreme::tasks
