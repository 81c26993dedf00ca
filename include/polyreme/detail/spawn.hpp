// Runtime::spawn_with: builds the body in the record and hands it to the engine. Not for users.
#pragma once

#include <polyreme/runtime.hpp>

namespace polyreme {

namespace detail {

/// Predecessors of one spawn: `After` first, then task arguments. On the stack while they are few.
template <std::size_t kFromArguments>
class Predecessors {
 public:
  explicit Predecessors(const After* after) {
    const std::span<Record* const> named = after == nullptr ? std::span<Record* const>() : after->records();
    if (named.size() > kFew) many_.reserve(named.size() + kFromArguments);
    for (Record* record : named) add(record, named.size());
  }

  template <class Argument>
  void add_if_task(const Argument& argument) {
    if constexpr (kIsTask<Argument>) {
      if (!argument.valid()) {
        throw UsageError("polyreme: an empty task handle among the arguments of spawn; assign it from spawn() first");
      }
      add(argument.record(), count_);
    }
  }

  [[nodiscard]] std::span<Record* const> span() const noexcept {
    return many_.empty() ? std::span<Record* const>(few_.data(), count_) : std::span<Record* const>(many_);
  }

 private:
  static constexpr std::size_t kFew = 4;
  void add(Record* record, std::size_t expected) {
    if (expected > kFew || !many_.empty()) {
      many_.push_back(record);
    } else {
      few_[count_++] = record;
    }
  }

  std::array<Record*, kFew + kFromArguments> few_;
  std::size_t count_ = 0;
  std::vector<Record*> many_;
};

}  // namespace detail

template <class Fn, class... Arguments>
auto Runtime::spawn_with(const SpawnOptions* options, std::source_location site, Fn&& fn, Arguments&&... arguments) {
  using Body = detail::BoundBody<std::decay_t<Fn>, std::decay_t<Arguments>...>;
  using Result = decltype(std::declval<Body&>()());
  constexpr std::size_t kTasks = (std::size_t{0} + ... + (detail::kIsTask<Arguments> ? 1U : 0U));

  detail::SpawnAttributes attributes;
  attributes.ops = &detail::kBodyOps<Body, Result>;
  attributes.site = site;
  if (options != nullptr) {
    attributes.name = options->name;
    if (options->id.has_value()) {
      attributes.space = &options->id->space();
      attributes.index = options->id->index();
    }
  }
  detail::Predecessors<kTasks> predecessors(options == nullptr ? nullptr : &options->after);
  (predecessors.add_if_task(arguments), ...);

  detail::Record& record = detail::begin_spawn(*engine_, attributes);
  try {
    detail::construct_body<Body>(detail::body_of(record), std::forward<Fn>(fn),
                                 std::tuple<std::decay_t<Arguments>...>(std::forward<Arguments>(arguments)...));
  } catch (...) {
    detail::abort_spawn(record);
    throw;
  }
  detail::commit_spawn(record, predecessors.span());
  return Task<Result>(&record);
}

}  // namespace polyreme
