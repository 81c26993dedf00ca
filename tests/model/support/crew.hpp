// Workers, lanes and sessions of the production code (launch/), with bodies that the models choose. What the engine
// adds around them (runtime/waiting.cpp: a worker's life, the wait for all tasks) is repeated here.
#pragma once

#include "base/slab.hpp"
#include "launch/session.hpp"
#include "support/model.hpp"
#include "support/task.hpp"
#include "sync/parker.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace polyreme::model {

class Crew;
using Session = launch::Session<Crew>;

/// How many threads may be inside at a time. kAll: they enter through the gate; kOpen: the gate is open.
enum class Inside : std::uint8_t { kOne, kAll, kOpen };

class ModelInterpreter final : public launch::Interpreter {
 public:
  explicit ModelInterpreter(Inside inside) : inside_(inside) {}
  [[nodiscard]] bool exclusive() const noexcept override { return inside_ != Inside::kOpen; }
  void enter() noexcept override {
    if (inside_ == Inside::kOne) holds_[rl::thread_index()] = std::make_unique<sync::Mutex::Guard>(mutex_);
  }
  void leave() noexcept override { holds_[rl::thread_index()].reset(); }
  /// A body runs. It is alone inside, or the checker sees a race.
  void touch() {
    if (inside_ == Inside::kOne) state_.set(state_.get() + 1);
  }
  void breathe() noexcept override {}
  void thread_ends() noexcept override {}

 private:
  const Inside inside_;
  sync::Mutex mutex_;
  sync::Shared<int> state_;
  std::array<std::unique_ptr<sync::Mutex::Guard>, 4> holds_;
};

class Crew {
 public:
  using Body = std::function<void(launch::Lane&)>;

  explicit Crew(std::uint32_t slots, Inside inside = Inside::kOne) : deck(slots), interpreter_(inside) {
    deck.use(&interpreter_);
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      deck.lanes.add(depot, slot);
      slot_states_.push_back(std::make_unique<sync::Shared<int>>());
    }
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    for (Task* task : tasks_)
      free_task(*task);
  }

  base::BlockDepot depot{nullptr};  ///< outlives the lanes, which give their blocks back
  launch::Deck deck;

  /// The lane of the one foreign thread, made when it first spawns.
  [[nodiscard]] launch::Lane& foreign_lane() {
    if (foreign_ == nullptr) foreign_ = &deck.lanes.add(depot, launch::kNoSlot);
    return *foreign_;
  }

  /// A task that is ready from the start.
  void spawn(launch::Lane& lane, Body body, detail::Domain domain = detail::Domain::kNative) {
    deck.push(lane, add_task(lane, std::move(body), domain));
  }

  /// A task that needs several slots, ready from the start.
  void collect(launch::Lane& lane, std::uint32_t cores, Body body) {
    Task& task = add_task(lane, std::move(body), detail::Domain::kNative);
    requests_.push_back(std::make_unique<launch::SlotPool::Request>());
    launch::SlotPool::Request& request = *requests_.back();
    request.count = cores;
    request.task = &task;
    deck.pool.collect(request);
  }

  /// What a worker thread does from start to end.
  void work(unsigned thread) {
    launch::SlotPool::Seat seat;
    const SessionPlace place(*this, thread);
    Session& session = place.session();
    contexts_[thread] = {&session, &seat};
    session.set_joins();
    std::uint32_t slot = deck.pool.join(seat);
    while (slot != launch::kNoSlot) {
      launch::SlotPool::Request* const granted = seat.take_granted();
      session.board(slot, granted == nullptr);
      if (granted != nullptr) run_collected(session, *granted);
      if (session.work([] { return false; }) == Session::Stop::kLostSlot) {
        slot = deck.pool.join(seat);
        continue;
      }
      session.leave_interpreter();
      const bool searching = session.searching();
      session.clear_searching();
      slot = deck.pool.park(
          seat, session.slot(), searching, [this] { return deck.any_work(); }, [this] { on_all_idle_locked(); });
    }
  }

  /// What a foreign thread does in its wait for all tasks before it sleeps. It has no seat.
  void help(unsigned thread) {
    const std::uint32_t slot = deck.pool.try_take();
    if (slot == launch::kNoSlot) return;
    const SessionPlace place(*this, thread);
    Session& session = place.session();
    session.board(slot, true);
    if (session.work([this] { return deck.lanes.quiescent(); }) == Session::Stop::kLostSlot) return;
    session.leave_interpreter();
    give_up(session.slot(), session.searching());
  }

  /// In a body on a worker: what it does while it waits for something that another body brings about.
  void block(sync::Parker& until) {
    const Context& self = contexts_[rl::thread_index()];
    Session& session = *self.session;
    const bool was_inside = session.inside();
    --running_;
    session.leave_interpreter();
    const std::vector<std::uint32_t> more = session.take_more();
    give_up(session.slot(), session.searching());
    session.clear_searching();
    give_back(more);
    until.park();
    if (more.empty()) {
      session.board(deck.pool.resume(*self.seat), false);
    } else {
      launch::SlotPool::Request request;
      request.count = static_cast<std::uint32_t>(more.size() + 1);
      request.rank = launch::Collector::kResumes;
      request.resumer = self.seat;
      session.board(deck.pool.resume_with(request), false);
      hold_more(session, request);
    }
    hold(session.slot());
    if (was_inside) session.enter_interpreter();
  }

  /// Sleeps until every task is done.
  void wait_all() {
    deck.pool.locked([this](bool all_free) {
      waiting_ = true;
      if (all_free) on_all_idle_locked();
    });
    while (!deck.lanes.quiescent())
      waiter_.park();
    deck.pool.locked([this](bool) { waiting_ = false; });
  }

  void give_up(std::uint32_t slot, bool searching) {
    deck.pool.give_up(slot, searching, [this] { return deck.any_work(); }, [this] { on_all_idle_locked(); });
  }

  /// To be called after wait_all(): ends the workers.
  void stop() {
    require(ran_ == tasks_.size(), "the wait ended before every task had run");
    deck.pool.stop();
  }

  // ---- the port of launch::Session

  tasks::Entry* run(tasks::Entry& entry, launch::Lane& lane) noexcept {
    Task& task = task_of(static_cast<tasks::Record&>(entry));
    require(task.argument.get() == kResult, "a body does not see its arguments");
    require(task.result.get() == 0, "a task ran twice");
    task.result.set(kResult);
    hold(lane.slot);
    ++ran_;
    const Body body = bodies_[task.id];
    if (body) body(lane);
    if (task.domain == detail::Domain::kInterpreter) interpreter_.touch();
    --running_;
    // A body that waited may have come back on another slot.
    const Context& self = contexts_[rl::thread_index()];
    (self.session != nullptr ? self.session->lane() : lane).completed.add(1);
    return nullptr;
  }

 private:
  /// A thread's session, at an address that is the same in every run: the order of its victims depends on it.
  class SessionPlace {
   public:
    SessionPlace(Crew& crew, unsigned thread)
        : session_(::new (static_cast<void*>(&memory_[thread])) Session(crew, crew.deck)) {}
    SessionPlace(const SessionPlace&) = delete;
    SessionPlace& operator=(const SessionPlace&) = delete;
    ~SessionPlace() { session_->~Session(); }
    [[nodiscard]] Session& session() const noexcept { return *session_; }

   private:
    struct alignas(Session) Memory {
      std::byte bytes[sizeof(Session)];
    };
    static inline std::array<Memory, 4> memory_;
    Session* session_;
  };

  struct Context {
    Session* session = nullptr;
    launch::SlotPool::Seat* seat = nullptr;
  };

  Task& add_task(launch::Lane& lane, Body body, detail::Domain domain) {
    Task& task = make_task(1);
    task.id = tasks_.size();
    task.domain = domain;
    task.argument.set(kResult);
    tasks_.push_back(&task);
    bodies_.push_back(std::move(body));
    lane.spawned.add(1);
    return task;
  }

  void run_collected(Session& session, const launch::SlotPool::Request& granted) {
    hold_more(session, granted);
    static_cast<void>(run(*granted.task, session.lane()));
    give_back(session.take_more());
    session.begin_turn();
  }
  void hold_more(Session& session, const launch::SlotPool::Request& granted) {
    require(granted.slots.size() == granted.count, "a task got another number of slots than it needs");
    session.hold_more(std::span(granted.slots).subspan(1));
    for (std::size_t i = 1; i < granted.slots.size(); ++i)
      hold(granted.slots[i]);
  }
  void give_back(const std::vector<std::uint32_t>& slots) {
    running_ -= static_cast<std::uint32_t>(slots.size());
    for (const std::uint32_t slot : slots)
      deck.pool.give_back(slot, [this] { return deck.any_work(); }, [this] { on_all_idle_locked(); });
  }

  /// A body begins, or goes on, on `slot`. Its other holders were there before, or the checker sees a race.
  void hold(std::uint32_t slot) {
    require(++running_ <= slot_states_.size(), "more bodies run than there are slots");
    sync::Shared<int>& state = *slot_states_[slot];
    state.set(state.get() + 1);
  }

  void on_all_idle_locked() {
    if (waiting_ && deck.lanes.quiescent()) waiter_.unpark();
  }

  ModelInterpreter interpreter_;
  std::vector<std::unique_ptr<sync::Shared<int>>> slot_states_;
  std::array<Context, 4> contexts_;
  launch::Lane* foreign_ = nullptr;
  sync::Parker waiter_;
  bool waiting_ = false;  ///< under the pool's lock
  // Seen by the checker alone.
  std::vector<Task*> tasks_;
  std::vector<Body> bodies_;
  std::vector<std::unique_ptr<launch::SlotPool::Request>> requests_;
  std::size_t ran_ = 0;
  std::uint32_t running_ = 0;
};

/// A model of a crew. Thread 0 is foreign, spawns and waits for all; the others are the workers.
template <unsigned kThreads>
class CrewModel : public Model<kThreads> {
 public:
  explicit CrewModel(std::uint32_t slots, Inside inside = Inside::kOne) : crew_(slots, inside) {}

  void thread(unsigned index) final {
    if (index != 0) {
      crew_.work(index);
      return;
    }
    produce();
    crew_.wait_all();
    crew_.stop();
  }

 protected:
  virtual void produce() = 0;

  [[nodiscard]] Crew& crew() { return crew_; }
  void spawn(Crew::Body body = {}) { crew_.spawn(crew_.foreign_lane(), std::move(body)); }

 private:
  Crew crew_;
};

}  // namespace polyreme::model
