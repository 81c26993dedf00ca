// Catches the warnings of a runtime, so that a test can wait for one.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace polyreme::test {

class Warnings {
 public:
  /// For RuntimeOptions::warn. The handler may outlive this object.
  [[nodiscard]] std::function<void(const std::string&)> handler() const {
    return [state = state_](const std::string& text) {
      const std::lock_guard lock(state->mutex);
      state->texts.push_back(text);
      state->changed.notify_all();
    };
  }

  /// Blocks until there are at least `count`.
  void await(std::size_t count) const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->texts.size() >= count; });
  }

  [[nodiscard]] std::vector<std::string> texts() const {
    const std::lock_guard lock(state_->mutex);
    return state_->texts;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> texts;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace polyreme::test
