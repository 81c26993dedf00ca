// graph::finish_node, Gathering and the counters of graph::CapturedRun: one run of a captured graph after the other.
//
//   - In each run every node is taken over exactly once, by a thread that sees what the nodes before it wrote.
//   - A node below one that failed does not run, and every other node does.
//   - Exactly one thread is told that the run is over, and sees all of it.
//   - A run that failed leaves the counters as they were: the next one is whole.
#include "graph/captured_run.hpp"

#include "support/model.hpp"

#include <array>
#include <memory>
#include <utility>
#include <vector>

namespace {

using polyreme::graph::CapturedRun;
using polyreme::graph::finish_node;
using polyreme::graph::Gathering;
using polyreme::graph::NodeIndex;
using polyreme::graph::Plan;
using polyreme::model::choose;
using polyreme::model::Model;
using polyreme::model::require;
using polyreme::sync::Shared;
namespace detail = polyreme::detail;
namespace sync = polyreme::sync;

constexpr detail::NodeOps kOps{nullptr, nullptr, nullptr, nullptr, &typeid(void), 0, detail::Domain::kNative};

/// Runs of a graph of which each thread takes over some sources. One of the first three nodes fails in the first run.
class Runs : public Model<2> {
 public:
  using Nodes = std::vector<NodeIndex>;

  Runs(std::vector<Nodes> before, std::array<Nodes, 2> sources, int rounds)
      : before_(std::move(before)), sources_(std::move(sources)), rounds_(rounds) {
    for (const auto& predecessors : before_) {
      std::byte body[detail::kInlineNodeBytes];
      plan_.add(kOps, body, predecessors, {}, {});
    }
    plan_.seal();
    run_ = std::make_unique<CapturedRun>(plan_);
    failing_ = choose(3);
  }

  void thread(unsigned index) override {
    for (int round = 1; round <= rounds_; ++round) {
      for (const NodeIndex source : sources_.at(index))
        go_on_from(source, round);
      if (round == rounds_) return;
      while (over_.load(sync::memory_order_acquire) < round)
        sync::spin_pause();
    }
  }

  void after() override { require(ended_.get() == rounds_, "the last run did not end"); }

 private:
  void go_on_from(NodeIndex source, int round) {
    std::vector<NodeIndex> ready{source};
    Gathering gathering;
    bool over = false;
    while (!ready.empty()) {
      const NodeIndex node = ready.back();
      ready.pop_back();
      const std::uint32_t cause = visit(node, round);
      over |= finish_node(*run_, plan_.nodes()[node], cause, gathering, [&](NodeIndex one) { ready.push_back(one); });
    }
    if (!gathering.empty()) over |= gathering.flush(*run_);
    if (over) end(round);
  }

  std::uint32_t visit(NodeIndex node, int round) {
    require(visited_[node].get() == round - 1, "a node was taken over twice, or not in the run before");
    visited_[node].set(round);
    for (const NodeIndex one : before_[node])
      require(visited_[one].get() == round, "a node does not see what one before it wrote");
    if (run_->trouble.load(sync::memory_order_relaxed) != 0) {
      if (const std::uint32_t cause = run_->why_not(node, false); cause != 0) return cause;
    }
    require(round == 2 || !is_below_failure(node), "a node ran below one that failed");
    ran_[node].set(round);
    return round == 1 && node == failing_ ? run_->fail(node, nullptr, nullptr) : 0;
  }

  [[nodiscard]] bool is_below_failure(NodeIndex node) const {
    for (const NodeIndex one : before_[node]) {
      if (one == failing_ || is_below_failure(one)) return true;
    }
    return false;
  }

  void end(int round) {
    for (NodeIndex node = 0; node < before_.size(); ++node) {
      require(visited_[node].get() == round, "the run ended before a node");
      const bool runs = round == 2 || !is_below_failure(node);
      require((ran_[node].get() == round) == runs, "a node did not run, or ran in vain");
    }
    require(run_->failures.size() == (round == 1 ? 1U : 0U), "a failure was lost");
    run_->reset();
    require(ended_.get() == round - 1, "two threads ended the run");
    ended_.set(round);
    over_.store(round, sync::memory_order_release);
  }

  Plan plan_;
  const std::vector<Nodes> before_;
  const std::array<Nodes, 2> sources_;
  const int rounds_;
  std::unique_ptr<CapturedRun> run_;
  NodeIndex failing_ = choose(3);
  std::array<Shared<int>, 7> visited_;
  std::array<Shared<int>, 7> ran_;
  Shared<int> ended_;
  sync::Atomic<int> over_{0};
};

/// Under the sources nodes with one, two and three predecessors.
class TwoRuns : public Runs {
 public:
  TwoRuns() : Runs({{}, {}, {}, {0, 1}, {3}, {1}, {0, 2, 3}}, {{{0, 2}, {1}}}, 2) {}
};

/// Little enough that most schedules are met.
class OneRun : public Runs {
 public:
  OneRun() : Runs({{}, {}, {0, 1}, {1}}, {{{0}, {1}}}, 1) {}
};

}  // namespace

int main() {
  using namespace polyreme::model;
  return Exploration()
      .explore<TwoRuns>("two runs, the first fails", Random{100'000})
      .explore<OneRun>("a run that fails", Random{100'000})
      .run();
}
