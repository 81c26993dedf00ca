#include "gph/generator.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace polyreme::gph {

double Settings::real(std::string_view name) const {
  const auto found = std::ranges::find(values_, name, &std::pair<std::string_view, double>::first);
  if (found == values_.end()) throw std::logic_error("a generator asks for an option it does not declare");
  return found->second;
}

Emitter::Emitter(const Settings& settings, GraphBuilder* graph)
    : graph_(graph),
      demand_{.time_us = settings.real("time_us"),
              .share = settings.real("cores"),
              .gil_accesses = static_cast<std::uint64_t>(settings.whole("gil_accesses")),
              .gil = settings.real("gil_fraction"),
              .memory_bytes = static_cast<std::uint64_t>(settings.whole("memory_bytes"))},
      spread_(settings.real("time_spread")),
      elements_(static_cast<std::uint64_t>(settings.whole("elements"))),
      random_(static_cast<std::uint64_t>(settings.whole("seed"))) {}

void Emitter::blocks(std::int64_t count) {
  if (elements_ == 0) return;
  if (static_cast<std::uint64_t>(count) > kMaxGenerated)
    throw BadOption("the graph would have more than " + std::to_string(kMaxGenerated) +
                    " data blocks; choose smaller sizes");
  if (graph_ == nullptr) return;
  for (std::int64_t i = 0; i < count; ++i)
    graph_->add_block({elements_, kHostHome});
}

void Emitter::task(std::string_view space, Index index, double weight) {
  count(tasks_, "tasks");
  if (graph_ == nullptr) return;
  graph_->begin_task(space, index);
  Demand demand = demand_;
  demand.time_us *= weight;
  if (spread_ > 0) demand.time_us *= 1.0 + spread_ * (2.0 * random_unit() - 1.0);
  graph_->add_alternative(kAnyCpu, demand);
}

void Emitter::after(std::string_view space, Index index) {
  count(dependencies_, "dependencies");
  if (graph_ == nullptr) return;
  const std::optional<TaskIndex> other = graph_->find({space, std::span(index.begin(), index.size())});
  if (!other) throw std::logic_error("a generator names a task it has not started");
  graph_->add_dependency(*other);
}

void Emitter::use(void (GraphBuilder::*add)(std::uint32_t), std::int64_t block) {
  if (elements_ == 0) return;
  count(uses_, "uses of data blocks");
  if (graph_ != nullptr) (graph_->*add)(static_cast<std::uint32_t>(block));
}

void Emitter::count(std::uint64_t& counter, const char* what) {
  if (++counter > kMaxGenerated)
    throw BadOption("the graph would have more than " + std::to_string(kMaxGenerated) + " " + what +
                    "; choose smaller sizes");
}

std::int64_t Emitter::random_below(std::int64_t bound) {
  // Values over the last multiple of the bound would favour small results.
  const auto range = static_cast<std::uint64_t>(bound);
  const std::uint64_t usable = std::numeric_limits<std::uint64_t>::max() / range * range;
  std::uint64_t value = random_();
  while (value >= usable)
    value = random_();
  return static_cast<std::int64_t>(value % range);
}

double Emitter::random_unit() {
  return static_cast<double>(random_() >> 11) * 0x1.0p-53;
}

std::int64_t limited_power(std::int64_t base, std::int64_t exponent) noexcept {
  constexpr auto kLimit = static_cast<std::int64_t>(kMaxGenerated);
  std::int64_t power = 1;
  for (std::int64_t i = 0; i < exponent && power <= kLimit; ++i)
    power *= base;
  return power;
}

}  // namespace polyreme::gph
