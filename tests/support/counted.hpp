// Objects that count themselves, for tests of what is destroyed when.
#pragma once

#include <atomic>
#include <stdexcept>
#include <utility>

namespace polyreme::test {

/// How many objects of one test live; shared by all of them.
class Census {
 public:
  [[nodiscard]] int alive() const noexcept { return alive_.load(); }
  void add(int amount) noexcept { alive_.fetch_add(amount); }

 private:
  std::atomic<int> alive_{0};
};

/// Copyable and movable; not trivially destructible.
class Counted {
 public:
  Counted(Census& census, int value) noexcept : census_(&census), value_(value) { census.add(1); }
  Counted(const Counted& other) noexcept : census_(other.census_), value_(other.value_) { census_->add(1); }
  Counted(Counted&& other) noexcept : census_(other.census_), value_(std::exchange(other.value_, -1)) {
    census_->add(1);
  }
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() { census_->add(-1); }

  [[nodiscard]] int value() const noexcept { return value_; }

 private:
  Census* census_;
  int value_;
};

/// The same, movable only, and its move throws when the fuse has burnt down to 0. A negative fuse never burns.
class Fragile {
 public:
  Fragile(Census& census, int& fuse) noexcept : census_(&census), fuse_(&fuse) { census.add(1); }
  // NOLINTNEXTLINE(performance-noexcept-move-constructor): that it throws is what it is for
  Fragile(Fragile&& other) : census_(other.census_), fuse_(other.fuse_) {
    if (*fuse_ == 0) throw std::runtime_error("the fuse has burnt down");
    if (*fuse_ > 0) --*fuse_;
    census_->add(1);
  }
  Fragile(const Fragile&) = delete;
  Fragile& operator=(const Fragile&) = delete;
  Fragile& operator=(Fragile&&) = delete;
  ~Fragile() { census_->add(-1); }

 private:
  Census* census_;
  int* fuse_;
};

}  // namespace polyreme::test
