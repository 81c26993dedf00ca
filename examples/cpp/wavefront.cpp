// Paths through a grid, from the upper left to the lower right corner: each entry is the sum of the one
// above and the one to the left. A task an entry, named by an id of a space, so that a dependency is written
// like the formula.
//
// Prints:
//
//    40116600 paths
#include <polyreme/runtime.hpp>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <utility>
#include <vector>

int main() {
  constexpr std::size_t n = 15;
  std::vector<std::vector<std::int64_t>> paths(n, std::vector<std::int64_t>(n, 1));

  polyreme::Runtime rt;
  const polyreme::Space grid = rt.space("grid");
  for (std::size_t i = 1; i < n; ++i) {
    for (std::size_t j = 1; j < n; ++j) {
      polyreme::After before;
      if (i > 1) before.add(grid(i - 1, j));
      if (j > 1) before.add(grid(i, j - 1));
      rt.spawn({.id = grid(i, j), .after = std::move(before)},
               [&paths, i, j] { paths[i][j] = paths[i - 1][j] + paths[i][j - 1]; });
    }
  }
  rt.wait();
  std::cout << paths[n - 1][n - 1] << " paths\n";
}
