// A program draws what it does while it runs. That is deterministic, too, as one thread runs at a time and the schedule
// follows from the seed.
#include "pipeline/program.hpp"

#include <polyreme/coro.hpp>
#include <polyreme/repeatable.hpp>
#include <polyreme/scope.hpp>
#include <polyreme/testing.hpp>

#include "pipeline/graph_runs.hpp"
#include "pipeline/node.hpp"
#include "pipeline/oracle.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
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
    oracle_.expect(wild_, ids_count_ != 0);
    graphs_.emplace(GraphRuns::Surroundings{
        .rt = rt_,
        .random = random_,
        .complain = [this](const std::string& text) { oracle_.complain() << text << '\n'; },
        .may_be_cancelled = [](const ScopeNote* scope) { return Oracle::may_be_cancelled(scope); },
        .failing = failing_});
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
      oracle_.check_failures([&] { rt_.wait(); });
      ids_ = nullptr;
    }
    rt_.run();                                    // stale entries
    oracle_.check_failures([&] { rt_.wait(); });  // ids given up with their space
    for (Node& node : nodes_)
      oracle_.judge(node, tally);
    graphs_->judge();
    oracle_.judge_failures(graphs_->left_failed(), tally);
    for (Node& node : nodes_)
      node.handle = {};
    graphs_->clear();
    rt_.run();
    const RuntimeStats stats = rt_.stats();
    if (stats.live_blocks != 0) oracle_.complain() << stats.live_blocks << " blocks are left\n";
    if (stats.spawned != stats.completed) {
      oracle_.complain() << stats.spawned << " tasks were spawned, and " << stats.completed << " completed\n";
    }
    tally.timeouts += timeouts_;
    tally.graph_runs += graphs_->count();
    return oracle_.complaints();
  }

 private:
  template <class... Parts>
  void say(const Node* where, const Parts&... parts) {
    if (log_ == nullptr) return;
    *log_ << (where == nullptr ? std::string("driver") : "node " + std::to_string(where->number)) << ": ";
    (*log_ << ... << parts) << std::endl;
  }
  void warned(const std::string& text) {
    if (!wild_) oracle_.complain() << "warning: " << text << '\n';
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
            ScopeBlock block(*this, nullptr, scope);
            drive(&block.note(), depth + 1);
            block.finish();
          }
          break;
        default:
          act(nullptr, scope);
      }
    }
  }

  /// Something that a body may do as well. `self`: null for the driver.
  void act(Node* self, const ScopeNote* scope) {
    switch (random_.below(9)) {
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
      case 7:
        if (random_.percent(50)) graphs_->run(scope, [&](const std::string& text) { say(self, text); });
        break;
      default:
        if (random_.percent(50)) drop(self);
    }
  }

  void body_actions(Node& self, const ScopeNote* scope) {
    const std::uint64_t actions = random_.percent(40) ? 0 : 1 + random_.below(3);
    for (std::uint64_t i = 0; i < actions; ++i) {
      if (random_.percent(12)) {
        ScopeBlock block(*this, &self, scope);
        act_in(block, self);
        block.finish();
      } else {
        act(&self, scope);
      }
    }
  }

  /// A wait in `self`, within `scope`, for `other` can end whatever the schedule.
  [[nodiscard]] bool may_wait(const Node* self, const Node& other) const {
    if (self == nullptr || wild_ || owns_one_of(*self, other.scope)) return true;
    if (other.rank >= self->rank) return false;
    // While the owner of a scope waits for it, so may whatever waits for the owner.
    for (const ScopeNote* one = self->scope; one != nullptr; one = one->outer) {
      if (one->owner.has_value() && other.rank >= nodes_[*one->owner].rank && !within(other.scope, one)) return false;
    }
    return true;
  }
  /// The body of `self` has opened one of these scopes. What is in there never waits for `self`.
  [[nodiscard]] static bool owns_one_of(const Node& self, const ScopeNote* scope) {
    for (; scope != nullptr; scope = scope->outer) {
      if (scope->owner == self.number) return true;
    }
    return false;
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
    } catch (const CycleError& error) {
      node.after.clear();
      oracle_.check_circle(error);
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
    oracle_.check_outcome(*other, [&] { return handle.get(); });
    say(self, "has waited for ", other->number);
  }

  void timed_wait(Node* self) {
    Node* const other = pick_target(self);
    if (other == nullptr) return;
    const Task<int> handle = other->handle;
    const milliseconds limit(random_.below(30));
    say(self, "waits ", limit.count(), " ms for ", other->number);
    const bool over = handle.wait_for(limit);
    if (!over) ++timeouts_;
    if (over && !handle.done()) oracle_.complain() << "the timed wait for " << other->number << " ended too early\n";
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

  /// A scope that the driver or a body is in.
  class ScopeBlock {
   public:
    ScopeBlock(Program& program, Node* self, const ScopeNote* outer)
        : program_(program), self_(self), note_(program.note_scope(self, outer)), scope_(program.rt_, options()) {}
    [[nodiscard]] ScopeNote& note() noexcept { return note_; }
    /// What happens at its end, unless an exception leaves it.
    void finish() {
      if (program_.random_.percent(15)) {
        program_.say(self_, "cancels its scope");
        note_.cancelled = true;
        scope_.cancel();
      }
      if (program_.random_.percent(60)) {
        program_.oracle_.check_failures([&] { scope_.wait(); });
        program_.say(self_, "has waited for all");
      }
      program_.say(self_, "leaves its scope");
    }

   private:
    ScopeOptions options() {
      const bool cancels = program_.random_.percent(40);
      program_.say(self_, "opens a scope", cancels ? " that cancels on errors" : "");
      note_.cancelled = cancels;
      return {.cancel_on_error = cancels};
    }

    Program& program_;
    Node* const self_;
    ScopeNote& note_;
    Scope scope_;
  };

  ScopeNote& note_scope(const Node* self, const ScopeNote* outer) {
    ScopeNote& note = scopes_.emplace_back();
    note.outer = outer;
    if (self != nullptr) note.owner = self->number;
    return note;
  }

  void act_in(ScopeBlock& block, Node& self) {
    for (std::uint64_t k = 1 + random_.below(3); k > 0; --k)
      act(&self, &block.note());
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
      std::optional<ScopeBlock> block;  // in which the body awaits
      if (program.random_.percent(25)) {
        program.act_in(block.emplace(program, &node, node.scope), node);
      } else {
        program.body_actions(node, node.scope);
      }
      Node* const other = program.pick_target(&node);
      if (other == nullptr) {
        if (block.has_value()) block->finish();
        continue;
      }
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
        if (block.has_value()) block->note().cancelled = true;  // as an exception leaves it
        std::rethrow_exception(error);
      }
      program.oracle_.check_outcome(*other, [&] {
        if (error != nullptr) std::rethrow_exception(error);
        return value;
      });
      if (block.has_value()) block->finish();
    }
    co_return program.end(node);
  }

  void begin(Node& node) {
    say(&node, "begins");
    ++node.attempts;
    oracle_.check_begin(node);
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

  Random random_;
  std::ostream* log_;
  const Space* ids_ = nullptr;
  bool wild_ = false;
  std::uint64_t failing_ = 0;
  std::size_t limit_ = 0;
  std::size_t ids_count_ = 0;
  std::deque<Node> nodes_;  // addresses stay
  std::deque<ScopeNote> scopes_;
  Oracle oracle_{nodes_};
  std::uint64_t timeouts_ = 0;
  std::optional<GraphRuns> graphs_;
  testing::SteppedRuntime rt_;  // the last, so that it ends first: its tasks use the others
};

}  // namespace

std::string run_program(std::uint64_t seed, Tally& tally, std::ostream* log) {
  Program program(seed, log);
  return program.run(tally);
}

}  // namespace polyreme::pipeline
