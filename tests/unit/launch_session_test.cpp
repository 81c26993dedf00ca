// A session, on one thread: which task it runs next while work that feeds itself never ends.
#include "launch/session.hpp"
#include "support/records.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace polyreme::launch {
namespace {

using detail::Domain;
using tasks::Record;

constexpr std::uint32_t kForeign = ~0U;

/// Keeps count of who is inside.
class CountingInterpreter final : public Interpreter {
 public:
  void enter() noexcept override { ++inside_; }
  void leave() noexcept override { --inside_; }
  void breathe() noexcept override {}
  void thread_ends() noexcept override {}
  [[nodiscard]] int inside() const noexcept { return inside_; }

 private:
  int inside_ = 0;
};

/// One slot, one foreign thread's lane, and bodies that the tests choose.
class LaunchSession : public testing::Test {
 public:
  tasks::Entry* run(tasks::Entry& entry, Lane& /*lane*/) {
    const auto& record = static_cast<Record&>(entry);
    EXPECT_EQ(interpreter_.inside(), record.domain == Domain::kInterpreter ? 1 : 0);
    const auto body = std::move(bodies_[record.id - 1]);  // it may push, and so move the others
    body();
    return nullptr;
  }

 protected:
  LaunchSession() {
    deck_.interpreter = &interpreter_;
    session_.board(deck_.pool.try_take(), true);
    session_.stop_when(&stop_);
  }
  ~LaunchSession() override {
    session_.leave_interpreter();
    for (Record* record : made_)
      records_.drop(*record);
  }

  void push(Lane& lane, Domain domain, std::function<void()> body, int priority = 0) {
    Record& record = records_.make();
    tasks::set_priority(record, priority);
    made_.push_back(&record);
    record.domain = domain;
    bodies_.push_back(std::move(body));
    deck_.push(lane, record);
  }

  /// Runs tasks that each push the next one, until `enough()`. Gives up when that should long have come true.
  template <class Enough>
  void feed(Domain domain, Enough&& enough) {
    feed_ = [&, domain] {
      stop_ = enough() || ++fed_ == kMost;
      if (!stop_) push(slot_lane_, domain, feed_);
    };
    push(slot_lane_, domain, feed_);
    static_cast<void>(session_.work([] { return true; }));
    EXPECT_LT(fed_, kMost);
  }

  static constexpr std::uint32_t kMost = 100 * Session<LaunchSession>::kFairness;

  base::BlockDepot depot_{nullptr};
  Deck deck_{1};
  Lane& slot_lane_ = deck_.lanes.add(depot_, 0);
  Lane& foreign_lane_ = deck_.lanes.add(depot_, kForeign);
  CountingInterpreter interpreter_;
  Session<LaunchSession> session_{*this, deck_};
  test::HeapRecords records_;
  std::vector<Record*> made_;
  std::vector<std::function<void()>> bodies_;  ///< by the records' ids, which begin at 1
  std::function<void()> feed_;
  std::uint32_t fed_ = 0;
  std::atomic<bool> stop_{false};
};

/// By the domain of the work that feeds itself.
class LaunchSessionFairness : public LaunchSession, public testing::WithParamInterface<Domain> {
 protected:
  [[nodiscard]] static Domain other() { return GetParam() == Domain::kNative ? Domain::kInterpreter : Domain::kNative; }
};

TEST_P(LaunchSessionFairness, ForeignTasksOfTheSameDomainGetTheirTurn) {
  int ran = 0;
  for (int i = 0; i < 20; ++i)
    push(foreign_lane_, GetParam(), [&] { ++ran; });
  feed(GetParam(), [&] { return ran == 20; });
  EXPECT_EQ(ran, 20);
}

TEST_P(LaunchSessionFairness, ForeignTasksOfTheOtherDomainGetTheirTurn) {
  int ran = 0;
  for (int i = 0; i < 20; ++i)
    push(foreign_lane_, other(), [&] { ++ran; });
  feed(GetParam(), [&] { return ran == 20; });
  EXPECT_EQ(ran, 20);
}

TEST_P(LaunchSessionFairness, TheSlotsOwnTasksOfTheOtherDomainGetTheirTurn) {
  int ran = 0;
  feed(GetParam(), [&] {
    for (int i = 0; i < 20 && fed_ == 1; ++i)
      push(slot_lane_, other(), [&] { ++ran; });
    return ran == 20;
  });
  EXPECT_EQ(ran, 20);
}

TEST_P(LaunchSessionFairness, AForeignThreadThatSpawnsWithoutEndHidesNoDomain) {
  int ran = 0;
  for (int i = 0; i < 20; ++i)
    push(foreign_lane_, other(), [&] { ++ran; });
  const auto refill = [&] {
    if (foreign_lane_.queues.ready(GetParam()) == 0) push(foreign_lane_, GetParam(), [] {});
  };
  feed(GetParam(), [&] {
    refill();
    return ran == 20;
  });
  EXPECT_EQ(ran, 20);
}

TEST_P(LaunchSessionFairness, TheOtherDomainGetsNoMoreThanItsTurn) {
  int fed_between = 0;
  std::uint32_t fed_before = 0;
  std::function<void()> endless = [&] {
    if (fed_ != fed_before) ++fed_between;
    fed_before = fed_;
    if (!stop_) push(foreign_lane_, other(), endless);
  };
  push(foreign_lane_, other(), endless);
  feed(GetParam(), [&] { return fed_between == 3; });
  EXPECT_EQ(fed_between, 3);
}

INSTANTIATE_TEST_SUITE_P(Domains, LaunchSessionFairness, testing::Values(Domain::kNative, Domain::kInterpreter),
                         [](const testing::TestParamInfo<Domain>& one) {
                           return one.param == Domain::kNative ? "NativeFeeds" : "InterpreterFeeds";
                         });

TEST_F(LaunchSession, TheHighestPriorityGoesFirstInBothDomains) {
  std::vector<std::pair<Domain, int>> order;
  for (const int priority : {0, -1, 1}) {
    for (const Domain domain : {Domain::kInterpreter, Domain::kNative})
      push(slot_lane_, domain, [&, domain, priority] { order.emplace_back(domain, priority); }, priority);
  }
  static_cast<void>(session_.work([] { return true; }));
  // Of equal ones those of the side that the session is on.
  EXPECT_EQ(order, (std::vector<std::pair<Domain, int>>{{Domain::kNative, 1},
                                                        {Domain::kInterpreter, 1},
                                                        {Domain::kInterpreter, 0},
                                                        {Domain::kNative, 0},
                                                        {Domain::kNative, -1},
                                                        {Domain::kInterpreter, -1}}));
}

TEST_P(LaunchSessionFairness, TasksOfALowPriorityGetTheirTurn) {
  int ran = 0;
  const auto count = [&] { ++ran; };
  for (const Domain domain : {GetParam(), other()}) {
    for (Lane* lane : {&slot_lane_, &foreign_lane_})
      push(*lane, domain, count, -1);
    push(foreign_lane_, domain, count, 0);
  }
  // Both lanes always have something of a higher priority.
  feed(GetParam(), [&] {
    if (foreign_lane_.queues.if_any(GetParam(), 1)->looks_empty()) push(foreign_lane_, GetParam(), [] {}, 1);
    return ran == 6;
  });
  EXPECT_EQ(ran, 6);
}

}  // namespace
}  // namespace polyreme::launch
