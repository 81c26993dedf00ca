// Format 2: {elements : home}, ..., then  id | {targets : time_us, share, gil_accesses, gil_fraction,
// memory_bytes}, ... | ...
#include "gph/grammar.hpp"

#include <algorithm>

namespace polyreme::gph {
namespace {

constexpr double kMinShare = 1e-6;

void scan_blocks(LineScanner& in, GraphBuilder& graph) {
  do {
    in.expect('{', "'{', then elements : home of a data block");
    const std::int64_t elements = in.whole("elements of a data block", 0, static_cast<std::int64_t>(kMaxBytes));
    in.expect(':', "':' and the home of the data block (-1 host, k GPU k)");
    const std::int64_t home = in.whole("home", kHostHome, kMaxDeviceNumber);
    in.expect('}', "'}' after the home of the data block");
    graph.add_block({static_cast<std::uint64_t>(elements), static_cast<std::int32_t>(home)});
  } while (in.accept(','));
  if (!in.at_end()) in.fail("expected ',' between two data blocks");
}

// What follows the numbers of a tuple: an optional comma and the closing parenthesis.
void close_tuple(LineScanner& in, std::string_view what) {
  static_cast<void>(in.accept(','));
  in.expect(')', what);
}

ParsedId scan_id(LineScanner& in, std::string_view space) {
  ParsedId id{.space = space};
  if (in.sees('\'') || in.sees('"')) in.fail("a named id stands in parentheses: ('name', index)");
  if (!in.accept('(')) {
    scan_indices(in, id);
    return id;
  }
  const bool named = in.sees('\'') || in.sees('"');
  if (!named) {
    scan_indices(in, id);
  } else {
    id.space = in.quoted("the name of a task space", kMaxNameLength);
    in.expect(',', "',' and an index after the name of the task space");
    if (in.accept('(')) {
      scan_indices(in, id);
      close_tuple(in, "')' after the index");
    } else {
      scan_indices(in, id);
      if (id.dimensions > 1) in.fail("several indices stand in parentheses: ('name', (1, 2))");
    }
  }
  close_tuple(in, "')' after the id");
  return id;
}

using Targets = std::vector<std::int32_t>;

// A gang holds distinct devices: the CPU of a node is one device, and so is GPU k.
void check_gang(const LineScanner& in, std::size_t position, Targets targets) {
  std::ranges::sort(targets);
  const auto twice = std::ranges::adjacent_find(
      targets, [](std::int32_t a, std::int32_t b) { return a == b && a != kAnyGpu && a != kAnyDevice; });
  if (twice != targets.end())
    in.fail_at(position, "a gang holds distinct devices, but names " + to_string({&*twice, 1}) +
                             " twice; ask for more of it with share, or for any GPU with target 0");
}

void scan_targets(LineScanner& in, Targets& targets) {
  const auto scan_one = [&] {
    targets.push_back(static_cast<std::int32_t>(in.whole("target", kAnyDevice, kMaxDeviceNumber)));
  };
  const std::size_t start = in.position();
  if (!in.accept('(')) {
    scan_one();
    return;
  }
  do {
    if (targets.size() == kMaxGangSize) in.fail("a gang has at most " + std::to_string(kMaxGangSize) + " devices");
    scan_one();
  } while (in.accept(',') && !in.sees(')'));
  in.expect(')', "',' or ')' in a gang");
  check_gang(in, start, targets);
}

Demand scan_fields(LineScanner& in, const Targets& targets) {
  Demand demand;
  demand.time_us = in.real("time_us", 0, kMaxTimeUs);
  in.expect(',', "',' and share after time_us");
  const std::size_t share_at = in.position();
  demand.share = in.real("share", kMinShare, kMaxShare);
  if (demand.share > 1.0 && std::ranges::any_of(targets, [](std::int32_t t) { return t >= kAnyGpu; }))
    in.fail_at(share_at, "share is a fraction of each GPU, at most 1; several GPUs are a gang, as in (0, 0)");
  in.expect(',', "',' and gil_accesses after share");
  demand.gil_accesses =
      static_cast<std::uint64_t>(in.whole("gil_accesses", 0, static_cast<std::int64_t>(kMaxGilAccesses)));
  in.expect(',', "',' and gil_fraction after gil_accesses");
  const std::size_t fraction_at = in.position();
  demand.gil = in.real("gil_fraction", 0, 1);
  if (demand.gil > 0 && demand.gil_accesses == 0)
    in.fail_at(fraction_at, "gil_fraction must be 0 where gil_accesses is 0");
  in.expect(',', "',' and memory_bytes after gil_fraction");
  demand.memory_bytes = static_cast<std::uint64_t>(in.whole("memory_bytes", 0, static_cast<std::int64_t>(kMaxBytes)));
  return demand;
}

void scan_demand(LineScanner& in, GraphBuilder& graph) {
  Targets targets;
  do {
    targets.clear();
    in.expect('{', "'{' and an alternative {targets : time_us, share, gil_accesses, gil_fraction, memory_bytes}");
    scan_targets(in, targets);
    in.expect(':', "':' and time_us after the targets");
    const Demand demand = scan_fields(in, targets);
    in.expect('}', "'}' after memory_bytes");
    graph.add_alternative(targets, demand);
  } while (in.accept(','));
}

}  // namespace

const Grammar kGrammar2{scan_blocks, scan_id, scan_demand};

}  // namespace polyreme::gph
