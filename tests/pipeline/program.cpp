// A program draws what it does while it runs. That is deterministic, too, as one thread runs at a time and the schedule
// follows from the seed.
#include "pipeline/program.hpp"

#include <polyreme/coro.hpp>
#include <polyreme/repeatable.hpp>
#include <polyreme/scope.hpp>
#include <polyreme/testing.hpp>

#include "pipeline/node.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <ostream>
#include <sstream>

namespace polyreme::pipeline {
namespace {

using std::chrono::milliseconds;

class Program {
 public:
  Program(std::uint64_t seed, std::ostream* log)
      : random_(~seed), log_(log), rt_({.seed = seed, .warn = [this](const std::string& text) { warned(text); }}) {
    wild_ = random_.percent(25);
    failing_ = random_.percent(50) ? 15 : 0;
    limit_ = 4 + random_.below(28);
    ids_count_ = random_.percent(30) ? 1 + random_.below(4) : 0;
  }

  std::string run(Tally& tally) {
    {
      Space ids = rt_.space("S");
      ids_ = &ids;
      for (std::size_t i = 0; i < ids_count_; ++i)
        add_node().is_id = true;
      drive(nullptr, 0);
      for (std::size_t i = 0; i < ids_count_; ++i) {
        if (!nodes_[i].committed && !random_.percent(20)) spawn_id(nodes_[i], nullptr);
      }
      collect([&] { rt_.wait(); }, nullptr);
      ids_ = nullptr;
    }
    rt_.run();                              // stale entries
    collect([&] { rt_.wait(); }, nullptr);  // ids given up with their space
    for (Node& node : nodes_)
      judge(node, tally);
    if (roots_ < thrown_ || roots_ > thrown_ + perhaps_thrown_) {
      complain() << "the waits reported " << roots_ << " failures of bodies, and " << thrown_ << " bodies failed\n";
    }
    for (Node& node : nodes_)
      node.handle = {};
    rt_.run();
    const RuntimeStats stats = rt_.stats();
    if (stats.live_blocks != 0) complain() << stats.live_blocks << " blocks are left\n";
    if (stats.spawned != stats.completed) {
      complain() << stats.spawned << " tasks were spawned, and " << stats.completed << " completed\n";
    }
    tally.missing += missing_;
    tally.circles += circles_;
    tally.timeouts += timeouts_;
    return wrong_.str();
  }

 private:
  std::ostream& complain() { return wrong_ << "  "; }
  template <class... Parts>
  void say(const Node* where, const Parts&... parts) {
    if (log_ == nullptr) return;
    *log_ << (where == nullptr ? std::string("driver") : "node " + std::to_string(where->number)) << ": ";
    (*log_ << ... << parts) << std::endl;
  }
  void warned(const std::string& text) {
    if (!wild_) complain() << "warning: " << text << '\n';
  }

  Node& add_node() {
    Node& node = nodes_.emplace_back();
    node.number = nodes_.size() - 1;
    return node;
  }

  // ---- what the driver does, and what bodies do

  void drive(const ScopeNote* scope, int depth) {
    const std::uint64_t actions = 2 + random_.below(8);
    for (std::uint64_t i = 0; i < actions; ++i) {
      switch (random_.below(10)) {
        case 0:
          say(nullptr, "steps");
          for (std::uint64_t k = random_.below(5); k > 0; --k)
            static_cast<void>(rt_.step());
          break;
        case 1:
          if (ids_count_ != 0) spawn_id(nodes_[random_.below(ids_count_)], scope);
          break;
        case 2:
          if (depth < 2) {
            with_scope(nullptr, scope, [&](const ScopeNote* inner) { drive(inner, depth + 1); });
          }
          break;
        default:
          act(nullptr, scope);
      }
    }
  }

  /// Something that a body may do as well. `self`: null for the driver.
  void act(Node* self, const ScopeNote* scope) {
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        spawn(self, scope);
        break;
      case 4:
        wait(self);
        break;
      case 5:
        timed_wait(self);
        break;
      case 6:
        if (random_.percent(40)) cancel(self);
        break;
      default:
        if (random_.percent(50)) drop(self);
    }
  }

  void body_actions(Node& self, const ScopeNote* scope) {
    const std::uint64_t actions = random_.percent(40) ? 0 : 1 + random_.below(3);
    for (std::uint64_t i = 0; i < actions; ++i) {
      if (random_.percent(12)) {
        with_scope(&self, scope, [&](const ScopeNote* inner) {
          for (std::uint64_t k = 1 + random_.below(3); k > 0; --k)
            act(&self, inner);
        });
      } else {
        act(&self, scope);
      }
    }
  }

  /// A wait in `self`, within `scope`, for `other` can end whatever the schedule.
  [[nodiscard]] bool may_wait(const Node* self, const Node& other) const {
    if (self == nullptr || wild_) return true;
    if (other.rank >= self->rank) return false;
    // While the owner of a scope waits for it, so may whatever waits for the owner.
    for (const ScopeNote* one = self->scope; one != nullptr; one = one->outer) {
      if (one->owner.has_value() && other.rank >= nodes_[*one->owner].rank && !within(other.scope, one)) return false;
    }
    return true;
  }
  [[nodiscard]] static bool within(const ScopeNote* scope, const ScopeNote* wanted) {
    for (; scope != nullptr; scope = scope->outer) {
      if (scope == wanted) return true;
    }
    return false;
  }

  [[nodiscard]] Node* pick_target(const Node* self) {
    if (nodes_.empty()) return nullptr;
    Node& node = nodes_[random_.below(nodes_.size())];
    if (&node == self || !node.handle.valid() || !may_wait(self, node)) return nullptr;
    return &node;
  }

  void spawn(Node* self, const ScopeNote* scope) {
    if (nodes_.size() >= limit_) return;
    Node& node = add_node();
    node.rank = node.number + 1;
    node.scope = scope;
    node.kind = random_.percent(60) ? Kind::kPlain : random_.percent(75) ? Kind::kCoroutine : Kind::kRepeatable;
    node.throws = random_.percent(failing_);
    if (node.kind == Kind::kRepeatable) node.retries = static_cast<int>(random_.below(3));
    After after;
    std::vector<TaskId> ids;
    ids.reserve(3);
    for (std::uint64_t k = random_.percent(40) ? 0 : 1 + random_.below(2); k > 0; --k) {
      Node& other = nodes_[random_.below(nodes_.size())];
      if (&other == &node || !may_wait(&node, other)) continue;
      if (other.is_id && ids_ != nullptr) {
        ids.push_back((*ids_)(static_cast<std::int64_t>(other.number)));
        after.add(ids.back());
      } else if (other.handle.valid()) {
        after.add(other.handle);
      } else {
        continue;
      }
      node.after.push_back(other.number);
    }
    if (log_ != nullptr) {
      std::ostringstream text;
      for (const std::size_t other : node.after)
        text << ' ' << other;
      say(self, "spawns ", node.number, " (kind ", static_cast<int>(node.kind), node.throws ? ", throws" : "",
          ") after", text.str());
    }
    SpawnOptions options{.after = std::move(after)};
    options.priority = random_.percent(20) ? static_cast<int>(random_.below(3)) - 1 : 0;
    if (node.retries != 0) {
      options.retries = node.retries;
      options.backoff = milliseconds(random_.below(20));
    }
    submit(node, options);
  }

  void spawn_id(Node& node, const ScopeNote* scope) {
    if (node.committed || ids_ == nullptr) return;
    node.scope = scope;
    node.throws = random_.percent(failing_);
    say(nullptr, "spawns the id ", node.number);
    SpawnOptions options{.id = (*ids_)(static_cast<std::int64_t>(node.number))};
    if (wild_ && random_.percent(50)) {
      if (Node* const other = pick_target(nullptr); other != nullptr && other != &node) {
        options.after.add(other->handle);
        node.after.push_back(other->number);
      }
    }
    try {
      submit(node, options);
    } catch (const DuplicateId&) {
      node.after.clear();  // given up as missing
    } catch (const CycleError&) {
      node.after.clear();
      ++circles_;
      if (!wild_) complain() << "a circle that cannot be there, at the spawn of " << node.number << '\n';
    }
  }

  void submit(Node& node, const SpawnOptions& options) {
    Program* const self = this;
    Node* const place = &node;
    switch (node.kind) {
      case Kind::kPlain:
        node.handle = rt_.spawn(options, [self, place] { return self->plain_body(*place); });
        break;
      case Kind::kCoroutine:
        node.handle = rt_.spawn(options, [self, place] { return coroutine_body(*self, *place); });
        break;
      case Kind::kRepeatable:
        node.handle = rt_.spawn(options, repeatable([self, place] { return self->plain_body(*place); }));
        break;
    }
    node.committed = true;
  }

  void wait(Node* self) {
    Node* const other = pick_target(self);
    if (other == nullptr) return;
    say(self, "waits for ", other->number);
    const Task<int> handle = other->handle;
    expect_outcome(self, *other, [&] { return handle.get(); });
  }

  void timed_wait(Node* self) {
    Node* const other = pick_target(self);
    if (other == nullptr) return;
    const Task<int> handle = other->handle;
    const milliseconds limit(random_.below(30));
    say(self, "waits ", limit.count(), " ms for ", other->number);
    const bool over = handle.wait_for(limit);
    if (!over) ++timeouts_;
    if (over && !handle.done()) complain() << "the timed wait for " << other->number << " ended too early\n";
    say(self, over ? "has waited for " : "timed out waiting for ", other->number);
  }

  void cancel(Node* self) {
    if (nodes_.empty()) return;
    Node& node = nodes_[random_.below(nodes_.size())];
    if (!node.handle.valid()) return;
    say(self, "cancels ", node.number);
    const bool before = node.handle.done();
    node.cancel_asked = node.cancel_asked || !before;
    const Task<int> handle = node.handle;
    static_cast<void>(handle.cancel());
  }

  void drop(Node* self) {
    if (nodes_.empty()) return;
    Node& node = nodes_[random_.below(nodes_.size())];
    say(self, "drops ", node.number);
    node.handle = {};
  }

  template <class Fn>
  void with_scope(Node* self, const ScopeNote* outer, Fn&& fn) {
    ScopeNote& note = scopes_.emplace_back();
    note.outer = outer;
    if (self != nullptr) note.owner = self->number;
    const bool cancels = random_.percent(40);
    say(self, "opens a scope", cancels ? " that cancels on errors" : "");
    if (cancels) cancelling_.push_back(&note);
    Scope scope(rt_, {.cancel_on_error = cancels});
    fn(&note);
    if (random_.percent(15)) {
      say(self, "cancels its scope");
      note.cancelled = true;
      scope.cancel();
    }
    if (random_.percent(60)) collect([&] { scope.wait(); }, self);
    say(self, "leaves its scope");
  }

  // ---- bodies

  int plain_body(Node& node) {
    begin(node);
    const struct Mark {
      Node& node;
      ~Mark() {
        if (node.state == State::kRunning) node.state = State::kThrew;
      }
    } mark{node};
    body_actions(node, node.scope);
    return end(node);
  }

  static Coro<int> coroutine_body(Program& program, Node& node) {
    program.begin(node);
    for (std::uint64_t i = program.random_.below(3); i > 0; --i) {
      program.body_actions(node, node.scope);
      Node* const other = program.pick_target(&node);
      if (other == nullptr) continue;
      program.say(&node, "awaits ", other->number);
      const Task<int> handle = other->handle;
      std::exception_ptr error;
      int value = 0;
      try {
        value = co_await handle;
      } catch (...) {
        error = std::current_exception();
      }
      program.say(&node, "goes on");
      if (Context::current().cancelled() && is_cancellation(error)) {
        node.state = State::kStopped;
        std::rethrow_exception(error);
      }
      program.expect_outcome(&node, *other, [&] {
        if (error != nullptr) std::rethrow_exception(error);
        return value;
      });
    }
    co_return program.end(node);
  }

  void begin(Node& node) {
    say(&node, "begins");
    ++node.attempts;
    if (node.attempts > 1 + node.retries) complain() << "node " << node.number << " ran too often\n";
    for (const std::size_t other : node.after) {
      if (nodes_[other].state != State::kReturned) {
        complain() << "node " << node.number << " runs before " << other << " is done\n";
      }
    }
    node.state = State::kRunning;
  }

  int end(Node& node) {
    if (Context::current().cancelled() && random_.percent(50)) {
      say(&node, "stops");
      node.state = State::kStopped;
      throw TaskCancelled("stopped");
    }
    if (node.throws && (node.attempts > node.retries || random_.percent(60))) {
      say(&node, "throws");
      node.state = State::kThrew;
      throw Thrown(node.number);
    }
    say(&node, "returns");
    node.state = State::kReturned;
    return static_cast<int>(node.number);
  }

  [[nodiscard]] static bool is_cancellation(const std::exception_ptr& error) {
    try {
      if (error != nullptr) std::rethrow_exception(error);
    } catch (const TaskCancelled&) {
      return true;
    } catch (...) {
      return false;
    }
    return false;
  }

  // ---- the oracle

  [[nodiscard]] static bool in_scope_with(const ScopeNote* scope, const std::deque<ScopeNote*>& some) {
    for (; scope != nullptr; scope = scope->outer) {
      for (const ScopeNote* one : some) {
        if (one == scope) return true;
      }
    }
    return false;
  }
  [[nodiscard]] bool in_cancelled_scope(const Node& node) const {
    for (const ScopeNote* one = node.scope; one != nullptr; one = one->outer) {
      if (one->cancelled) return true;
    }
    return in_scope_with(node.scope, cancelling_);
  }
  /// Something other than the node's own body may have ended it.
  [[nodiscard]] bool may_be_cancelled(const Node& node) const {
    if (node.cancel_asked || in_cancelled_scope(node)) return true;
    for (const std::size_t other : node.after) {
      if (nodes_[other].state != State::kReturned) return true;
    }
    return false;
  }

  /// `get` gives what the body of `other` returned, or throws what must be thrown.
  template <class Get>
  void expect_outcome(Node* self, Node& other, Get&& get) {
    try {
      const int value = get();
      if (other.state != State::kReturned || value != static_cast<int>(other.number)) {
        complain() << "the wait for " << other.number << " gave " << value << '\n';
      }
    } catch (const Thrown& error) {
      if (error.node() != other.number || other.state != State::kThrew) {
        complain() << "the wait for " << other.number << " threw what " << error.node() << " threw\n";
      }
    } catch (const CycleError& error) {
      ++circles_;
      if (!wild_) complain() << "a circle that cannot be there: " << error.what() << '\n';
    } catch (const MissingTask&) {
      if (!other.is_id) complain() << other.number << " is no id, and was given up as missing\n";
    } catch (const UsageError& error) {
      if (!wild_) complain() << "the wait for " << other.number << " was refused: " << error.what() << '\n';
    } catch (const DependencyFailed&) {
      expect_unrun(other, "DependencyFailed");
    } catch (const TaskCancelled&) {
      expect_unrun(other, "TaskCancelled");
    }
    say(self, "has waited for ", other.number);
  }

  void expect_unrun(const Node& other, const char* what) {
    const bool fits = other.state == State::kStopped || (other.state == State::kUnrun && may_be_cancelled(other)) ||
                      (other.kind == Kind::kRepeatable && may_be_cancelled(other));
    if (!fits) complain() << "the wait for " << other.number << " threw " << what << '\n';
  }

  template <class Wait>
  void collect(Wait&& wait, const Node* self) {
    try {
      wait();
    } catch (const TaskErrors& errors) {
      for (const Failure& failure : errors.failures())
        count_failure(failure);
    } catch (const CycleError& error) {
      ++circles_;
      if (!wild_) complain() << "a circle that cannot be there: " << error.what() << '\n';
    } catch (const UsageError& error) {
      complain() << "a wait for a scope was refused: " << error.what() << '\n';
    }
    say(self, "has waited for all");
  }

  void count_failure(const Failure& failure) {
    try {
      std::rethrow_exception(failure.error);
    } catch (const Thrown&) {
      ++roots_;
    } catch (const MissingTask&) {
      ++missing_;
      if (ids_count_ == 0) complain() << "an id is missing in a program without ids\n";
    } catch (const CycleError& error) {
      ++circles_;
      if (!wild_) complain() << "a circle that cannot be there: " << error.what() << '\n';
    } catch (const std::exception& error) {
      complain() << "a failure that nobody threw: " << error.what() << '\n';
    }
  }

  void judge(Node& node, Tally& tally) {
    ++tally.tasks;
    if (node.attempts > 1) ++tally.repeated;
    if (node.handle.valid() && node.committed && !node.handle.done()) {
      complain() << "node " << node.number << " is not done\n";
    }
    switch (node.state) {
      case State::kRunning:
        complain() << "node " << node.number << " began and did not end\n";
        break;
      case State::kThrew:
        ++tally.threw;
        // It may have been cancelled before the next attempt.
        ++(node.attempts <= node.retries && may_be_cancelled(node) ? perhaps_thrown_ : thrown_);
        break;
      case State::kStopped:
        ++tally.stopped;
        break;
      case State::kUnrun:
        ++tally.unrun;
        if (node.committed && !wild_ && !may_be_cancelled(node)) {
          complain() << "node " << node.number << " did not run\n";
        }
        break;
      case State::kReturned:
        break;
    }
    if (node.handle.valid() && node.committed && node.handle.done())
      expect_outcome(nullptr, node, [&] { return node.handle.get(); });
  }

  Random random_;
  std::ostream* log_;
  const Space* ids_ = nullptr;
  bool wild_ = false;
  std::uint64_t failing_ = 0;
  std::size_t limit_ = 0;
  std::size_t ids_count_ = 0;
  std::deque<Node> nodes_;  // addresses stay
  std::deque<ScopeNote> scopes_;
  std::deque<ScopeNote*> cancelling_;
  std::uint64_t roots_ = 0;
  std::uint64_t thrown_ = 0;
  std::uint64_t perhaps_thrown_ = 0;
  std::uint64_t missing_ = 0;
  std::uint64_t circles_ = 0;
  std::uint64_t timeouts_ = 0;
  std::ostringstream wrong_;
  testing::SteppedRuntime rt_;  // the last, so that it ends first: its tasks use the others
};

}  // namespace

std::string run_program(std::uint64_t seed, Tally& tally, std::ostream* log) {
  Program program(seed, log);
  return program.run(tally);
}

}  // namespace polyreme::pipeline
