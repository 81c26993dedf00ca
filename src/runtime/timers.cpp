#include "runtime/timers.hpp"

#include <algorithm>
#include <functional>

namespace polyreme::runtime {

using tasks::Record;

void Timers::add(Clock::time_point when, tasks::Record& record) {
  const std::lock_guard lock(mutex_);
  POLYREME_CHECK(!stopping_);
  entries_.reserve(entries_.size() + 1);
  if (!by_hand_ && !thread_.joinable()) thread_ = std::thread([this] { run(); });
  const bool earliest = entries_.empty() || when < entries_.front().when;
  entries_.push_back({when, &record});
  std::ranges::push_heap(entries_, std::less<>());
  if (earliest) earlier_.notify_one();
}

void Timers::expire() {
  const std::lock_guard lock(mutex_);
  ++expired_;
  earlier_.notify_one();
}

void Timers::resume() noexcept {
  const std::lock_guard lock(mutex_);
  --expired_;
}

void Timers::stop() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    POLYREME_CHECK(entries_.empty());
    stopping_ = true;
    thread.swap(thread_);
    earlier_.notify_one();
  }
  if (thread.joinable()) thread.join();
}

bool Timers::remove(const tasks::Record& record) {
  const std::lock_guard lock(mutex_);
  if (std::erase_if(entries_, [&](const Entry& entry) { return entry.record == &record; }) == 0) return false;
  std::ranges::make_heap(entries_, std::less<>());
  return true;
}

void Timers::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (entries_.empty()) {
      earlier_.wait(lock);
      continue;
    }
    const Entry first = entries_.front();
    if (expired_ == 0 && Clock::now() < first.when) {
      earlier_.wait_until(lock, first.when);
      continue;
    }
    Record& record = pop_locked();
    lock.unlock();
    due_(self_, record);
    lock.lock();
  }
}

Timers::Clock::time_point Timers::next() {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return Clock::time_point::max();
  return expired_ != 0 ? Clock::time_point::min() : entries_.front().when;
}

void Timers::fire_next() {
  std::unique_lock lock(mutex_);
  Record& record = pop_locked();
  lock.unlock();
  due_(self_, record);
}

Record& Timers::pop_locked() {
  std::ranges::pop_heap(entries_, std::less<>());
  Record& record = *entries_.back().record;
  entries_.pop_back();
  return record;
}

}  // namespace polyreme::runtime
