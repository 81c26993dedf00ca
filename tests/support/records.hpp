// Records without an engine, for tests of single stages.
#pragma once

#include "graph/space.hpp"
#include "task/record.hpp"

#include <cstdint>
#include <new>

namespace polyreme::test {

/// Makes records on the heap and counts those that live.
class HeapRecords final : public graph::RecordSource {
 public:
  [[nodiscard]] tasks::Record& make() override {
    auto* record = static_cast<tasks::Record*>(::operator new(sizeof(tasks::Record), kAlignment));
    tasks::reset(*record, 1, 0);
    record->id = ++made_;
    ++alive_;
    return *record;
  }
  [[nodiscard]] tasks::Record& make_done() override {
    tasks::Record& record = make();
    record.successors.store(tasks::kClosed, sync::memory_order_relaxed);
    return record;
  }
  void drop(tasks::Record& record) noexcept override {
    if (!tasks::drop_reference(record)) return;
    delete record.rare;
    ::operator delete(&record, kAlignment);
    --alive_;
  }
  void give_up(tasks::Record& record) noexcept override {
    ++given_up_;
    drop(record);
  }

  [[nodiscard]] int alive() const noexcept { return alive_; }
  [[nodiscard]] int given_up() const noexcept { return given_up_; }

 private:
  static constexpr std::align_val_t kAlignment{alignof(tasks::Record)};

  std::uint64_t made_ = 0;
  int alive_ = 0;
  int given_up_ = 0;
};

}  // namespace polyreme::test
