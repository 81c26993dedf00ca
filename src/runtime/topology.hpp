// The machine as this process may use it: which core a slot stands for, where that is, and how a thread is bound to it.
#pragma once

#include "launch/victims.hpp"

#include <hwloc.h>

#include <cstdint>
#include <span>
#include <vector>

namespace polyreme::runtime {

/// Slot i stands for core i, counted on from the first one if there are more slots than cores. A machine that cannot be
/// read has no cores; then nothing is bound.
class Topology {
 public:
  /// This machine; or, for tests, the one that hwloc's synthetic description names.
  explicit Topology(const char* synthetic = nullptr);
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;
  ~Topology();

  /// Binds the calling thread to the cores of some slots. A hint: errors are ignored.
  void bind(std::span<const std::uint32_t> slots) const noexcept;
  [[nodiscard]] std::vector<launch::SlotPlace> places(std::uint32_t slots) const;
  [[nodiscard]] std::size_t cores() const noexcept { return cores_.size(); }

 private:
  hwloc_topology_t topology_ = nullptr;
  std::vector<hwloc_obj_t> cores_;
};

/// This machine, looked at once. Never destroyed: a runtime may be closed by a static destructor.
[[nodiscard]] const Topology& this_machine();

}  // namespace polyreme::runtime
