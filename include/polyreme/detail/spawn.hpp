// Runtime::spawn_with: builds the body in the record and hands it to the engine. Not for users.
#pragma once

#include <polyreme/detail/repeatable_body.hpp>
#include <polyreme/runtime.hpp>

namespace polyreme {

namespace detail {

/// The tasks among the arguments of one spawn, and what `after` names.
template <std::size_t kTasks>
class Predecessors {
 public:
  template <class Argument>
  void add_if_task(const Argument& argument) {
    if constexpr (kIsTask<Argument>) {
      if (!argument.valid()) {
        throw UsageError("polyreme: an empty task handle among the arguments of spawn; assign it from spawn() first");
      }
      arguments_[count_++] = argument.record();
    }
  }

  void commit(Record& record, const After* after) {
    const std::span<Record* const> named = after == nullptr ? std::span<Record* const>() : after->records();
    if constexpr (kTasks == 0) {
      commit_spawn(record, named);
    } else if (named.empty()) {
      commit_spawn(record, arguments_);
    } else {
      std::vector<Record*> all(named.begin(), named.end());
      all.insert(all.end(), arguments_.begin(), arguments_.end());
      commit_spawn(record, all);
    }
  }

 private:
  std::array<Record*, kTasks> arguments_;
  std::size_t count_ = 0;
};

}  // namespace detail

template <class Fn, class... Arguments>
auto Runtime::spawn_with(const SpawnOptions* options, std::source_location site, Fn&& fn, Arguments&&... arguments) {
  using Bound = detail::BoundBody<std::decay_t<Fn>, std::decay_t<Arguments>...>;
  using Value = decltype(std::declval<Bound&>()(std::declval<detail::Record&>()));
  constexpr bool kRepeats = detail::kIsRepeatable<std::decay_t<Fn>>;
  static_assert(!kRepeats || !detail::kIsCoro<Value>,
                "polyreme: a coroutine is no repeatable body; repeat an ordinary one, or loop in the coroutine");
  using Kind = detail::BodyOf<Bound, Value>;
  using Body = Kind::Body;
  using Result = Kind::Result;
  constexpr std::size_t kTasks = (std::size_t{0} + ... + (detail::kIsTask<Arguments> ? 1U : 0U));

  if (!kRepeats && options != nullptr && (options->retries != 0 || options->backoff.count() != 0)) {
    throw UsageError("polyreme: retries for a body that is not declared repeatable; spawn polyreme::repeatable(fn)");
  }
  detail::Predecessors<kTasks> predecessors;
  (predecessors.add_if_task(arguments), ...);
  const detail::BodyOps& ops = Kind::kOps;
  detail::Record& record =
      options != nullptr && (options->id.has_value() || !options->name.empty())
          ? detail::begin_named_spawn(*engine_, ops, site, options->name,
                                      options->id.has_value() ? &options->id->space() : nullptr,
                                      options->id.has_value() ? options->id->index() : std::span<const std::int64_t>())
          : detail::begin_spawn(*engine_, ops, site);
  try {
    if (options != nullptr && options->priority != 0) detail::set_priority(record, options->priority);
    if (options != nullptr && options->cores != 1) detail::set_cores(record, options->cores);
    if constexpr (kRepeats) {
      detail::set_retries(record, options == nullptr ? 0 : options->retries,
                          options == nullptr ? 0 : options->backoff.count());
    }
    detail::construct_body<Body>(detail::body_of(record), std::forward<Fn>(fn),
                                 std::tuple<std::decay_t<Arguments>...>(std::forward<Arguments>(arguments)...));
  } catch (...) {
    detail::abort_spawn(record);
    throw;
  }
  predecessors.commit(record, options == nullptr ? nullptr : &options->after);
  return Task<Result>(&record);
}

}  // namespace polyreme
