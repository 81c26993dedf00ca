// Turns recorded events into the JSON file of Recorder::write_json.
#pragma once

#include "trace/recorder.hpp"

#include <filesystem>
#include <span>

namespace polyreme::trace {

// Times in the file count from start_ns.
void export_json(const std::filesystem::path& path, const TraceMeta& meta,
                 std::span<const ThreadBuffer* const> threads, std::uint64_t start_ns);

}  // namespace polyreme::trace
