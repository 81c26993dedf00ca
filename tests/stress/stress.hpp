// Size and seed of the stress tests.
//
// POLYREME_STRESS_SCALE multiplies the amount of work (1: a few seconds in all). POLYREME_SEED repeats the random
// choices of an earlier run; the schedule of the threads stays free. The seed is printed by every program that uses it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <utility>

namespace polyreme::stress {

[[nodiscard]] inline std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* given = std::getenv("POLYREME_SEED");
    const std::uint64_t chosen = given != nullptr ? std::stoull(given) : std::random_device{}();
    std::cout << "POLYREME_SEED=" << chosen << std::endl;
    return chosen;
  }();
  return value;
}

/// `count` times POLYREME_STRESS_SCALE, at least 1.
[[nodiscard]] inline int scaled(int count) {
  static const double scale = [] {
    const char* given = std::getenv("POLYREME_STRESS_SCALE");
    return given != nullptr ? std::stod(given) : 1.0;
  }();
  return std::max(1, static_cast<int>(scale * count));
}

/// A source of choices of its own for each thread or body of a test. Cheap to make: some bodies make one each.
class Dice {
 public:
  explicit Dice(std::uint64_t stream) : state_(seed() ^ (stream * 0xd1342543de82ef95ULL)) {}
  /// 0 … sides - 1.
  [[nodiscard]] int roll(int sides) { return static_cast<int>(next() % static_cast<std::uint64_t>(sides)); }
  [[nodiscard]] bool one_in(int sides) { return roll(sides) == 0; }
  template <class Range>
  void shuffle(Range& range) {
    for (std::size_t i = range.size(); i > 1; --i)
      std::swap(range[i - 1], range[next() % i]);
  }

 private:
  /// SplitMix64 (Steele, Lea, Flood: OOPSLA 2014).
  std::uint64_t next() {
    std::uint64_t value = state_ += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
  }
  std::uint64_t state_;
};

}  // namespace polyreme::stress
