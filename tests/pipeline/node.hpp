// What a random program knows of one of its tasks, and what it may do to others.
#pragma once

#include <polyreme/runtime.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace polyreme::pipeline {

/// splitmix64: the same on any machine, unlike the standard library's distributions.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  [[nodiscard]] std::uint64_t below(std::uint64_t count) noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t bits = state_;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
    return (bits ^ (bits >> 31)) % count;
  }
  [[nodiscard]] bool percent(std::uint64_t chance) noexcept { return below(100) < chance; }

 private:
  std::uint64_t state_;
};

/// What a body throws.
class Thrown : public std::runtime_error {
 public:
  explicit Thrown(std::size_t node) : std::runtime_error("node " + std::to_string(node)), node_(node) {}
  [[nodiscard]] std::size_t node() const noexcept { return node_; }

 private:
  std::size_t node_;
};

/// A scope that is waited for. Whoever runs in it must not wait for what waits for it.
struct ScopeNote {
  const ScopeNote* outer = nullptr;
  std::optional<std::size_t> owner;  ///< the node in whose body it is; none: the driver's
  bool cancelled = false;            ///< cancel() was called, or a failure may have cancelled it
};

enum class Kind : std::uint8_t { kPlain, kCoroutine, kRepeatable };
enum class State : std::uint8_t { kUnrun, kRunning, kReturned, kThrew, kStopped };

struct Node {
  std::size_t number = 0;
  std::size_t rank = 0;  ///< it waits for nodes of lower rank only, unless the program is a wild one
  Kind kind = Kind::kPlain;
  std::vector<std::size_t> after;
  const ScopeNote* scope = nullptr;
  Task<int> handle;        ///< empty once the program has dropped it
  bool committed = false;  ///< its spawn succeeded
  bool is_id = false;      ///< named before it was spawned
  bool throws = false;
  int retries = 0;
  bool cancel_asked = false;
  State state = State::kUnrun;
  int attempts = 0;
};

}  // namespace polyreme::pipeline
