// Captured graphs: built once, run many times, for the cost of the dependencies.
//
//   polyreme::Graph g(rt);
//   auto x = g.argument<int>(1);
//   auto a = g.spawn([](int x) { return x + 1; }, x);
//   auto b = g.spawn([](int v) { return 10 * v; }, a);
//   auto run = g.run(x.bind(5));     // runs all nodes, waits, rethrows
//   run.get(b);                      // 60
#pragma once

#include <polyreme/detail/graph_abi.hpp>
#include <polyreme/detail/graph_body.hpp>
#include <polyreme/runtime.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace polyreme {

/// A handle of a node without a type.
class NodeBase {
 public:
  NodeBase() = default;
  explicit NodeBase(detail::NodeReference reference) noexcept : reference_(reference) {}
  /// False for a default-constructed handle.
  [[nodiscard]] bool valid() const noexcept { return reference_.graph != 0; }
  [[nodiscard]] const detail::NodeReference& reference() const noexcept { return reference_; }

 private:
  detail::NodeReference reference_;
};

/// A node whose body returns T. A few bytes, without any hold on the graph.
template <class T = void>
class Node : public NodeBase {
 public:
  using NodeBase::NodeBase;
};

/// The value of an argument in one run; made by Argument::bind for Graph::run.
template <class T>
class Bound {
 public:
  Bound(detail::NodeReference argument, T value) : argument_(argument), value_(std::move(value)) {}
  [[nodiscard]] detail::Binding binding() noexcept { return {argument_, &value_, &detail::move_binding<T>}; }

 private:
  detail::NodeReference argument_;
  T value_;
};

/// Something that bodies get and that each run may set.
template <class T>
class Argument {
 public:
  Argument() = default;
  explicit Argument(detail::NodeReference reference) noexcept : reference_(reference) {}
  template <class Value>
    requires std::constructible_from<T, Value&&>
  [[nodiscard]] Bound<T> bind(Value&& value) const {
    return Bound<T>(reference_, T(std::forward<Value>(value)));
  }
  [[nodiscard]] const detail::NodeReference& reference() const noexcept { return reference_; }

 private:
  detail::NodeReference reference_;
};

namespace detail {
template <class T>
inline constexpr bool kIsNode = std::is_base_of_v<NodeBase, std::remove_cvref_t<T>>;
template <class T>
inline constexpr bool kIsArgument = false;
template <class T>
inline constexpr bool kIsArgument<Argument<T>> = true;
}  // namespace detail

/// The nodes that a node comes after: `.after = {a, b}`, or a vector or other range of handles.
class AfterNodes {
 public:
  AfterNodes() = default;
  AfterNodes(std::initializer_list<NodeBase> nodes) {
    for (const NodeBase& node : nodes)
      references_.push_back(node.reference());
  }
  AfterNodes(const NodeBase& node) : references_{node.reference()} {}  // NOLINT(google-explicit-constructor)
  template <std::ranges::input_range Many>
    requires std::derived_from<std::remove_cvref_t<std::ranges::range_reference_t<Many>>, NodeBase>
  AfterNodes(const Many& many) {  // NOLINT(google-explicit-constructor)
    for (const auto& node : many)
      references_.push_back(node.reference());
  }
  [[nodiscard]] const std::vector<detail::NodeReference>& references() const noexcept { return references_; }

 private:
  std::vector<detail::NodeReference> references_;
};

struct NodeOptions {
  AfterNodes after = {};
  std::string_view name = {};                                   ///< for messages and traces
  std::source_location site = std::source_location::current();  ///< where errors say that the node was made
};

class Graph;

namespace detail {
/// Not the options or the graph of another form of Graph::spawn.
template <class Fn>
inline constexpr bool kIsNodeFunction =
    !std::is_same_v<std::remove_cvref_t<Fn>, NodeOptions> && !std::is_same_v<std::remove_cvref_t<Fn>, Graph>;
}  // namespace detail

/// A run of a graph: a task that is done once all nodes are. Serves as a dependency, too. As long as a handle lives, so
/// do the results of the run.
class GraphRun : public Task<void> {
 public:
  using Task<void>::Task;
  /// Waits; rethrows the failures of the run's nodes as TaskErrors, TaskCancelled after cancel().
  using Task<void>::get;
  /// Waits; then the result of a node in this run. Rethrows what its body threw; @throws DependencyFailed or
  /// TaskCancelled if it did not run, UsageError for a node of another graph.
  template <class T>
    requires(!std::is_void_v<T>)
  [[nodiscard]] const std::remove_reference_t<T>& get(const Node<T>& node) const& {
    const void* const place = detail::node_result(checked(), node.reference());
    const auto& stored = *detail::value_at<detail::Stored<T>>(const_cast<void*>(place));
    if constexpr (std::is_reference_v<T>) {
      return *stored;
    } else {
      return stored;
    }
  }
  /// On a temporary handle: a copy of the result.
  template <class T>
    requires(!std::is_void_v<T>)
  [[nodiscard]] std::remove_cvref_t<T> get(const Node<T>& node) && {
    return std::as_const(*this).get(node);
  }
  void get(const Node<void>& node) const { static_cast<void>(detail::node_result(checked(), node.reference())); }
};

/// Nodes with dependencies, which can be run again and again, also several times at once.
///
/// One thread at a time may add nodes, and none while a run is in flight. Runs may be started by any thread and by
/// bodies. A graph that is destroyed while runs are in flight stays until they are over; so do its bodies.
class Graph {
 public:
  /// @throws RuntimeClosed.
  explicit Graph(Runtime& runtime, std::string name = {})
      : graph_(detail::make_graph(runtime.engine(), std::move(name))) {}

  /// Adds a node whose body is `fn(arguments...)`, as Runtime::spawn does with a task. It is called again in each run:
  /// as const, with const references to its arguments. A Node or an Argument among the arguments arrives as its value
  /// in the same run (a Node<void> does not arrive); a node is a dependency.
  /// @throws UsageError for an empty handle, one of another graph, or while a run is in flight.
  template <class Fn>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn));
  }
  template <class Fn, class A>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, A&& a, std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn), std::forward<A>(a));
  }
  template <class Fn, class A, class B>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, A&& a, B&& b, std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b));
  }
  template <class Fn, class A, class B, class C>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
  }
  template <class Fn, class A, class B, class C, class D>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, D&& d, std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                      std::forward<D>(d));
  }
  template <class Fn, class A, class B, class C, class D, class E>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, D&& d, E&& e, std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                      std::forward<D>(d), std::forward<E>(e));
  }
  template <class Fn, class A, class B, class C, class D, class E, class F>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(Fn&& fn, A&& a, B&& b, C&& c, D&& d, E&& e, F&& f,
             std::source_location site = std::source_location::current()) {
    return spawn_with({}, {}, site, std::forward<Fn>(fn), std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                      std::forward<D>(d), std::forward<E>(e), std::forward<F>(f));
  }
  /// The same with options, and any number of arguments.
  template <class Fn, class... Arguments>
    requires(detail::kIsNodeFunction<Fn>)
  auto spawn(const NodeOptions& options, Fn&& fn, Arguments&&... arguments) {
    return spawn_with(options.after.references(), options.name, options.site, std::forward<Fn>(fn),
                      std::forward<Arguments>(arguments)...);
  }
  /// A node that runs another graph, and is done when all of that one is. @throws as spawn, and UsageError for a graph
  /// of another runtime, for this one, and for one that contains it.
  Node<void> spawn(const Graph& inner, std::source_location site = std::source_location::current()) {
    return Node<void>(detail::add_graph(*graph_, inner.graph_, {}, {site}, {}));
  }
  Node<void> spawn(const NodeOptions& options, const Graph& inner) {
    return Node<void>(
        detail::add_graph(*graph_, inner.graph_, options.after.references(), {options.site}, options.name));
  }

  /// Something to pass to spawn(); it is a copy of `initial` in runs that do not bind it.
  template <std::copy_constructible T>
    requires std::same_as<T, std::remove_cvref_t<T>>
  [[nodiscard]] Argument<T> argument(T initial) {
    auto kept = std::make_unique<T>(std::move(initial));
    const detail::NodeReference reference = detail::add_argument(*graph_, detail::kArgumentOps<T>, kept.get());
    static_cast<void>(kept.release());  // NOLINT(bugprone-unused-return-value): the graph owns it now
    return Argument<T>(reference);
  }

  /// Runs all nodes, helping, and waits. @throws TaskErrors with every failure of this run, TaskCancelled if the
  /// runtime cancels it, RuntimeClosed, UsageError for an argument of another graph or one bound twice.
  template <class... T>
  GraphRun run(Bound<T>... values) {  // NOLINT(performance-unnecessary-value-param): moved into the run
    GraphRun run = start(true, values...);
    run.get();
    return run;
  }
  /// Starts a run. Its failures are reported as a task's: by its handle, and by Runtime::wait().
  template <class... T>
  [[nodiscard]] GraphRun run_async(Bound<T>... values) {  // NOLINT(performance-unnecessary-value-param)
    return start(false, values...);
  }

  /// Nodes.
  [[nodiscard]] std::size_t size() const noexcept { return detail::graph_size(*graph_); }

 private:
  template <class... T>
  GraphRun start(bool wait, Bound<T>&... values) {
    std::array<detail::Binding, sizeof...(T)> bindings{values.binding()...};
    return GraphRun(&detail::run_graph(*graph_, bindings, std::source_location::current(), wait));
  }

  template <class Fn, class... Arguments>
  auto spawn_with(std::vector<detail::NodeReference> after, std::string_view name, std::source_location site, Fn&& fn,
                  Arguments&&... arguments) {
    static_assert((!detail::kIsTask<Arguments> && ...),
                  "a node depends on nodes of its graph; pass the value of a task as an argument of the graph");
    using Body = detail::NodeBody<std::decay_t<Fn>, detail::StoredArgument<Arguments>...>;
    using Result = decltype(std::declval<const Body&>()(nullptr, std::declval<detail::Record&>()));
    (add_input(after, arguments), ...);
    alignas(16) std::array<std::byte, detail::kInlineNodeBytes> body;
    detail::construct_node_body<Body>(
        body.data(), std::forward<Fn>(fn),
        std::tuple<detail::StoredArgument<Arguments>...>(stored(std::forward<Arguments>(arguments))...));
    return Node<Result>(detail::add_node(*graph_, detail::kNodeOps<Body, Result>, body.data(), after, {site}, name));
  }
  template <class A>
  void add_input(std::vector<detail::NodeReference>& after, const A& argument) const {
    if constexpr (detail::kIsNode<A>) {
      after.push_back(argument.reference());
    } else if constexpr (detail::kIsArgument<A>) {
      detail::check_node(*graph_, argument.reference());
    }
  }
  template <class A>
  static decltype(auto) stored(A&& argument) {
    using Kept = detail::StoredArgument<A>;
    if constexpr (std::is_same_v<Kept, detail::Input<void>>) {
      return Kept{};
    } else if constexpr (detail::kIsInput<Kept>) {
      return Kept{argument.reference().place};
    } else {
      return std::forward<A>(argument);
    }
  }

  detail::GraphHandle graph_;
};

}  // namespace polyreme
