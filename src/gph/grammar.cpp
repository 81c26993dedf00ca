#include "gph/grammar.hpp"

namespace polyreme::gph {

const Grammar& grammar_of(Format format) noexcept {
  return format == Format::one ? kGrammar1 : kGrammar2;
}

void scan_indices(LineScanner& in, ParsedId& id) {
  do {
    if (id.dimensions == kMaxDimensions)
      in.fail("a task id has at most " + std::to_string(kMaxDimensions) + " numbers");
    id.indices[id.dimensions++] = in.whole("task id", 0, kMaxTaskNumber);
    // A comma may also end a tuple, as in (3,), or stand before something that is no number.
    const std::size_t comma = in.position();
    if (!in.accept(',')) return;
    if (!in.sees_digit_or_sign()) {
      in.seek(comma);
      return;
    }
  } while (true);
}

}  // namespace polyreme::gph
