// What must hold of a random program.
#pragma once

#include <polyreme/errors.hpp>

#include "pipeline/node.hpp"
#include "pipeline/program.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <ostream>
#include <sstream>
#include <string>

namespace polyreme::pipeline {

class Oracle {
 public:
  explicit Oracle(const std::deque<Node>& nodes) noexcept : nodes_(nodes) {}
  /// Of a program whose waits may form circles, and with ids or without.
  void expect(bool wild, bool ids) noexcept {
    wild_ = wild;
    ids_ = ids;
  }

  /// The stream for a line about what is wrong.
  std::ostream& complain() { return wrong_ << "  "; }
  [[nodiscard]] std::string complaints() const { return wrong_.str(); }

  [[nodiscard]] static bool may_be_cancelled(const ScopeNote* scope);
  void check_begin(const Node& node);
  /// `get` gives what the body of `node` has returned, or throws what must be thrown.
  void check_outcome(const Node& node, const std::function<int()>& get);
  /// `wait` throws what has failed.
  void check_failures(const std::function<void()>& wait);
  void check_circle(const CycleError& error);
  /// Once all is over.
  void judge(const Node& node, Tally& tally);
  /// All failures were reported. `runs`: of graphs.
  void judge_failures(std::uint64_t runs, Tally& tally);

 private:
  [[nodiscard]] bool may_be_cancelled(const Node& node) const;
  void expect_unrun(const Node& node, const char* what);
  void count_failure(const Failure& failure);

  const std::deque<Node>& nodes_;
  bool wild_ = false;
  bool ids_ = false;
  std::uint64_t thrown_ = 0;
  std::uint64_t perhaps_thrown_ = 0;
  std::uint64_t roots_ = 0;        ///< failures of bodies that waits reported
  std::uint64_t failed_runs_ = 0;  ///< and of runs
  std::uint64_t missing_ = 0;
  std::uint64_t circles_ = 0;
  std::ostringstream wrong_;
};

}  // namespace polyreme::pipeline
