#include "pipeline/oracle.hpp"

#include <algorithm>
#include <exception>

namespace polyreme::pipeline {

bool Oracle::may_be_cancelled(const ScopeNote* scope) {
  for (; scope != nullptr; scope = scope->outer) {
    if (scope->cancelled) return true;
  }
  return false;
}

/// Something other than the node's own body may have ended it.
bool Oracle::may_be_cancelled(const Node& node) const {
  return node.cancel_asked || may_be_cancelled(node.scope) ||
         std::ranges::any_of(node.after, [this](std::size_t other) { return nodes_[other].state != State::kReturned; });
}

void Oracle::check_begin(const Node& node) {
  if (node.attempts > 1 + node.retries) complain() << "node " << node.number << " ran too often\n";
  for (const std::size_t other : node.after) {
    if (nodes_[other].state != State::kReturned) {
      complain() << "node " << node.number << " runs before " << other << " is done\n";
    }
  }
}

void Oracle::check_outcome(const Node& node, const std::function<int()>& get) {
  try {
    const int value = get();
    if (node.state != State::kReturned || value != static_cast<int>(node.number)) {
      complain() << "the wait for " << node.number << " gave " << value << '\n';
    }
  } catch (const Thrown& error) {
    if (error.node() != node.number || node.state != State::kThrew) {
      complain() << "the wait for " << node.number << " threw what " << error.node() << " threw\n";
    }
  } catch (const CycleError& error) {
    check_circle(error);
  } catch (const MissingTask&) {
    if (!node.is_id) complain() << node.number << " is no id, and was given up as missing\n";
  } catch (const UsageError& error) {
    if (!wild_) complain() << "the wait for " << node.number << " was refused: " << error.what() << '\n';
  } catch (const DependencyFailed&) {
    expect_unrun(node, "DependencyFailed");
  } catch (const TaskCancelled&) {
    expect_unrun(node, "TaskCancelled");
  }
}

void Oracle::expect_unrun(const Node& node, const char* what) {
  const bool fits = node.state == State::kStopped || (node.state == State::kUnrun && may_be_cancelled(node)) ||
                    (node.kind == Kind::kRepeatable && may_be_cancelled(node));
  if (!fits) complain() << "the wait for " << node.number << " threw " << what << '\n';
}

void Oracle::check_circle(const CycleError& error) {
  ++circles_;
  if (!wild_) complain() << "a circle that cannot be there: " << error.what() << '\n';
}

void Oracle::check_failures(const std::function<void()>& wait) {
  try {
    wait();
  } catch (const TaskErrors& errors) {
    for (const Failure& failure : errors.failures())
      count_failure(failure);
  } catch (const CycleError& error) {
    check_circle(error);
  } catch (const UsageError& error) {
    complain() << "a wait for a scope was refused: " << error.what() << '\n';
  }
}

void Oracle::count_failure(const Failure& failure) {
  try {
    std::rethrow_exception(failure.error);
  } catch (const Thrown&) {
    ++roots_;
  } catch (const TaskErrors&) {
    ++failed_runs_;
  } catch (const MissingTask&) {
    ++missing_;
    if (!ids_) complain() << "an id is missing in a program without ids\n";
  } catch (const CycleError& error) {
    check_circle(error);
  } catch (const std::exception& error) {
    complain() << "a failure that nobody threw: " << error.what() << '\n';
  }
}

void Oracle::judge(const Node& node, Tally& tally) {
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
    check_outcome(node, [&] { return node.handle.get(); });
}

void Oracle::judge_failures(std::uint64_t runs, Tally& tally) {
  if (roots_ < thrown_ || roots_ > thrown_ + perhaps_thrown_) {
    complain() << "the waits reported " << roots_ << " failures of bodies, and " << thrown_ << " bodies failed\n";
  }
  if (failed_runs_ != runs) {
    complain() << "the waits reported " << failed_runs_ << " failures of runs of graphs, and " << runs
               << " failed that nobody had waited for\n";
  }
  tally.missing += missing_;
  tally.circles += circles_;
}

}  // namespace polyreme::pipeline
