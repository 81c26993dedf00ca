// The child of a fork has one thread, and whatever locks others held stay locked in it.
#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <latch>
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

}  // namespace
}  // namespace polyreme::runtime
