// polyreme.Space: T = rt.space("T"); T[i], T[i, j] are tasks, spawned or not; T[:n], T[2:], T[:, 0] are slices.
#pragma once

#include <polyreme/detail/abi.hpp>

#include "runtime/engine.hpp"

#include <Python.h>

#include <vector>

namespace polyreme::python {

[[nodiscard]] bool add_space_types(PyObject* module);
[[nodiscard]] PyObject* make_space(runtime::Engine& engine, PyObject* name);

/// What `after=` named: borrowed records, and those among them that came with a reference. One thread's own. What is
/// borrowed lives as long as arguments of the call that the thread is in, which nobody changes: tasks and tuples; with
/// the GIL also lists, as long as no code runs.
class Dependencies {
 public:
  Dependencies() = default;
  Dependencies(const Dependencies&) = delete;
  Dependencies& operator=(const Dependencies&) = delete;
  ~Dependencies() {
    for (tasks::Record* record : owned_)
      detail::release(*record);
  }

  /// Adds a task, a slice, a space, or a nested sequence of these. False with an error set.
  [[nodiscard]] bool add(PyObject* item, int depth = 0);
  void add_record(tasks::Record& record) {
    if (count_ < few_.size()) {
      few_[count_++] = &record;
      return;
    }
    if (many_.empty()) many_.assign(few_.begin(), few_.end());
    many_.push_back(&record);
  }
  [[nodiscard]] std::span<tasks::Record* const> records() const noexcept {
    return many_.empty() ? std::span<tasks::Record* const>(few_.data(), count_) : many_;
  }

  /// Takes references to all records, so that they live until the spawn even if code runs before it.
  void keep_borrowed();

 private:
  [[nodiscard]] bool add_list(PyObject* list, int depth);
  [[nodiscard]] bool add_iterable(PyObject* item, int depth);
  [[nodiscard]] static bool refuse(PyObject* item);

  std::array<tasks::Record*, 8> few_;
  std::size_t count_ = 0;
  std::size_t kept_ = 0;              ///< so many of records() are in owned_
  std::vector<tasks::Record*> many_;  ///< all, once they are more than a few
  std::vector<tasks::Record*> owned_;
};

}  // namespace polyreme::python
