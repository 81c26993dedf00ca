// Shapes of well-known numerical algorithms.
#include "gph/generator.hpp"

namespace polyreme::gph {
namespace {

// The butterfly of a fast Fourier transform (Cooley and Tukey, 1965): T[level, i] after T[level-1, i] and
// T[level-1, i with bit level-1 flipped]; one block a task.
void emit_butterfly(const Settings& settings, Emitter& out) {
  const std::int64_t levels = settings.whole("levels");
  const std::int64_t width = limited_power(2, levels);
  out.blocks((levels + 1) * width);
  for (std::int64_t level = 0; level <= levels; ++level) {
    for (std::int64_t i = 0; i < width; ++i) {
      out.task({level, i});
      if (level > 0) {
        const std::int64_t distance = limited_power(2, level - 1);
        const std::int64_t partner = i / distance % 2 == 0 ? i + distance : i - distance;
        out.after({level - 1, i});
        out.after({level - 1, partner});
        out.read((level - 1) * width + i);
        out.read((level - 1) * width + partner);
      }
      out.write(level * width + i);
    }
  }
}

// Right-looking blocked Cholesky factorisation of the lower triangle: P[k] factors a diagonal block, S[i, k]
// solves one below it, U[i, j, k] updates one to the right. Times: U time_us, S three quarters, P half of it.
void emit_cholesky(const Settings& settings, Emitter& out) {
  constexpr double kSolveWeight = 0.75;
  constexpr double kFactorWeight = 0.5;
  const std::int64_t n = settings.whole("blocks");
  const auto block_of = [](std::int64_t i, std::int64_t j) { return i * (i + 1) / 2 + j; };
  out.blocks(n * (n + 1) / 2);
  for (std::int64_t k = 0; k < n; ++k) {
    out.task("P", {k}, kFactorWeight);
    if (k > 0) out.after("U", {k, k, k - 1});
    out.update(block_of(k, k));
    for (std::int64_t i = k + 1; i < n; ++i) {
      out.task("S", {i, k}, kSolveWeight);
      out.after("P", {k});
      if (k > 0) out.after("U", {i, k, k - 1});
      out.read(block_of(k, k));
      out.update(block_of(i, k));
    }
    for (std::int64_t i = k + 1; i < n; ++i) {
      for (std::int64_t j = k + 1; j <= i; ++j) {
        out.task("U", {i, j, k});
        out.after("S", {i, k});
        out.read(block_of(i, k));
        if (j != i) {
          out.after("S", {j, k});
          out.read(block_of(j, k));
        }
        if (k > 0) out.after("U", {i, j, k - 1});
        out.update(block_of(i, j));
      }
    }
  }
}

}  // namespace

Generator butterfly_generator() {
  return {"butterfly",
          "the exchanges of a fast Fourier transform",
          {{.name = "levels",
            .help = "levels of exchange; there are 2^levels points",
            .default_value = 6,
            .low = 0,
            .high = 60}},
          emit_butterfly};
}

Generator cholesky_generator() {
  return {
      "cholesky",
      "blocked Cholesky factorisation",
      {{.name = "blocks", .help = "blocks in each row of the matrix", .default_value = 12, .low = 1, .high = 100'000}},
      emit_cholesky};
}

}  // namespace polyreme::gph
