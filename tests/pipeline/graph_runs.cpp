#include "pipeline/graph_runs.hpp"

#include <polyreme/errors.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace polyreme::pipeline {

void GraphRuns::run(const ScopeNote* scope, const Say& say) {
  Random& random = around_.random;
  const bool makes_one = shapes_.empty() || (shapes_.size() < 3 && random.percent(40));
  Shape& shape = makes_one ? make_shape() : shapes_[random.below(shapes_.size())];
  if (!shape.graph.has_value()) return;
  const std::string name = "run " + std::to_string(count_++) + " of a graph";
  Run& run = runs_.emplace_back(&shape, Run{scope, std::vector<State>(shape.after.size(), State::kUnrun)}).second;
  if (random.percent(40)) {
    say("runs " + name);
    run.waited = true;
    Graph graph = *shape.graph;  // which another body may drop meanwhile
    check(run, [&] { run.handle = graph.run(shape.run.bind(&run)); });
    say("has " + name);
    return;
  }
  say("starts " + name);
  run.handle = shape.graph->run_async(shape.run.bind(&run));
  if (random.percent(10)) shape.graph.reset();
  if (random.percent(30)) {
    say("cancels " + name);
    run.cancel_asked = !run.handle.done();
    static_cast<void>(run.handle.cancel());
  }
  if (random.percent(30)) {
    check(run, [&] { run.handle.get(); });
    say("has waited for " + name);
  }
}

GraphRuns::Shape& GraphRuns::make_shape() {
  Random& random = around_.random;
  Shape& shape = shapes_.emplace_back();
  Graph& graph = shape.graph.emplace(around_.rt);
  shape.run = graph.argument<Run*>(nullptr);
  const std::size_t size = random.below(6);
  for (std::size_t index = 0; index < size; ++index) {
    std::vector<std::size_t> after;
    std::vector<NodeBase> handles;
    for (std::uint64_t k = index == 0 ? 0 : random.below(3); k > 0; --k) {
      after.push_back(random.below(index));
      handles.push_back(shape.nodes[after.back()]);
    }
    shape.nodes.push_back(graph.spawn(
        {.after = handles}, [this, after, index](Run* run) { return body(*run, after, index); }, shape.run));
    shape.after.push_back(std::move(after));
  }
  return shape;
}

int GraphRuns::body(Run& run, const std::vector<std::size_t>& after, std::size_t index) {
  if (run.nodes[index] != State::kUnrun) around_.complain("a node of a graph ran twice in a run");
  for (const std::size_t other : after) {
    if (run.nodes[other] != State::kReturned) around_.complain("a node of a graph ran before another was done");
  }
  if (around_.random.percent(around_.failing)) {
    run.nodes[index] = State::kThrew;
    throw Thrown(index);
  }
  run.nodes[index] = State::kReturned;
  return static_cast<int>(index);
}

/// `get` returns, or throws, as the run has ended.
void GraphRuns::check(const Run& run, const std::function<void()>& get) {
  const auto nodes_that = [&run](State state) {
    return static_cast<std::size_t>(std::ranges::count(run.nodes, state));
  };
  bool fits = false;
  std::string how = "as done";
  try {
    get();
    fits = nodes_that(State::kReturned) == run.nodes.size();
  } catch (const TaskErrors& errors) {
    how = errors.what();
    fits = !errors.failures().empty() && errors.failures().size() == nodes_that(State::kThrew) &&
           errors.cancelled_dependents() == nodes_that(State::kUnrun);
  } catch (const TaskCancelled& error) {
    how = error.what();
    fits = nodes_that(State::kThrew) == 0 && (nodes_that(State::kUnrun) != 0 || run.nodes.empty());
  }
  if (!fits) {
    around_.complain("a run of a graph with " + std::to_string(nodes_that(State::kThrew)) + " nodes that threw and " +
                     std::to_string(nodes_that(State::kUnrun)) + " of " + std::to_string(run.nodes.size()) +
                     " that did not run ended: " + how);
  }
}

void GraphRuns::judge() {
  for (const auto& [shape, run] : runs_) {
    const bool may_be_cancelled = run.cancel_asked || around_.may_be_cancelled(run.scope);
    for (std::size_t index = 0; index < run.nodes.size(); ++index) {
      const bool blocked = std::ranges::any_of(
          shape->after[index], [&run = run](std::size_t other) { return run.nodes[other] != State::kReturned; });
      if (run.nodes[index] == State::kUnrun && !blocked && !may_be_cancelled) {
        around_.complain("a node of a graph did not run");
      }
    }
    if (!run.waited && std::ranges::count(run.nodes, State::kThrew) != 0) ++left_failed_;
    if (!run.handle.valid()) continue;  // Graph::run threw
    check(run, [&run = run] { run.handle.get(); });
    for (std::size_t index = 0; index < run.nodes.size(); ++index) {
      if (run.nodes[index] == State::kReturned && run.handle.get(shape->nodes[index]) != static_cast<int>(index)) {
        around_.complain("the result of a node is not what its body returned");
      }
    }
  }
}

void GraphRuns::clear() {
  runs_.clear();
  shapes_.clear();
}

}  // namespace polyreme::pipeline
