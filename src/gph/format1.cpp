// Format 1: elements of the blocks, then  id | time_us, 1/share, where, gil_accesses, gil_us | ...
#include "gph/grammar.hpp"

namespace polyreme::gph {
namespace {

// Codes of the field `where`.
constexpr std::int64_t kWhereCpu = 0;
constexpr std::int64_t kWhereAnyGpu = 1;
constexpr std::int64_t kWhereEither = 2;
constexpr std::int64_t kWhereFirstGpu = 3;

constexpr std::int64_t kMaxDivisor = 1'000'000;

std::int32_t target_of(std::int64_t where) noexcept {
  switch (where) {
    case kWhereCpu:
      return kAnyCpu;
    case kWhereAnyGpu:
      return kAnyGpu;
    case kWhereEither:
      return kAnyDevice;
    default:
      return static_cast<std::int32_t>(where - kWhereFirstGpu + 1);
  }
}

void scan_blocks(LineScanner& in, GraphBuilder& graph) {
  do {
    const std::int64_t elements = in.whole("elements of a data block", 0, static_cast<std::int64_t>(kMaxBytes));
    graph.add_block({static_cast<std::uint64_t>(elements), kHostHome});
  } while (in.accept(','));
  if (in.sees('|')) in.fail("the first line lists the elements of the data blocks (a single 0: no data), not a task");
  if (!in.at_end()) in.fail("expected ',' between the elements of two data blocks");
}

ParsedId scan_id(LineScanner& in, std::string_view) {
  if (in.sees('(') || in.sees('\'') || in.sees('"'))
    in.fail(
        "ids of format 1 are numbers with commas; tuples and names belong to format 2, whose first line "
        "reads {elements : home}, ... ({0 : -1} for no data)");
  ParsedId id{.space = kDefaultSpace};
  scan_indices(in, id);
  return id;
}

void scan_demand(LineScanner& in, GraphBuilder& graph) {
  if (in.sees('{'))
    in.fail(
        "alternatives in braces belong to format 2, whose first line reads {elements : home}, ... "
        "({0 : -1} for no data)");
  Demand demand;
  demand.time_us = in.real("time_us", 0, kMaxTimeUs);
  in.expect(',', "',' and 1/share after time_us");
  demand.share = 1.0 / static_cast<double>(in.whole("1/share", 1, kMaxDivisor));
  in.expect(',', "',' and where (0 CPU, 1 any GPU, 2 either, 3+k GPU k) after 1/share");
  const std::int64_t where = in.whole("where", kWhereCpu, kWhereFirstGpu + kMaxDeviceNumber - 1);
  in.expect(',', "',' and gil_accesses after where");
  demand.gil_accesses =
      static_cast<std::uint64_t>(in.whole("gil_accesses", 0, static_cast<std::int64_t>(kMaxGilAccesses)));
  in.expect(',', "',' and gil_us after gil_accesses");
  demand.gil = in.real("gil_us", 0, kMaxTimeUs);
  graph.add_alternative(target_of(where), demand);
}

}  // namespace

const Grammar kGrammar1{scan_blocks, scan_id, scan_demand};

}  // namespace polyreme::gph
