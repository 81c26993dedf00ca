#include "runtime/forking.hpp"

#include "runtime/threads.hpp"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace polyreme::runtime {

namespace detail_of_forks {
std::uint64_t last_inherited = 0;
std::uint32_t generation = 0;
}  // namespace detail_of_forks

namespace {

std::atomic<std::uint64_t> next_serial{1};

void before_fork() noexcept {
  lock_registry();
  lock_graveyard();
}

void after_fork_in_parent() noexcept {
  unlock_graveyard();
  unlock_registry();
}

void after_fork_in_child() noexcept {
  detail_of_forks::last_inherited = next_serial.load(std::memory_order_relaxed) - 1;
  ++detail_of_forks::generation;
  this_thread.forked = this_thread.current != nullptr;
  forget_buried_engines();
  forget_engines();
  after_fork_in_parent();
}

}  // namespace

std::uint64_t next_engine_serial() {
  static const int watching = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  if (watching != 0) throw std::system_error(watching, std::generic_category(), "polyreme: pthread_atfork");
  return next_serial.fetch_add(1);
}

RuntimeClosed belongs_to_parent() {
  return RuntimeClosed("polyreme: the runtime belongs to the process that this one was forked from; open another one");
}

void end_forked_body(bool failed) noexcept {
  std::exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);  // NOLINT(concurrency-mt-unsafe): the child has no other thread
}

}  // namespace polyreme::runtime
