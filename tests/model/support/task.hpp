// A task of the models: a production record in memory of its own, with watched data.
#pragma once

#include "graph/successors.hpp"
#include "support/model.hpp"
#include "sync/atomic.hpp"
#include "task/record.hpp"

#include <cstdint>

namespace polyreme::model {

struct Task : tasks::Record {
  sync::Shared<int> argument;  ///< written before the task is committed
  sync::Shared<int> result;    ///< written by its body
};

inline constexpr int kResult = 42;

[[nodiscard]] inline Task& task_of(tasks::Record& record) {
  return static_cast<Task&>(record);
}

/// A record that is being built, as the engine hands it out.
[[nodiscard]] inline Task& make_task(std::uint64_t references) {
  // In the order of the members: bases take no names.
  auto* task = new Task{{{{}},              // state
                         {{}, {}, {}, {}},  // the entry
                         {},
                         {},
                         {},
                         {},
                         {},
                         {},  // successors … ops
                         {.here{}}},
                        {},
                        {}};
  tasks::reset(*task, references, tasks::state::kSpawned);
  return *task;
}

/// Makes sure that a walk over a successor list fails if it still reads this member of it.
inline void take_back(std::uintptr_t& next) {
  static graph::Listener trap = {
      .next = 0,
      .notify = [](graph::Listener&,
                   tasks::Record&) noexcept { require(false, "a member was read that was given back"); },
      .waiting_body = nullptr};
  // Volatile, for the memory may be freed next.
  *const_cast<volatile std::uintptr_t*>(&next) = reinterpret_cast<std::uintptr_t>(&trap) | graph::kListener;
}

/// Races with every access that does not happen before; later ones touch freed memory.
inline void free_task(tasks::Record& record) {
  Task& task = task_of(record);
  for (tasks::Edge& edge : task.edges)
    take_back(edge.next);
  task.argument.set(0);
  task.result.set(0);
  delete task.rare;
  delete &task;
}

inline void release(tasks::Record& record) {
  if (tasks::drop_reference(record)) free_task(record);
}

}  // namespace polyreme::model
