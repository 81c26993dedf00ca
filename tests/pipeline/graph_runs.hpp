// Captured graphs within a random program, and the oracle for their runs.
#pragma once

#include <polyreme/graph.hpp>
#include <polyreme/testing.hpp>

#include "pipeline/node.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace polyreme::pipeline {

/// A few graphs without waits in them, run again and again: one run after the other or several at once, waited for or
/// not, cancelled, with nodes that throw, and dropped while they run.
class GraphRuns {
 public:
  struct Surroundings {
    testing::SteppedRuntime& rt;
    Random& random;
    std::function<void(const std::string&)> complain;
    std::function<bool(const ScopeNote*)> may_be_cancelled;
    std::uint64_t failing = 0;  ///< the chance that a node throws, in percent
  };
  using Say = std::function<void(const std::string&)>;

  explicit GraphRuns(Surroundings around) : around_(std::move(around)) {}

  /// What the driver or a body does in `scope`: starts a run, and perhaps waits for it or cancels it.
  void run(const ScopeNote* scope, const Say& say);
  /// Once all runs are over.
  void judge();
  /// Drops all handles.
  void clear();

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Failed runs that nobody waited for in run(): the waits for scopes, or for all, report them.
  [[nodiscard]] std::uint64_t left_failed() const noexcept { return left_failed_; }

 private:
  struct Run {
    const ScopeNote* scope;
    std::vector<State> nodes;
    GraphRun handle = {};
    bool cancel_asked = false;
    bool waited = false;  ///< by Graph::run, which alone reports what fails
  };
  struct Shape {
    std::optional<Graph> graph;  ///< none: dropped
    Argument<Run*> run;          ///< told to each node
    std::vector<std::vector<std::size_t>> after;
    std::vector<polyreme::Node<int>> nodes;
  };

  Shape& make_shape();
  int body(Run& run, const std::vector<std::size_t>& after, std::size_t index);
  void check(const Run& run, const std::function<void()>& get);

  Surroundings around_;
  std::deque<Shape> shapes_;
  std::deque<std::pair<const Shape*, Run>> runs_;
  std::uint64_t count_ = 0;
  std::uint64_t left_failed_ = 0;
};

}  // namespace polyreme::pipeline
