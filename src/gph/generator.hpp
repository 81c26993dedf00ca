// What a generator of graphs is made of; generate.cpp lists them all.
#pragma once

#include "gph/builder.hpp"
#include "gph/generate.hpp"

#include <initializer_list>
#include <random>

namespace polyreme::gph {

// The options of one call, all of them set and in range.
class Settings {
 public:
  void set(std::string_view name, double value) { values_.emplace_back(name, value); }

  [[nodiscard]] double real(std::string_view name) const;
  [[nodiscard]] std::int64_t whole(std::string_view name) const { return static_cast<std::int64_t>(real(name)); }

 private:
  std::vector<std::pair<std::string_view, double>> values_;
};

using Index = std::initializer_list<std::int64_t>;

// Takes the tasks of a shape one by one. A generator runs twice: first only to count, so that a graph that is
// too large is refused before it takes memory.
class Emitter {
 public:
  // `graph` is null while counting.
  Emitter(const Settings& settings, GraphBuilder* graph);

  // Declares the data blocks, before any task. Without elements there are none, and uses of blocks are
  // ignored.
  void blocks(std::int64_t count);

  // Starts a task that takes time_us times `weight`.
  void task(std::string_view space, Index index, double weight = 1.0);
  void task(Index index) { task(kTasks, index); }

  // What the task depends on; it has been started before.
  void after(std::string_view space, Index index);
  void after(Index index) { after(kTasks, index); }

  void read(std::int64_t block) { use(&GraphBuilder::add_read, block); }
  void write(std::int64_t block) { use(&GraphBuilder::add_write, block); }
  void update(std::int64_t block) { use(&GraphBuilder::add_update, block); }

  // A whole number in [0, bound), the same for the same seed on every machine.
  [[nodiscard]] std::int64_t random_below(std::int64_t bound);

 private:
  static constexpr std::string_view kTasks = "T";

  void count(std::uint64_t& counter, const char* what);
  void use(void (GraphBuilder::*add)(std::uint32_t), std::int64_t block);
  [[nodiscard]] double random_unit();

  GraphBuilder* graph_;
  Demand demand_;
  double spread_;
  std::uint64_t elements_;
  std::mt19937_64 random_;
  std::uint64_t tasks_ = 0;
  std::uint64_t dependencies_ = 0;
  std::uint64_t uses_ = 0;
};

struct Generator {
  std::string_view name;
  std::string_view summary;
  std::vector<OptionInfo> options;
  void (*emit)(const Settings& settings, Emitter& out);
};

// base^exponent, or any value over kMaxGenerated if that is larger.
[[nodiscard]] std::int64_t limited_power(std::int64_t base, std::int64_t exponent) noexcept;

// chains.cpp
[[nodiscard]] Generator independent_generator();
[[nodiscard]] Generator serial_generator();
[[nodiscard]] Generator timesteps_generator();
// trees.cpp
[[nodiscard]] Generator reduction_generator();
[[nodiscard]] Generator reduction_scatter_generator();
[[nodiscard]] Generator map_reduce_generator();
// grids.cpp
[[nodiscard]] Generator stencil_1d_generator();
[[nodiscard]] Generator stencil_2d_generator();
[[nodiscard]] Generator wavefront_generator();
[[nodiscard]] Generator sweep_generator();
// numerics.cpp
[[nodiscard]] Generator butterfly_generator();
[[nodiscard]] Generator cholesky_generator();
// random.cpp
[[nodiscard]] Generator random_generator();

}  // namespace polyreme::gph
