#include "graph/captured_plan.hpp"

#include <polyreme/errors.hpp>

#include <algorithm>
#include <cstring>

namespace polyreme::graph {

namespace {

void move_body(const detail::NodeOps* ops, void* to, void* from) noexcept {
  if (ops != nullptr && ops->relocate != nullptr) {
    ops->relocate(to, from);
  } else {
    std::memcpy(to, from, detail::kInlineNodeBytes);
  }
}

}  // namespace

Plan::~Plan() {
  unseal();
  for (NodeIndex i = 0; i < size_; ++i) {
    if (nodes_[i].ops->destroy_body != nullptr) nodes_[i].ops->destroy_body(nodes_[i].body.data());
  }
  for (const Argument& argument : arguments_)
    argument.ops->free_initial(argument.initial);
}

Plan::Nodes Plan::allocate(std::size_t capacity) {
  return Nodes(
      static_cast<PlanNode*>(::operator new(capacity * sizeof(PlanNode), std::align_val_t{alignof(PlanNode)})));
}

void Plan::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  capacity = std::max(capacity, 2 * capacity_);
  Nodes grown = allocate(capacity);
  for (NodeIndex i = 0; i < size_; ++i) {
    PlanNode& node = *::new (&grown[i]) PlanNode(nodes_[i]);
    move_body(node.ops, node.body.data(), nodes_[i].body.data());
  }
  nodes_ = std::move(grown);
  capacity_ = capacity;
}

NodeIndex Plan::add(const detail::NodeOps& ops, void* body, std::span<const NodeIndex> predecessors,
                    const detail::NodeSite& site, std::string_view name) {
  unseal();
  if (size_ == kMaxNodes) {
    throw UsageError("polyreme: a captured graph has at most " + std::to_string(kMaxNodes) + " nodes");
  }
  // All memory first: from here on nothing throws.
  reserve(std::size_t{size_} + 1);
  const std::size_t first = predecessors_.size();
  if (predecessors_.capacity() - first < predecessors.size())
    predecessors_.reserve(std::max(2 * predecessors_.capacity(), first + predecessors.size()));
  cold_.reserve(std::size_t{size_} + 1 > cold_.capacity() ? 2 * cold_.capacity() + 1 : 0);
  with_destructor_.reserve(
      with_destructor_.size() + 1 > with_destructor_.capacity() ? 2 * with_destructor_.capacity() + 1 : 0);
  const std::uint32_t place = ops.result_bytes == 0 ? 0 : add_place(ops.result_bytes);
  if (!name.empty()) names_.insert_or_assign(size_, std::string(name));
  cold_.push_back({site, first});
  if (ops.destroy_result != nullptr) with_destructor_.push_back(size_);
  predecessors_.insert(predecessors_.end(), predecessors.begin(), predecessors.end());
  // Named twice it is one dependency.
  const auto begin = predecessors_.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(begin, predecessors_.end());
  predecessors_.erase(std::unique(begin, predecessors_.end()), predecessors_.end());
  PlanNode& node = *::new (&nodes_[size_]) PlanNode{};
  node.ops = &ops;
  node.predecessors = static_cast<std::uint32_t>(predecessors_.size() - first);
  node.result = place;
  move_body(&ops, node.body.data(), body);
  return size_++;
}

std::uint32_t Plan::add_place(std::uint32_t bytes) {
  const auto units = static_cast<std::uint32_t>((bytes + detail::kValueUnit - 1) / detail::kValueUnit);
  if (units > ~0U - value_units_) throw UsageError("polyreme: the results of a captured graph need more than 64 GiB");
  const std::uint32_t place = value_units_;
  value_units_ += units;
  return place;
}

std::uint32_t Plan::add_argument(const detail::ArgumentOps& ops, void* initial) {
  unseal();
  arguments_.reserve(arguments_.size() + 1);
  arguments_.push_back({&ops, initial, add_place(ops.bytes)});
  return static_cast<std::uint32_t>(arguments_.size() - 1);
}

std::string Plan::name_of(NodeIndex index) const {
  const auto named = names_.find(index);
  return named != names_.end() ? named->second : "node " + std::to_string(index);
}

SpawnSite Plan::site_of(NodeIndex index) const {
  const detail::NodeSite& site = cold_[index].site;
  if (site.elsewhere != nullptr) return *site.elsewhere;
  return {site.here.file_name(), site.here.line()};
}

void Plan::unseal() noexcept {
  size_ = bodies();
  sealed_ = false;
}

void Plan::seal() {
  if (sealed_) return;
  unseal();  // what an earlier attempt without memory has left
  std::vector<std::uint32_t> degrees(bodies(), 0);
  for (const NodeIndex predecessor : predecessors_)
    ++degrees[predecessor];
  for (auto& sources : sources_)
    sources.clear();
  for (NodeIndex i = 0; i < bodies(); ++i) {
    if (nodes_[i].predecessors == 0) sources_[static_cast<std::size_t>(nodes_[i].ops->domain)].push_back(i);
  }
  add_gathers(degrees);
  connect(std::move(degrees));
  auto values = std::make_shared<Values>();
  values->arguments = arguments_;
  for (const NodeIndex node : with_destructor_)
    values->results.push_back({nodes_[node].ops->destroy_result, node, nodes_[node].result});
  values_ = std::move(values);
  sealed_ = true;
}

/// A tree of gathers above the nodes without successors, one level after the other.
void Plan::add_gathers(const std::vector<std::uint32_t>& degrees) {
  gathered_.clear();
  for (NodeIndex i = 0; i < bodies(); ++i) {
    if (degrees[i] == 0) gathered_.push_back(i);
  }
  NodeIndex size = bodies();
  std::size_t begin = 0;
  std::vector<std::uint32_t> counts;
  while (begin < gathered_.size()) {
    const std::size_t end = gathered_.size();
    for (; begin < end; begin += kFanIn) {
      counts.push_back(static_cast<std::uint32_t>(std::min<std::size_t>(kFanIn, end - begin)));
      gathered_.push_back(size++);
    }
    begin = end;
    if (gathered_.size() - end == 1) {
      gathered_.pop_back();  // the root is counted by nobody
      break;
    }
  }
  reserve(size);
  for (const std::uint32_t count : counts) {
    PlanNode& gather = *::new (&nodes_[size_++]) PlanNode{};
    gather.predecessors = count;
  }
}

/// Turns the edges round.
void Plan::connect(std::vector<std::uint32_t> degrees) {
  degrees.resize(size_, 0);
  for (const NodeIndex one : gathered_)
    ++degrees[one];
  std::size_t spilled = 0;
  for (NodeIndex i = 0; i < size_; ++i) {
    nodes_[i].degree = degrees[i];
    if (degrees[i] <= kInlineSuccessors) continue;
    nodes_[i].successors[0] = static_cast<std::uint32_t>(spilled);
    spilled += degrees[i];
  }
  if (spilled > ~0U) throw UsageError("polyreme: a captured graph has more than 4 G dependencies");
  edges_.assign(spilled, 0);
  std::vector<std::uint32_t> used(size_, 0);
  const auto connect_one = [&](NodeIndex from, std::uint32_t edge) {
    PlanNode& node = nodes_[from];
    std::uint32_t* const place =
        node.degree <= kInlineSuccessors ? node.successors.data() : edges_.data() + node.successors[0];
    place[used[from]++] = edge;
  };
  for (NodeIndex i = 0; i < bodies(); ++i) {
    const std::uint32_t sole = nodes_[i].predecessors == 1 ? kSolePredecessor : 0U;
    for (const NodeIndex predecessor : predecessors_of(i))
      connect_one(predecessor, i | sole);
  }
  auto next = gathered_.begin();
  for (NodeIndex gather = bodies(); gather < size_; ++gather) {
    for (std::uint32_t k = 0; k < nodes_[gather].predecessors; ++k)
      connect_one(*next++, gather | kToGather);
  }
}

}  // namespace polyreme::graph
