// The child of a fork has one thread, and whatever locks others held stay locked in it.
#include <polyreme/graph.hpp>
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

namespace polyreme::runtime {
namespace {

/// Returns when each of the runtime's workers has run something: a sanitizer's allocator does not survive a fork while
/// another thread is starting.
void let_start(Runtime& rt, int workers) {
  std::latch here(workers);
  for (int i = 0; i < workers; ++i) {
    rt.spawn([&here] { here.arrive_and_wait(); });
  }
  here.wait();
  rt.wait();
}

TEST(RuntimeFork, AChildEndsAlthoughTheParentHeldALock) {
  Runtime rt({.workers = 1});  // registers this thread as a producer
  let_start(rt, 1);
  std::latch locked(1);
  std::latch forked(1);
  std::thread holder([&] {
    rt.engine().deck().pool.locked([&](bool) {
      locked.count_down();
      forked.wait();
    });
  });
  locked.wait();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // reached only if the end hangs
    std::exit(7);
  }
  forked.count_down();
  holder.join();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

/// How a child ended that used the runtime of its parent.
enum Verdict : int { kRefused = 3, kNotRefused = 4 };

TEST(RuntimeFork, AChildIsRefusedAndEnds) {
  std::unique_ptr<Runtime> rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 2});
  let_start(*rt, 2);
  const Space space = rt->space("T");
  const auto task = rt->spawn([] { return 1; });
  EXPECT_EQ(task.get(), 1);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // reached only if something hangs
    const bool refused = test::is<RuntimeClosed>(test::caught([&] { rt->wait(); })) &&
                         test::is<RuntimeClosed>(test::caught([&] { static_cast<void>(rt->spawn([] {})); })) &&
                         test::is<RuntimeClosed>(test::caught([&] { space[0].task().get(); })) && task.get() == 1;
    rt.reset();
    _exit(refused ? kRefused : kNotRefused);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), kRefused);
}

/// The exit status of a child that runs `in_child`.
template <class Function>
int status_of_child(Function&& in_child) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // reached only if something hangs
    in_child();
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  return WEXITSTATUS(status);
}

TEST(RuntimeFork, AChildMayOpenAnotherRuntime) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer cannot follow threads that the child of a fork starts";
#endif
  Runtime rt({.workers = 2});
  let_start(rt, 2);
  EXPECT_EQ(status_of_child([] {
              int sum = 0;
              for (int i = 0; i < 3; ++i) {
                Runtime fresh({.workers = 2});
                sum += fresh.spawn([] { return 5; }).get();
              }
              _exit(sum);
            }),
            15);
  EXPECT_EQ(rt.spawn([] { return 2; }).get(), 2);
}

TEST(RuntimeFork, AChildOfABodyIsRefusedAndEndsWithTheBody) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer cannot follow threads that the child of a fork starts";
#endif
  Runtime rt({.workers = 2});
  let_start(rt, 2);
  std::atomic<int> ran{0};
  const auto forks = rt.spawn([&] {
    const pid_t child = fork();
    if (child != 0) {
      int status = 0;
      waitpid(child, &status, 0);
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    alarm(60);
    const bool refused = test::is<RuntimeClosed>(test::caught([&] { static_cast<void>(rt.spawn([] {})); })) &&
                         test::is<RuntimeClosed>(test::caught([&] { rt.spawn([] {}).get(); }));
    Runtime fresh({.workers = 1});  // whose bodies run on this thread, too
    if (!refused || fresh.spawn([] { return 7; }).get() != 7) _exit(kNotRefused);
    return 0;  // the child ends here, and runs nothing of the parent's
  });
  const auto after = rt.spawn({.after = forks}, [&] { ++ran; });
  EXPECT_EQ(forks.get(), 0);
  after.get();
  EXPECT_EQ(ran, 1);
}

TEST(RuntimeFork, ABodyThatThrowsInTheChildFailsIt) {
  Runtime rt({.workers = 1});
  const auto forks = rt.spawn([] {
    const pid_t child = fork();
    if (child == 0) throw std::runtime_error("in the child");
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  });
  EXPECT_EQ(forks.get(), EXIT_FAILURE);
}

TEST(RuntimeFork, ANodeOfACapturedGraphEndsItsChild) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer cannot follow threads that the child of a fork starts";
#endif
  Runtime rt({.workers = 1});
  let_start(rt, 1);
  Graph g(rt);
  int status = -1;
  std::atomic<bool> throws{false};
  const auto forks = g.spawn([&] {
    const pid_t child = fork();
    if (child == 0) {
      if (throws) throw std::runtime_error("in the child");
      return;
    }
    waitpid(child, &status, 0);
  });
  g.spawn({.after = forks}, [] {});
  g.run();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EXIT_SUCCESS);
  throws = true;
  g.run();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EXIT_FAILURE);
}

TEST(RuntimeFork, ForksWhileOthersOpenAndCloseRuntimes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator does not survive a fork while another thread is starting";
#endif
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) {
      Runtime rt({.workers = 1});
      rt.spawn([] {}).get();
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(status_of_child([] {
                Runtime fresh({.workers = 1});
                _exit(fresh.spawn([] { return 9; }).get());
              }),
              9);
  }
  stop = true;
  busy.join();
}

}  // namespace
}  // namespace polyreme::runtime
