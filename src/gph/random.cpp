// Random graphs in layers.
#include "gph/generator.hpp"

#include <algorithm>

namespace polyreme::gph {
namespace {

// T[layer, i] after one task of the layer before and further ones, all different, of the last `reach` layers.
// Each task writes block layer * width + i and reads those of its dependencies.
void emit_random(const Settings& settings, Emitter& out) {
  const std::int64_t layers = settings.whole("layers");
  const std::int64_t width = settings.whole("width");
  const std::int64_t edges = settings.whole("edges");
  const std::int64_t reach = settings.whole("reach");
  std::vector<std::int64_t> chosen;
  out.blocks(layers * width);
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::int64_t seen = std::min(reach, layer) * width;  // tasks that may be chosen
    for (std::int64_t i = 0; i < width; ++i) {
      const std::int64_t self = layer * width + i;
      chosen.clear();
      while (static_cast<std::int64_t>(chosen.size()) < std::min(edges, seen)) {
        const std::int64_t candidates = chosen.empty() ? width : seen;
        const std::int64_t other = layer * width - 1 - out.random_below(candidates);
        if (std::ranges::find(chosen, other) == chosen.end()) chosen.push_back(other);
      }
      std::ranges::sort(chosen);
      out.task({layer, i});
      for (const std::int64_t other : chosen) {
        out.after({other / width, other % width});
        out.read(other);
      }
      out.write(self);
    }
  }
}

}  // namespace

Generator random_generator() {
  return {
      "random",
      "layers with random dependencies on the layers before",
      {{.name = "layers", .help = "how many layers", .default_value = 50, .low = 1, .high = 1e8},
       {.name = "width", .help = "tasks in a layer", .default_value = 20, .low = 1, .high = 1e8},
       {.name = "edges", .help = "dependencies of a task", .default_value = 3, .low = 0, .high = 64},
       {.name = "reach", .help = "layers back that a dependency may go", .default_value = 3, .low = 1, .high = 1000}},
      emit_random};
}

}  // namespace polyreme::gph
