// The compiled half of include/polyreme/detail/abi.hpp.
#include <polyreme/detail/abi.hpp>
#include <polyreme/errors.hpp>

#include "runtime/engine.hpp"
#include "runtime/threads.hpp"

#include <string>
#include <string_view>

namespace polyreme::detail {

using runtime::Engine;

void set_priority(Record& record, int priority) {
  if (priority < -1 || priority > 1) {
    throw UsageError("polyreme: priority=" + std::to_string(priority) + "; it is -1, 0 or 1");
  }
  tasks::set_priority(record, priority);
}

void set_cores(Record& record, std::uint32_t cores) {
  const std::uint32_t workers = Engine::of(record).workers();
  if (cores < 1 || cores > workers) {
    throw UsageError("polyreme: cores=" + std::to_string(cores) + " on a runtime with workers=" +
                     std::to_string(workers) + "; a task has from 1 core to as many as there are workers");
  }
  tasks::set_cores(record, cores);
}

bool is_done(const Record& record) noexcept {
  return tasks::done(record);
}

void wait_done(Record& record) {
  static_cast<void>(Engine::of(record).wait_done(record, -1, nullptr));
}

bool wait_done_for(Record& record, std::int64_t timeout_ns) {
  return Engine::of(record).wait_done(record, timeout_ns, nullptr);
}

const void* result_of(const Record& record, const std::type_info& type) {
  if (record.ops == nullptr || *record.ops->result_type != type) {
    throw TypeMismatch("polyreme: the result of " + name_of(record) +
                       " was asked for as another type than its body returned");
  }
  return record.body;
}

std::string name_of(const Record& record) {
  const tasks::Rare* const rare = record.rare;
  const std::string_view label = rare != nullptr ? rare->label.text() : std::string_view();
  if (rare != nullptr && rare->space != nullptr) {
    return graph::id_of(*rare) + (label.empty() ? "" : " (" + std::string(label) + ")");
  }
  return label.empty() ? "task #" + std::to_string(record.id) : std::string(label);
}

SpawnSite site_of(const Record& record) {
  if ((record.flags & tasks::kForeignSite) != 0) return *record.site.elsewhere;
  if (record.site.here.line() == 0) return {};
  return {record.site.here.file_name(), record.site.here.line()};
}

bool belongs_to(const Record& record, const Engine& engine) noexcept {
  return &Engine::of(record) == &engine;
}

}  // namespace polyreme::detail
