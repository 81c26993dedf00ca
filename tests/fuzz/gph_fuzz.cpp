// Whatever text is read as a graph, it is either refused with a place or a graph that all else can work with.
#include "gph/bounds.hpp"
#include "gph/data_order.hpp"
#include "gph/reader.hpp"
#include "gph/work.hpp"
#include "gph/writer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyreme::gph;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Graph graph = read_text(text, "fuzz.gph", {.bytes = 1 << 20, .tasks = 1000});
    require(read_text(to_text(graph), "again.gph") == graph);
    require(with_data_order(graph).dependency_count() >= graph.dependency_count());
    require(cpu_bounds(graph).makespan_us(2) >= 0.0);
  } catch (const ParseError& error) {
    require(error.line() >= 1 && error.column() >= 1 && !error.reason().empty());
  } catch (const NoCpuAlternative& error) {
    require(error.line() >= 1);
  }
  return 0;
}
