// Tasks that need several cores: from ready to done.
//
// Such a task has kFullRoad and, in rare->cores, how many slots it needs. Once ready it goes to the slot pool, which
// collects them (launch/collector.hpp) and gives them all to one worker, which runs the body; the threads that gave up
// the other slots sleep. While it runs, the body's thread may use all these cores, if workers are bound, and so may the
// OpenMP threads that it starts, which inherit that; the limits of libraries that have one for each thread are set. A
// body that waits gives up all its slots, and collects as many before it goes on; so does one that suspends.
#include "runtime/engine.hpp"
#include "runtime/thread_limits.hpp"
#include "runtime/threads.hpp"
#include "runtime/topology.hpp"

#include <array>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace polyreme::runtime {

using launch::SlotPool;
using tasks::Record;

void Engine::collect_for(Record& record) {
  auto request = std::make_unique<SlotPool::Request>();
  request->count = record.rare->cores;
  request->rank = tasks::priority_of(record);
  request->task = &record;
  deck_.pool.collect(*request.release());
}

void Engine::run_collected(Session& session, SlotPool::Request& granted) {
  const std::unique_ptr<SlotPool::Request> request(&granted);
  session.hold_more(std::span(request->slots).subspan(1));
  tasks::Entry* next = nullptr;
  {
    const ThreadLimits limits(request->count);
    if (options_.pin) this_machine().bind(request->slots);
    if (request->task->domain == detail::Domain::kInterpreter) session.enter_interpreter();
    next = run(*request->task, session.lane());
  }
  // A body that waited may have come back on other slots.
  if (options_.pin) this_machine().bind(std::array{session.slot()});
  if (next == request->task) {
    make_ready(*request->task, session.lane());  // it was about to wait, and needs not
  } else if (next != nullptr) {
    deck_.push(session.lane(), *next);
  }
  give_back(session.take_more());
  session.begin_turn();
}

void Engine::give_back(const std::vector<std::uint32_t>& slots) {
  for (const std::uint32_t slot : slots)
    deck_.pool.give_back(slot, [this] { return deck_.any_work(); }, [this] { on_all_idle_locked(); });
}

/// Takes as many slots as the body held before it waited. Not as a searcher.
void Engine::board_again(Session& session, SlotPool::Seat& seat, std::uint32_t count) {
  if (count == 1) {
    session.board(deck_.pool.resume(seat), false);
    return;
  }
  SlotPool::Request request;
  request.count = count;
  request.rank = launch::Collector::kResumes;
  request.resumer = &seat;
  const std::uint32_t slot = deck_.pool.resume_with(request);
  session.board(slot, false);
  session.hold_more(std::span(request.slots).subspan(1));
  if (options_.pin) this_machine().bind(request.slots);
}

/// Tasks that were cancelled while they waited for slots, when nobody is left to collect any.
void Engine::drop_requests() noexcept {
  while (SlotPool::Request* const request = deck_.pool.abandon_request()) {
    release(*request->task);
    delete request;
  }
}

}  // namespace polyreme::runtime
