// Successor lists, edge blocks, the count of what a task waits for, and completion on top of them.
#include "complete/finish.hpp"
#include "graph/dependencies.hpp"
#include "graph/successors.hpp"
#include "support/records.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>
#include <vector>

namespace polyreme::graph {
namespace {

using tasks::Record;

/// Notes that it was told.
struct Note : Listener {
  Note() {
    notify = [](Listener& self, Record& done) noexcept { static_cast<Note&>(self).told_of = &done; };
  }
  Record* told_of = nullptr;
};

class GraphSuccessors : public testing::Test {
 protected:
  ~GraphSuccessors() override {
    for (Record* record : records_) {
      for_each_block(*record, [this](void* block) { free_block(block); });
      if (!tasks::sole_owner(*record)) source_.drop(*record);
      source_.drop(*record);
    }
    EXPECT_EQ(source_.alive(), 0);
    EXPECT_EQ(blocks_, 0);
  }
  /// A record that the test and someone else hold.
  Record& make() {
    records_.push_back(&source_.make());
    tasks::add_reference(*records_.back());
    return *records_.back();
  }
  void let_go(Record& record) { source_.drop(record); }
  void* allocate_block() {
    ++blocks_;
    return ::operator new(base::kBlockBytes);
  }
  void free_block(void* block) {
    --blocks_;
    ::operator delete(block);
  }
  EdgeWriter writer(Record& record, std::size_t count) {
    return EdgeWriter(record, count, [this] { return allocate_block(); });
  }
  /// Links `task` to all, as a spawn does. True: it is ready.
  bool link(Record& task, const std::vector<Record*>& predecessors) {
    EdgeWriter edges = writer(task, predecessors.size());
    task.pending = static_cast<std::uint32_t>(predecessors.size());
    std::uint32_t met = 0;
    for (Record* predecessor : predecessors)
      met += edges.push_to(*predecessor) ? 0U : 1U;
    return task.pending.fetch_sub(met) == met;
  }
  /// Completes `record`; what became ready.
  std::vector<Record*> finish(Record& record, const std::exception_ptr* cause = nullptr) {
    std::vector<Record*> ready;
    complete::finish(record, cause, [&](Record& one) { ready.push_back(&one); });
    return ready;
  }

  test::HeapRecords source_;
  std::vector<Record*> records_;
  int blocks_ = 0;
};

TEST_F(GraphSuccessors, EveryKindOfMemberIsToldApart) {
  Record& done = make();
  Record& inline_successor = make();
  Record& block_successor = make();
  BlockEdge edge{0, &block_successor};
  Note note;
  ASSERT_TRUE(push_inline_edge(done, inline_successor.edges[2]));
  ASSERT_TRUE(push_block_edge(done, edge));
  ASSERT_TRUE(push_listener(done, note));
  std::uintptr_t cursor = close_list(done.successors);
  EXPECT_TRUE(tasks::done(done));
  EXPECT_EQ(next_member(cursor).listener, &note);
  EXPECT_EQ(next_member(cursor).successor, &block_successor);
  EXPECT_EQ(next_member(cursor).successor, &inline_successor);
  EXPECT_EQ(cursor, 0U);
}

TEST_F(GraphSuccessors, AClosedListTakesNoMore) {
  Record& done = make();
  Record& late = make();
  BlockEdge edge{0, &late};
  Note note;
  EXPECT_EQ(close_list(done.successors), 0U);
  EXPECT_FALSE(push_inline_edge(done, late.edges[0]));
  EXPECT_FALSE(push_block_edge(done, edge));
  EXPECT_FALSE(push_listener(done, note));
}

TEST_F(GraphSuccessors, TheLastCountDownReports) {
  sync::Atomic<std::uint32_t> pending{3};
  EXPECT_FALSE(count_down(pending));
  EXPECT_FALSE(count_down(pending));
  EXPECT_TRUE(count_down(pending));
  EXPECT_EQ(pending.load(), 0U);
}

class GraphSuccessorsCount : public GraphSuccessors, public testing::WithParamInterface<std::size_t> {};

TEST_P(GraphSuccessorsCount, BecomesReadyWithTheLastPredecessor) {
  Record& task = make();
  std::vector<Record*> predecessors;
  for (std::size_t i = 0; i < GetParam(); ++i)
    predecessors.push_back(&make());
  ASSERT_FALSE(link(task, predecessors));
  const std::size_t in_blocks = GetParam() <= 3 ? 0 : GetParam() - 2;
  EXPECT_EQ(static_cast<std::size_t>(blocks_), (in_blocks + kEdgesPerBlock - 1) / kEdgesPerBlock);
  for (std::size_t i = 0; i + 1 < predecessors.size(); ++i)
    EXPECT_TRUE(finish(*predecessors[i]).empty());
  EXPECT_EQ(finish(*predecessors.back()), std::vector{&task});
}

TEST_P(GraphSuccessorsCount, PredecessorsThatAreDoneAreMet) {
  Record& task = make();
  std::vector<Record*> predecessors;
  std::vector<Record*> open;
  for (std::size_t i = 0; i < GetParam(); ++i) {
    predecessors.push_back(&make());
    if (i % 2 == 0) {
      static_cast<void>(finish(*predecessors.back()));
    } else {
      open.push_back(predecessors.back());
    }
  }
  EXPECT_EQ(link(task, predecessors), open.empty());
  for (std::size_t i = 0; i < open.size(); ++i)
    EXPECT_EQ(finish(*open[i]).size(), i + 1 == open.size() ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Predecessors, GraphSuccessorsCount, testing::Values(1, 2, 3, 4, 9, 10, 16, 100));

TEST_F(GraphSuccessors, OneTaskTwiceAmongThePredecessors) {
  Record& task = make();
  Record& before = make();
  ASSERT_FALSE(link(task, {&before, &before}));
  EXPECT_EQ(finish(before), std::vector{&task});
}

TEST_F(GraphSuccessors, AFailurePoisonsEverySuccessorWithTheFirstCause) {
  Record& first = make();
  Record& second = make();
  Record& task = make();
  ASSERT_FALSE(link(task, {&first, &second}));
  const std::exception_ptr cause = std::make_exception_ptr(std::runtime_error("first"));
  const std::exception_ptr other = std::make_exception_ptr(std::runtime_error("second"));
  EXPECT_TRUE(finish(first, &cause).empty());
  EXPECT_EQ(finish(second, &other), std::vector{&task});
  EXPECT_NE(tasks::flags_of(task) & tasks::state::kPoisoned, 0U);
  EXPECT_EQ(task.rare->failure, cause);
  EXPECT_EQ(task.rare->cancelled_by, first.id);
}

TEST_F(GraphSuccessors, ListenersAreToldOnce) {
  Record& record = make();
  Note note;
  ASSERT_TRUE(push_listener(record, note));
  EXPECT_TRUE(finish(record).empty());
  EXPECT_EQ(note.told_of, &record);
}

TEST_F(GraphSuccessors, WithoutHandlesTheListNeedNotBeClosed) {
  Record& record = make();
  Record& task = make();
  ASSERT_FALSE(link(task, {&record}));
  let_go(record);
  ASSERT_TRUE(tasks::only_engine_holds(record));
  EXPECT_EQ(finish(record), std::vector{&task});
}

}  // namespace
}  // namespace polyreme::graph
