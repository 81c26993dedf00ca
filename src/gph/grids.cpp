// Shapes on a grid.
#include "gph/generator.hpp"

#include <algorithm>

namespace polyreme::gph {
namespace {

// T[step, i] after its neighbours of the step before, up to `radius` away; the ends have fewer. Two blocks a
// point, read and written in turn.
void emit_stencil_1d(const Settings& settings, Emitter& out) {
  const std::int64_t width = settings.whole("width");
  const std::int64_t steps = settings.whole("steps");
  const std::int64_t radius = settings.whole("radius");
  out.blocks(2 * width);
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t i = 0; i < width; ++i) {
      out.task({step, i});
      const std::int64_t last = std::min(i + radius, width - 1);
      for (std::int64_t j = std::max<std::int64_t>(i - radius, 0); step > 0 && j <= last; ++j) {
        out.after({step - 1, j});
        out.read((step + 1) % 2 * width + j);
      }
      out.write(step % 2 * width + i);
    }
  }
}

// T[step, y, x] after the same point and its four neighbours of the step before. Blocks as in 1-D.
void emit_stencil_2d(const Settings& settings, Emitter& out) {
  const std::int64_t width = settings.whole("width");
  const std::int64_t height = settings.whole("height");
  const std::int64_t steps = settings.whole("steps");
  const auto block_of = [&](std::int64_t step, std::int64_t y, std::int64_t x) {
    return (step % 2 * height + y) * width + x;
  };
  const auto needs = [&](std::int64_t step, std::int64_t y, std::int64_t x) {
    if (y < 0 || y >= height || x < 0 || x >= width) return;
    out.after({step, y, x});
    out.read(block_of(step, y, x));
  };
  out.blocks(2 * width * height);
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        out.task({step, y, x});
        if (step > 0) {
          needs(step - 1, y - 1, x);
          needs(step - 1, y, x - 1);
          needs(step - 1, y, x);
          needs(step - 1, y, x + 1);
          needs(step - 1, y + 1, x);
        }
        out.write(block_of(step, y, x));
      }
    }
  }
}

// T[i, j] after T[i-1, j] and T[i, j-1]; one block a point.
void emit_wavefront(const Settings& settings, Emitter& out) {
  const std::int64_t rows = settings.whole("rows");
  const std::int64_t columns = settings.whole("columns");
  const auto needs = [&](std::int64_t i, std::int64_t j) {
    if (i < 0 || j < 0) return;
    out.after({i, j});
    out.read(i * columns + j);
  };
  out.blocks(rows * columns);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      out.task({i, j});
      needs(i - 1, j);
      needs(i, j - 1);
      out.update(i * columns + j);
    }
  }
}

// Wavefronts from the corners of a grid, as in radiation transport: T[sweep, corner, i, j], with i and j
// counted from the corner, after its two neighbours nearer to the corner and after all of the sweep before at
// the same point of the grid. One block a task.
void emit_sweep(const Settings& settings, Emitter& out) {
  const std::int64_t rows = settings.whole("rows");
  const std::int64_t columns = settings.whole("columns");
  const std::int64_t corners = settings.whole("corners");
  const std::int64_t sweeps = settings.whole("sweeps");
  const auto needs = [&](std::int64_t sweep, std::int64_t corner, std::int64_t i, std::int64_t j) {
    if (i < 0 || j < 0) return;
    out.after({sweep, corner, i, j});
    out.read(((sweep * corners + corner) * rows + i) * columns + j);
  };
  // Corners 1 and 3 count columns from the right, 2 and 3 rows from the bottom.
  const auto row_seen_from = [&](std::int64_t a, std::int64_t b, std::int64_t i) {
    return a / 2 == b / 2 ? i : rows - 1 - i;
  };
  const auto column_seen_from = [&](std::int64_t a, std::int64_t b, std::int64_t j) {
    return a % 2 == b % 2 ? j : columns - 1 - j;
  };

  std::int64_t block = 0;
  out.blocks(sweeps * corners * rows * columns);
  for (std::int64_t sweep = 0; sweep < sweeps; ++sweep) {
    for (std::int64_t corner = 0; corner < corners; ++corner) {
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
          out.task({sweep, corner, i, j});
          needs(sweep, corner, i - 1, j);
          needs(sweep, corner, i, j - 1);
          for (std::int64_t other = 0; sweep > 0 && other < corners; ++other)
            needs(sweep - 1, other, row_seen_from(corner, other, i), column_seen_from(corner, other, j));
          out.write(block++);
        }
      }
    }
  }
}

}  // namespace

Generator stencil_1d_generator() {
  return {"stencil-1d",
          "steps on a line, each point after its neighbours",
          {{.name = "width", .help = "points", .default_value = 16, .low = 1, .high = 1e8},
           {.name = "steps", .help = "steps", .default_value = 100, .low = 1, .high = 1e8},
           {.name = "radius", .help = "neighbours on each side", .default_value = 1, .low = 0, .high = 1000}},
          emit_stencil_1d};
}

Generator stencil_2d_generator() {
  return {"stencil-2d",
          "steps on a plane, each point after its four neighbours and itself",
          {{.name = "width", .help = "points in a row", .default_value = 8, .low = 1, .high = 1e8},
           {.name = "height", .help = "rows", .default_value = 8, .low = 1, .high = 1e8},
           {.name = "steps", .help = "steps", .default_value = 20, .low = 1, .high = 1e8}},
          emit_stencil_2d};
}

Generator wavefront_generator() {
  return {"wavefront",
          "a grid, each point after those above and to the left",
          {{.name = "rows", .help = "rows of the grid", .default_value = 32, .low = 1, .high = 1e8},
           {.name = "columns", .help = "columns of the grid", .default_value = 32, .low = 1, .high = 1e8}},
          emit_wavefront};
}

Generator sweep_generator() {
  return {"sweep",
          "wavefronts over one grid from several corners, repeated",
          {{.name = "rows", .help = "rows of the grid", .default_value = 16, .low = 1, .high = 1e8},
           {.name = "columns", .help = "columns of the grid", .default_value = 16, .low = 1, .high = 1e8},
           {.name = "corners", .help = "corners that a sweep starts from", .default_value = 4, .low = 1, .high = 4},
           {.name = "sweeps", .help = "how many sweeps", .default_value = 2, .low = 1, .high = 1e8}},
          emit_sweep};
}

}  // namespace polyreme::gph
