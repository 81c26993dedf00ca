// Where the events of a lane go while anybody wants them: into the buffer of a trace, to an observer, or both.
//
// A tap belongs to whoever owns its lane; it is changed only while the runtime is idle.
#pragma once

#include "trace/recorder.hpp"

#include <string>
#include <string_view>

namespace polyreme::trace {

/// Who is told of events at once. The name is that of a task that is spawned, or empty.
class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;
  virtual void heard(const Event& event, std::string_view name) noexcept = 0;
};

class Tap {
 public:
  void record_into(ThreadBuffer* buffer) noexcept { buffer_ = buffer; }
  void tell(Listener* listener) noexcept { listener_ = listener; }
  [[nodiscard]] bool records() const noexcept { return buffer_ != nullptr; }
  [[nodiscard]] bool in_use() const noexcept { return buffer_ != nullptr || listener_ != nullptr; }

  void record(Kind kind, std::uint64_t task, std::uint64_t arg = 0, std::uint32_t where = 0) noexcept {
    const Event event{now_ns(), task, arg, where, kind};
    if (buffer_ != nullptr) buffer_->record(event);
    if (listener_ == nullptr) return;
    listener_->heard(event, kind == Kind::spawned ? std::string_view(name_) : std::string_view());
    if (kind == Kind::spawned) name_.clear();
  }
  /// Before the task's `spawned`.
  void name_task(std::uint64_t task, std::string_view name) {
    if (buffer_ != nullptr) buffer_->name_task(task, name);
    if (listener_ != nullptr) name_ = name;
  }

 private:
  ThreadBuffer* buffer_ = nullptr;
  Listener* listener_ = nullptr;
  std::string name_;  ///< of the task that is spawned next
};

}  // namespace polyreme::trace
