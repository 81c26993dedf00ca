// The ends of things: of a thread that has used a runtime, of the process with a runtime open, of a runtime that a
// thread is still spawning to.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "support/eventually.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace polyreme {
namespace {

/// Runs a function when it is destroyed.
class AtEnd {
 public:
  void set(std::function<void()> function) { function_ = std::move(function); }
  AtEnd() = default;
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() {
    if (function_) function_();
  }

 private:
  std::function<void()> function_;
};

TEST(RuntimeEnd, AnEngineStaysForAsLongAsAScopeOfItIsWatched) {
  std::optional<runtime::Watching> late;
  {
    Runtime rt({.workers = 1});
    runtime::ScopeState& scope = rt.engine().open_scope(false);
    late.emplace(scope);
    rt.engine().close_scope(scope);
  }
  Runtime({.workers = 1}).wait();  // frees what nobody needs any more
  late.reset();                    // AddressSanitizer would see a write to freed memory
}

TEST(RuntimeThreadEnd, LateDestructorsMaySpawnAndWait) {
  Runtime rt({.workers = 1});
  int ran = 0;
  const auto spawn_and_wait = [&] { rt.spawn([&] { ++ran; }).get(); };
  const auto use_until_the_end = [&] {
    static thread_local AtEnd last;
    static thread_local AtEnd first;
    last.set(spawn_and_wait);
    first.set(spawn_and_wait);
    spawn_and_wait();
  };
  launch::LaneTable& lanes = rt.engine().deck().lanes;
  std::thread(use_until_the_end).join();
  const std::uint32_t once = lanes.size();
  for (int i = 0; i < 4; ++i)
    std::thread(use_until_the_end).join();
  EXPECT_EQ(ran, 15);
  EXPECT_EQ(lanes.size(), once) << "each thread gives back all its lanes";
}

TEST(RuntimeThreadEnd, ALateDestructorMayDropTheLastHandleOfASpace) {
  Runtime rt({.workers = 1});
  Task<> waiting;
  std::thread([&] {
    // Made before the thread's first spawn, so destroyed after what that has made.
    static thread_local std::optional<Space> space;
    space = rt.space("S");
    waiting = rt.spawn({.after = {(*space)[0]}}, [] {});
  }).join();
  EXPECT_THROW(waiting.get(), DependencyFailed);
  EXPECT_THROW(rt.wait(), TaskErrors);
}

/// Ends the process while tasks of a static runtime wait for a static destructor. Then its threads go on to use what is
/// made once in a process.
[[noreturn]] void exit_with_running_tasks() {
  static std::latch exiting(1);
  static std::latch done(1);
  static Runtime rt({.workers = 2, .pin = true});
  static AtEnd opener;
  opener.set([] { exiting.count_down(); });
  const auto first = rt.spawn([] { done.wait(); });
  rt.spawn([first] {
    exiting.wait();
    // A body's wait with a limit makes a spare thread, which binds itself to a core.
    static_cast<void>(first.wait_for(std::chrono::nanoseconds(1)));
    rt.spawn([] { done.count_down(); });
  });
  std::exit(0);
}

TEST(RuntimeProcessEndDeathTest, AStaticRuntimeIsClosed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_with_running_tasks(), testing::ExitedWithCode(0), "");
}

TEST(RuntimeClose, WakesAThreadThatSleepsBecauseTheLaneWasFull) {
  std::atomic<bool> asleep{false};
  Runtime rt({.workers = 1, .max_ready = 1, .stall_warning_s = 0.001, .warn = [&](const std::string& text) {
                EXPECT_NE(text.find("max_ready"), std::string::npos) << text;
                asleep = true;
              }});
  launch::SlotPool& pool = rt.engine().deck().pool;
  // The worker leaves, so that nobody takes the tasks out of the lane.
  pool.stop();
  test::await([&] { return pool.locked([](bool all_free) { return all_free; }); });
  const Space space = rt.space("S");
  std::thread producer([&] {
    rt.spawn({.id = space[0]}, [] {});
    rt.spawn({.id = space[1]}, [] {});
  });
  test::await([&] { return asleep.load(); });
  // Run by this thread; their entries stay behind.
  space[0].task().wait();
  space[1].task().wait();
  rt.engine().close();
  producer.join();
}

}  // namespace
}  // namespace polyreme
