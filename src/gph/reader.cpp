#include "gph/reader.hpp"

#include "gph/builder.hpp"
#include "gph/grammar.hpp"
#include "gph/order.hpp"
#include "gph/scanner.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <system_error>

namespace polyreme::gph {
namespace {

// Hands out the lines that hold something, with their numbers.
class Lines {
 public:
  Lines(std::string_view text, std::string_view name) : text_(text), name_(name) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  // The next line that is neither blank nor a comment; false at the end of the text.
  [[nodiscard]] bool next() {
    while (at_ < text_.size()) {
      line_begin_ = at_;
      const std::size_t end = std::min(text_.find('\n', at_), text_.size());
      at_ = end + 1;
      ++number_;
      LineScanner in = scanner();
      if (!in.at_end() && !in.sees('#')) return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t line_begin() const noexcept { return line_begin_; }
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] LineScanner scanner() const noexcept { return scanner_of(line_begin_, number_); }
  [[nodiscard]] LineScanner scanner_of(std::size_t begin, std::uint32_t number) const noexcept {
    const std::size_t end = std::min(text_.find('\n', begin), text_.size());
    return {name_, text_.substr(begin, end - begin), number};
  }

 private:
  std::string_view text_;
  std::string_view name_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  std::uint32_t number_ = 0;
};

// A dependency on an id whose line has not come yet; looked up at the end of the file.
struct ForwardReference {
  std::size_t line_begin;
  std::uint32_t line_number;
  std::uint32_t position;
  TaskIndex task;
  std::uint32_t place;
};

class Reader {
 public:
  Reader(std::string_view text, std::string_view name, const ReadLimits& limits)
      : name_(name), limits_(limits), lines_(text, name) {}

  Graph read() {
    if (!lines_.next())
      throw ParseError(std::string(name_), std::max(lines_.number(), 1U), 1, "",
                       "the file is empty; its first line lists the data blocks (0 or {0 : -1} for no data)");
    LineScanner first = lines_.scanner();
    const Format format = first.sees('{') ? Format::two : Format::one;
    grammar_ = &grammar_of(format);
    GraphBuilder graph(format);
    grammar_->blocks(first, graph);
    block_count_ = graph.block_count();

    while (lines_.next())
      read_task(graph);
    for (const ForwardReference& reference : forward_)
      resolve(graph, reference);
    if (!forward_.empty()) check_cycles(graph);
    return std::move(graph).finish();
  }

 private:
  void read_task(GraphBuilder& graph) {
    LineScanner in = lines_.scanner();
    const std::size_t id_at = in.position();
    const ParsedId id = grammar_->id(in, kDefaultSpace);
    if (graph.task_count() >= limits_.tasks)
      in.fail_at(id_at, "the graph has more than " + std::to_string(limits_.tasks) + " tasks, the limit");
    const std::optional<TaskIndex> task = graph.try_begin_task(id.view(), in.line_number());
    if (!task) {
      const TaskIndex first = graph.find(id.view()).value();
      in.fail_at(id_at, "task " + to_string(id.view()) + " was defined on line " +
                            std::to_string(graph.so_far().line(first)) + " already; give it its own id");
    }

    if (in.at_end()) {
      graph.add_alternative(kAnyCpu, Demand{});
      return;
    }
    next_section(in, "',' or '|' after the task id");
    grammar_->demand(in, graph);
    if (in.at_end()) return;
    next_section(in, "'|' and the dependencies after what the task needs");
    read_dependencies(in, graph, *task, id);
    if (in.at_end()) return;
    next_section(in, "':' or '|' after a dependency");
    read_data(in, graph);
    if (!in.at_end()) in.fail("expected the end of the line after the data section");
  }

  static void next_section(LineScanner& in, std::string_view what) { in.expect('|', what); }

  void read_dependencies(LineScanner& in, GraphBuilder& graph, TaskIndex task, const ParsedId& own) {
    if (in.at_end() || in.sees('|')) return;
    do {
      const std::size_t at = in.position();
      const ParsedId id = grammar_->id(in, own.space);
      const std::optional<TaskIndex> found = graph.find(id.view());
      if (found == task) in.fail_at(at, "task " + to_string(id.view()) + " depends on itself; remove this dependency");
      const std::size_t place = graph.add_dependency(found.value_or(task));
      if (!found)
        forward_.push_back({lines_.line_begin(), in.line_number(), static_cast<std::uint32_t>(at), task,
                            static_cast<std::uint32_t>(place)});
    } while (in.accept(':'));
  }

  void read_data(LineScanner& in, GraphBuilder& graph) const {
    const auto list = [&](auto add) {
      if (!in.sees_digit_or_sign()) return;
      do {
        (graph.*add)(read_block(in));
      } while (in.accept(','));
    };
    list(&GraphBuilder::add_read);
    if (!in.accept(':')) return;
    list(&GraphBuilder::add_write);
    if (!in.accept(':')) return;
    list(&GraphBuilder::add_update);
  }

  [[nodiscard]] std::uint32_t read_block(LineScanner& in) const {
    const std::size_t at = in.position();
    const std::int64_t block = in.whole("data block", 0, std::numeric_limits<std::uint32_t>::max());
    if (static_cast<std::uint64_t>(block) >= block_count_)
      in.fail_at(at, "there is no data block " + std::to_string(block) + "; the first line lists blocks 0 to " +
                         std::to_string(block_count_ - 1));
    return static_cast<std::uint32_t>(block);
  }

  void resolve(GraphBuilder& graph, const ForwardReference& reference) const {
    LineScanner in = lines_.scanner_of(reference.line_begin, reference.line_number);
    in.seek(reference.position);
    const ParsedId id = grammar_->id(in, graph.so_far().id(reference.task).space);
    const std::optional<TaskIndex> found = graph.find(id.view());
    if (!found)
      in.fail_at(reference.position,
                 "no line defines task " + to_string(id.view()) + "; add its line or remove this dependency");
    graph.set_dependency(reference.place, *found);
  }

  void check_cycles(const GraphBuilder& graph) const {
    const std::vector<TaskIndex> cycle = find_order(graph.so_far()).cycle;
    if (cycle.empty()) return;
    // Every cycle has a dependency on a later line, so one of those is in it.
    const auto closes = [&](const ForwardReference& reference) {
      const auto at = std::ranges::find(cycle, reference.task);
      if (at == cycle.end()) return false;
      const TaskIndex next = at + 1 == cycle.end() ? cycle.front() : *(at + 1);
      return graph.dependency(reference.place) == next;
    };
    const auto closing = std::ranges::find_if(forward_, closes);
    lines_.scanner_of(closing->line_begin, closing->line_number)
        .fail_at(closing->position, "these tasks wait for one another: " + describe_cycle(graph.so_far(), cycle) +
                                        "; remove one of these dependencies");
  }

  std::string_view name_;
  const ReadLimits& limits_;
  Lines lines_;
  const Grammar* grammar_ = nullptr;
  std::size_t block_count_ = 0;
  std::vector<ForwardReference> forward_;
};

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

[[noreturn]] void fail_to_read(const std::string& name, int error) {
  throw std::system_error(error, std::generic_category(), "cannot read graph file '" + name + "'");
}

std::string text_of(const std::string& name, const ReadLimits& limits) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(name.c_str(), "rb"));
  if (!file) fail_to_read(name, errno);
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::string text;
  std::size_t size = 0;
  // In pieces, because the size of a pipe is not known before it ends.
  do {
    text.resize(size + kPiece);
    size += std::fread(text.data() + size, 1, text.size() - size, file.get());
    if (std::ferror(file.get()) != 0) fail_to_read(name, errno);
    if (size > limits.bytes) fail_to_read(name, EFBIG);
  } while (std::feof(file.get()) == 0);
  text.resize(size);
  return text;
}

}  // namespace

Graph read_text(std::string_view text, std::string_view name, const ReadLimits& limits) {
  if (text.size() > limits.bytes) fail_to_read(std::string(name), EFBIG);
  return Reader(text, name, limits).read();
}

Graph read_file(const std::filesystem::path& path, const ReadLimits& limits) {
  const std::string name = path.string();
  return read_text(text_of(name, limits), name, limits);
}

}  // namespace polyreme::gph
