// Task spaces: n-dimensional families of ids that are usable before their tasks are spawned.
//
//   polyreme::Space grid = rt.space("grid");
//   rt.spawn({.id = grid(i, j), .after = {grid(i - 1, j), grid(i, j - 1)}}, body);
//   rt.spawn({.after = {grid(polyreme::upto(n), 0)}}, last);      // ids 0 … n-1 of the first column, spawned or not
#pragma once

#include <polyreme/task.hpp>

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace polyreme {

inline constexpr std::size_t kMaxIndices = 6;

/// Indices along one dimension: start, start + step, … below stop. Without a stop: those spawned so far.
struct Range {
  std::int64_t start = 0;
  std::int64_t stop = 0;
  std::int64_t step = 1;
  bool open = false;
};

[[nodiscard]] constexpr Range range(std::int64_t start, std::int64_t stop, std::int64_t step = 1) noexcept {
  return {start, stop, step, false};
}
[[nodiscard]] constexpr Range upto(std::int64_t stop) noexcept {
  return {0, stop, 1, false};
}
/// From `start` on, as far as tasks were spawned when the dependency is made.
[[nodiscard]] constexpr Range from(std::int64_t start, std::int64_t step = 1) noexcept {
  return {start, 0, step, true};
}

/// An id: one point of a space. Small, copyable; keeps its space alive.
class TaskId {
 public:
  TaskId(std::shared_ptr<graph::SpaceState> space, std::span<const std::int64_t> index);

  /// The task with this id, spawned or not. @throws TypeMismatch from get() if its body returns another type.
  template <class T = void>
  [[nodiscard]] Task<T> task() const {
    return Task<T>(resolve());
  }
  [[nodiscard]] std::string name() const;
  [[nodiscard]] graph::SpaceState& space() const noexcept { return *space_; }
  [[nodiscard]] std::span<const std::int64_t> index() const noexcept { return {index_.data(), rank_}; }

 private:
  /// With a reference for the caller; made as a placeholder if need be.
  [[nodiscard]] detail::Record* resolve() const;

  std::shared_ptr<graph::SpaceState> space_;
  std::array<std::int64_t, kMaxIndices> index_{};
  std::size_t rank_ = 0;
};

/// A product of ranges in a space, as a dependency.
struct SpaceSlice {
  std::shared_ptr<graph::SpaceState> space;
  std::array<Range, kMaxIndices> ranges{};
  std::size_t rank = 0;  ///< 0: every id spawned so far
};

namespace detail {

constexpr Range as_range(Range range) noexcept {
  return range;
}
constexpr Range as_range(std::integral auto index) noexcept {
  return {static_cast<std::int64_t>(index), static_cast<std::int64_t>(index) + 1, 1, false};
}

}  // namespace detail

class Space {
 public:
  /// Used by Runtime::space().
  explicit Space(std::shared_ptr<graph::SpaceState> state);

  template <std::integral... Index>
    requires(sizeof...(Index) >= 1 && sizeof...(Index) <= kMaxIndices)
  [[nodiscard]] TaskId operator()(Index... index) const {
    const std::array<std::int64_t, sizeof...(Index)> indices{static_cast<std::int64_t>(index)...};
    return TaskId(state(), indices);
  }
  [[nodiscard]] TaskId operator[](std::int64_t index) const { return (*this)(index); }

  /// A slice: at least one argument is a Range.
  template <class... Part>
    requires(sizeof...(Part) >= 1 && sizeof...(Part) <= kMaxIndices && !(std::integral<Part> && ...))
  [[nodiscard]] SpaceSlice operator()(Part... part) const {
    return SpaceSlice{state(), {detail::as_range(part)...}, sizeof...(Part)};
  }

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] std::shared_ptr<graph::SpaceState> state() const noexcept { return {owner_, owner_->state.get()}; }

 private:
  /// Shared by handles, ids and slices: when the last one goes, nobody can name an id any more, and all are forgotten.
  struct Owner {
    explicit Owner(std::shared_ptr<graph::SpaceState> one) : state(std::move(one)) {}
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner();
    std::shared_ptr<graph::SpaceState> state;
  };

  std::shared_ptr<const Owner> owner_;
};

}  // namespace polyreme
