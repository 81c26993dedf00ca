// The child of a fork has one thread, and whatever locks others held stay locked in it.
#include <polyreme/runtime.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"
#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <latch>
#include <memory>
#include <thread>
#include <utility>

namespace polyreme::runtime {
namespace {

TEST(RuntimeFork, AChildEndsAlthoughTheParentHeldALock) {
  EngineOptions options;
  options.workers = 1;
  Engine* const engine = Engine::open(std::move(options));  // registers this thread as a producer
  std::latch locked(1);
  std::latch forked(1);
  std::thread holder([&] {
    engine->deck().pool.locked([&](bool) {
      locked.count_down();
      forked.wait();
    });
  });
  locked.wait();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // reached only if the end hangs
    leave_to_parent(*engine);
    std::exit(7);
  }
  forked.count_down();
  holder.join();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  engine->close();
  Engine::bury(engine);
}

/// How a child ended that used the runtime of its parent.
enum Verdict : int { kRefused = 3, kNotRefused = 4 };

TEST(RuntimeFork, AChildIsRefusedAndEnds) {
  std::unique_ptr<Runtime> rt = std::make_unique<Runtime>(RuntimeOptions{.workers = 2});
  const Space space = rt->space("T");
  const auto task = rt->spawn([] { return 1; });
  EXPECT_EQ(task.get(), 1);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // reached only if something hangs
    const bool refused = test::is<RuntimeClosed>(test::caught([&] { rt->wait(); })) &&
                         test::is<RuntimeClosed>(test::caught([&] { space[0].task().get(); })) && task.get() == 1;
    rt.reset();
    _exit(refused ? kRefused : kNotRefused);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), kRefused);
}

}  // namespace
}  // namespace polyreme::runtime
