// What a node is made of, while it is being made.
#pragma once

#include <polyreme/detail/graph_abi.hpp>

#include "captured_handles.hpp"
#include "references.hpp"

#include <Python.h>

#include <array>
#include <vector>

namespace polyreme::python {

/// A value of the run among the arguments of a call.
struct Hole {
  std::uint32_t index;  ///< of the argument
  std::uint32_t node;   ///< whose result it is; of arguments of the graph nothing
  ValuePlace value;
};

class NodeBuilder {
 public:
  explicit NodeBuilder(PyObject* graph) noexcept : graph_(graph) {}
  NodeBuilder(const NodeBuilder&) = delete;
  NodeBuilder& operator=(const NodeBuilder&) = delete;
  ~NodeBuilder() {
    if (ops != nullptr && ops->destroy_body != nullptr) ops->destroy_body(body.data());
  }

  /// Adds nodes, or iterables of nodes, that come first. False with an error set.
  [[nodiscard]] bool add_after(PyObject* item, int depth = 0);
  /// Argument `index` of the call: a value of the run becomes a hole, which is added to `holes`; all else is kept.
  /// `constant` is then what the call gets, or null for a hole. False with an error set.
  [[nodiscard]] bool add_argument(PyObject* argument, std::size_t index, std::vector<Hole>& holes, PyObject*& constant);
  void keep(PyObject* object) { kept.emplace_back(Py_NewRef(object)); }

  template <class Content>
  void set_body(const detail::NodeOps& of, const Content& content) noexcept {
    static_assert(sizeof(Content) <= detail::kInlineNodeBytes && std::is_trivially_copyable_v<Content>);
    ops = &of;
    ::new (body.data()) Content(content);
  }
  /// The body belongs to somebody else now.
  void give_away_body() noexcept { ops = nullptr; }

  const detail::NodeOps* ops = nullptr;
  alignas(16) std::array<std::byte, detail::kInlineNodeBytes> body{};
  ValuePlace value;  ///< what the node gives; the place is known once it is added
  std::vector<Owned<>> kept;
  std::vector<detail::NodeReference> predecessors;

 private:
  [[nodiscard]] bool check_graph(PyObject* handle) const;

  PyObject* const graph_;
};

}  // namespace polyreme::python
