// A task's name, asked for while it gets one, is spawned, fails and is cancelled.
#include <polyreme/runtime.hpp>

#include "stress/stress.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace polyreme {
namespace {

using stress::scaled;

/// Asks for the names of tasks, on a thread of its own, as long as it lives.
template <class Ask>
class Asking {
 public:
  explicit Asking(Ask ask)
      : thread_([this, ask] {
          while (!over_.load(std::memory_order_relaxed))
            ask();
        }) {}
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  ~Asking() {
    over_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

TEST(NameStress, OfATaskThatFailsAndOneThatIsCancelled) {
  Runtime rt({.workers = 2});
  for (int i = 0, rounds = scaled(100); i < rounds; ++i) {
    std::atomic<bool> go{false};
    const auto failing = rt.spawn([&] {
      go.wait(false);
      throw std::runtime_error("first");
    });
    const auto cancelled = rt.spawn({.after = {failing}}, [] {});
    {
      const std::string first = failing.name();
      const std::string second = cancelled.name();
      const Asking asking([&] {
        EXPECT_EQ(failing.name(), first);
        EXPECT_EQ(cancelled.name(), second);
      });
      go = true;
      go.notify_all();
      EXPECT_THROW(cancelled.get(), DependencyFailed);
    }
    EXPECT_THROW(rt.wait(), TaskErrors);
  }
}

TEST(NameStress, OfAnIdThatIsSpawned) {
  Runtime rt({.workers = 2});
  const Space space = rt.space("S");
  for (int i = 0, rounds = scaled(300); i < rounds; ++i) {
    const auto task = space[i].task();
    const std::string unnamed = task.name();
    const std::string named = unnamed + " (a name that is too long to be stored in place)";
    const Asking asking([&] {
      const std::string name = task.name();
      EXPECT_TRUE(name == unnamed || name == named) << name;
    });
    rt.spawn({.id = space[i], .name = "a name that is too long to be stored in place"}, [] {});
    EXPECT_EQ(task.name(), named);
    task.wait();
  }
}

}  // namespace
}  // namespace polyreme
