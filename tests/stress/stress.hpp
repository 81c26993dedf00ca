// Size and seed of the stress tests.
//
// POLYREME_STRESS_SCALE multiplies the amount of work (1: a few seconds in all). POLYREME_SEED repeats the random choices of
// an earlier run; the schedule of the threads stays free. The seed is printed by every program that uses it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

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

/// A source of choices of its own for each thread of a test.
class Dice {
public:
    explicit Dice(std::uint64_t stream) {
        std::seed_seq mixed{seed(), seed() >> 32, stream};
        engine_.seed(mixed);
    }
    /// 0 … sides - 1.
    [[nodiscard]] int roll(int sides) { return std::uniform_int_distribution<int>(0, sides - 1)(engine_); }
    [[nodiscard]] bool one_in(int sides) { return roll(sides) == 0; }
    template <class Range>
    void shuffle(Range& range) {
        std::shuffle(range.begin(), range.end(), engine_);
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace polyreme::stress
