// The body of the benchmark of native bodies from Python: writes its number behind those of the bodies before it.
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace {

std::int64_t* order = nullptr;
std::atomic<std::size_t> ran{0};

}  // namespace

extern "C" {

/// Begins a run of as many tasks as `numbers` has room for.
[[gnu::visibility("default")]] void begin_run(std::int64_t* numbers) {
  order = numbers;
  ran.store(0);
}

[[gnu::visibility("default")]] void run_task(std::int64_t number) {
  order[ran.fetch_add(1, std::memory_order_relaxed)] = number;
}

/// How many bodies ran.
[[gnu::visibility("default")]] std::int64_t end_run() {
  return static_cast<std::int64_t>(ran.load());
}
}
