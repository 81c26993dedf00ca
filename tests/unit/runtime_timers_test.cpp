// runtime/timers.hpp alone: what is due is handed over, in order of time; the rest is given back.
#include "runtime/timers.hpp"
#include "support/records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <vector>

namespace polyreme::runtime {
namespace {

using namespace std::chrono_literals;

/// Keeps what was due, in that order.
class Kept {
 public:
  static void due(void* self, tasks::Record& record) {
    auto& kept = *static_cast<Kept*>(self);
    const std::lock_guard lock(kept.mutex_);
    kept.records_.push_back(&record);
    kept.more_.notify_all();
  }
  [[nodiscard]] std::vector<tasks::Record*> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    more_.wait(lock, [&] { return records_.size() >= count; });
    return records_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<tasks::Record*> records_;
};

class RuntimeTimers : public testing::Test {
 protected:
  tasks::Record& record() {
    made_.push_back(&heap_.make());
    return *made_.back();
  }
  ~RuntimeTimers() override {
    timers_.stop();
    for (tasks::Record* record : made_)
      heap_.drop(*record);
  }

  Kept kept_;
  Timers timers_{&Kept::due, &kept_};

 private:
  test::HeapRecords heap_;
  std::vector<tasks::Record*> made_;
};

TEST_F(RuntimeTimers, HandsOverInOrderOfTime) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::vector<int> delays(50);
  for (int i = 0; i < 50; ++i)
    delays[static_cast<std::size_t>(i)] = i;
  std::ranges::shuffle(delays, std::mt19937(seed));
  // All in the past but the first, so that they stand in the heap together.
  const auto base = Timers::Clock::now() + 1s;
  std::vector<tasks::Record*> expected(50);
  for (const int delay : delays) {
    tasks::Record& one = record();
    expected[static_cast<std::size_t>(delay)] = &one;
    timers_.add(base + delay * 1us, one);
  }
  timers_.expire();
  EXPECT_EQ(kept_.wait_for(50), expected);
}

TEST_F(RuntimeTimers, AnEarlierOneOvertakes) {
  tasks::Record& late = record();
  tasks::Record& soon = record();
  timers_.add(Timers::Clock::now() + 1h, late);
  timers_.add(Timers::Clock::now() + 1ms, soon);
  EXPECT_EQ(kept_.wait_for(1), std::vector<tasks::Record*>{&soon});
  EXPECT_TRUE(timers_.remove(late));
  EXPECT_FALSE(timers_.remove(late));
  EXPECT_FALSE(timers_.remove(soon));
}

TEST_F(RuntimeTimers, AfterExpireEverythingIsDue) {
  timers_.expire();
  timers_.add(Timers::Clock::now() + 1h, record());
  EXPECT_EQ(kept_.wait_for(1).size(), 1U);
  timers_.resume();
  tasks::Record& late = record();
  timers_.add(Timers::Clock::now() + 1h, late);
  EXPECT_TRUE(timers_.remove(late));
}

}  // namespace
}  // namespace polyreme::runtime
