#include "gph/generate.hpp"

#include "gph/generator.hpp"
#include "gph/scanner.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace polyreme::gph {
namespace {

const std::vector<OptionInfo>& common_options() {
  static const std::vector<OptionInfo> options{
      {.name = "time_us",
       .help = "time of a task in microseconds",
       .default_value = 1000,
       .low = 0,
       .high = 1e12,
       .whole = false},
      {.name = "time_spread",
       .help = "vary times evenly by up to this fraction of time_us, up and down",
       .default_value = 0,
       .low = 0,
       .high = 1,
       .whole = false},
      {.name = "gil_accesses",
       .help = "how many times a task takes the GIL",
       .default_value = 1,
       .low = 0,
       .high = 1e9},
      {.name = "gil_fraction",
       .help = "fraction of time_us held with the GIL, in all",
       .default_value = 0,
       .low = 0,
       .high = 1,
       .whole = false},
      {.name = "cores", .help = "cores that a task holds", .default_value = 1, .low = 1, .high = 1024},
      {.name = "memory_bytes",
       .help = "memory of a task besides its data blocks",
       .default_value = 0,
       .low = 0,
       .high = 1e18},
      {.name = "elements", .help = "elements of a data block; 0: no data", .default_value = 0, .low = 0, .high = 1e15},
      {.name = "seed", .help = "seed of everything random", .default_value = 1, .low = 0, .high = 1e15},
  };
  return options;
}

const std::vector<Generator>& generators() {
  static const std::vector<Generator> all{
      independent_generator(), serial_generator(),     reduction_generator(),  reduction_scatter_generator(),
      map_reduce_generator(),  stencil_1d_generator(), stencil_2d_generator(), wavefront_generator(),
      sweep_generator(),       butterfly_generator(),  cholesky_generator(),   timesteps_generator(),
      random_generator(),
  };
  return all;
}

template <typename Items>
std::string name_list(const Items& items) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += ", ";
    text += item.name;
  }
  return text;
}

double parse_value(const OptionInfo& option, const std::string& text) {
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value);
  // Written so that NaN is refused too.
  const bool good = error == std::errc() && next == end && value >= option.low && value <= option.high &&
                    (!option.whole || value == std::floor(value));
  if (!good)
    throw BadOption("option " + std::string(option.name) + " is '" + text + "'; it must be a " +
                    (option.whole ? "whole number" : "number") + " between " + number_text(option.low) + " and " +
                    number_text(option.high));
  return value;
}

Settings settings_of(const KindInfo& kind, const Options& options) {
  for (const auto& [name, value] : options)
    if (std::ranges::find(kind.options, name, &OptionInfo::name) == kind.options.end())
      throw BadOption("kind " + std::string(kind.name) + " has no option '" + name + "'; it has " +
                      name_list(kind.options));
  Settings settings;
  for (const OptionInfo& option : kind.options) {
    const auto given = options.find(option.name);
    settings.set(option.name, given == options.end() ? option.default_value : parse_value(option, given->second));
  }
  if (settings.real("gil_fraction") > 0 && settings.whole("gil_accesses") == 0)
    throw BadOption("option gil_fraction must be 0 where gil_accesses is 0");
  return settings;
}

}  // namespace

std::span<const KindInfo> kinds() {
  static const std::vector<KindInfo> all = [] {
    std::vector<KindInfo> infos;
    for (const Generator& generator : generators()) {
      KindInfo& info = infos.emplace_back(generator.name, generator.summary, generator.options);
      info.options.insert(info.options.end(), common_options().begin(), common_options().end());
    }
    return infos;
  }();
  return all;
}

Graph generate(std::string_view kind, const Options& options) {
  const auto found = std::ranges::find(generators(), kind, &Generator::name);
  if (found == generators().end())
    throw BadOption("there is no kind of graph '" + std::string(kind) + "'; choose one of " + name_list(generators()));
  const auto which = static_cast<std::size_t>(found - generators().begin());
  const Settings settings = settings_of(kinds()[which], options);

  Emitter counter(settings, nullptr);
  found->emit(settings, counter);

  GraphBuilder graph(Format::two);
  Emitter emitter(settings, &graph);
  found->emit(settings, emitter);
  return std::move(graph).finish();
}

}  // namespace polyreme::gph
