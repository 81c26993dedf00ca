#include "native_node.hpp"

#include "bound_call.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "native_arguments.hpp"
#include "native_function.hpp"
#include "runtime/captured_graph.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace polyreme::python {

namespace {

/// The 32 bytes of a node whose arguments are all known, and few.
constexpr std::size_t kFewWords = 3;
struct ConstantNode {
  const SharedCode* code;
  std::array<Word, kFewWords> words;
};

/// Any other call. Immutable.
struct NativeCall {
  const SharedCode* code;
  std::array<Word, kMaxParameters> words;
  std::vector<Hole> holes;
};
struct CallNode {
  const NativeCall* call;
};

void store_result(const SharedCode& code, Word word, std::byte* result) noexcept {
  if (const CType type = code.code().result(); type != CType::kVoid) store_scalar(type, word, result);
}

bool run_constant(const void* body, std::byte* /*values*/, std::byte* result, tasks::Record& /*run*/) {
  const ConstantNode& node = *static_cast<const ConstantNode*>(body);
  store_result(*node.code, node.code->code().call(node.words.data()), result);
  return true;
}

/// The words of one call, and what the converted arguments point into.
struct FilledWords {
  std::array<Word, kMaxParameters> words;
  std::vector<Owned<>> kept;
};

void fill_scalar(const NativeCall& call, const Hole& hole, const std::byte* values, FilledWords& out,
                 tasks::Record& run) {
  const Parameter& parameter = call.code->code().parameters()[hole.index];
  const std::byte* const place = values + detail::kValueUnit * hole.value.place;
  if (convert_scalar(hole.value.type, place, parameter.type, out.words[hole.index])) return;
  throw_misfit(*call.code, hole.index, runtime::run_of(run).plan.name_of(hole.node), hole.value.type);
}

/// Inside.
void fill_object(const NativeCall& call, const Hole& hole, const std::byte* values, FilledWords& out) {
  const Owned<> value(value_object(hole.value, values));
  const Owned<> name(PyUnicode_FromString(call.code->name().c_str()));
  BoundArgument bound;
  const bool fits = value != nullptr && name != nullptr &&
                    bind_argument(value.get(), call.code->code().parameters()[hole.index],
                                  static_cast<Py_ssize_t>(hole.index), name.get(), bound);
  if (!fits) throw PythonError::fetch();
  out.words[hole.index] = bound.word;
  if (bound.kept != nullptr) out.kept.emplace_back(bound.kept);
}

bool run_outside(const void* body, std::byte* values, std::byte* result, tasks::Record& run) {
  const NativeCall& call = *static_cast<const CallNode*>(body)->call;
  FilledWords filled{call.words, {}};
  for (const Hole& hole : call.holes)
    fill_scalar(call, hole, values, filled, run);
  store_result(*call.code, call.code->code().call(filled.words.data()), result);
  return true;
}

bool run_from_inside(const void* body, std::byte* values, std::byte* result, tasks::Record& run) {
  const NativeCall& call = *static_cast<const CallNode*>(body)->call;
  FilledWords filled{call.words, {}};
  for (const Hole& hole : call.holes) {
    if (hole.value.kind == ValueKind::kScalar) {
      fill_scalar(call, hole, values, filled, run);
    } else {
      fill_object(call, hole, values, filled);
    }
  }
  // As a Python body that lets the interpreter go for a while.
  interpreter().leave();
  const Word word = call.code->code().call(filled.words.data());
  interpreter().enter();
  store_result(*call.code, word, result);
  return true;
}

void destroy_call(void* body) noexcept {
  delete static_cast<CallNode*>(body)->call;
}

/// One for each type of a result.
using OpsTable = std::array<detail::NodeOps, kCTypes>;

OpsTable make_table(const detail::NodeOps& of) noexcept {
  OpsTable table{};
  for (std::size_t type = 0; type < kCTypes; ++type) {
    const CTypeInfo& info = info_of(static_cast<CType>(type));
    table[type] = of;
    table[type].result_type = info.type;
    table[type].result_bytes = static_cast<CType>(type) == CType::kVoid ? 0 : sizeof(Word);
  }
  return table;
}

const OpsTable kConstantOps =
    make_table({&run_constant, nullptr, nullptr, nullptr, nullptr, 0, detail::Domain::kNative});
const OpsTable kOutsideOps =
    make_table({&run_outside, nullptr, &destroy_call, nullptr, nullptr, 0, detail::Domain::kNative});
const OpsTable kFromInsideOps =
    make_table({&run_from_inside, nullptr, &destroy_call, nullptr, nullptr, 0, detail::Domain::kInterpreter});

/// Converts the arguments that are known. False with an error set.
bool bind_arguments(NodeBuilder& node, PyObject* function, PyObject* const* arguments, NativeCall& call) {
  const std::vector<Parameter>& parameters = call.code->code().parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    PyObject* constant = nullptr;
    if (!node.add_argument(arguments[i], i, call.holes, constant)) return false;
    if (constant == nullptr) continue;
    BoundArgument bound;
    if (!bind_argument(constant, parameters[i], static_cast<Py_ssize_t>(i), function, bound)) return false;
    call.words[i] = bound.word;
    if (bound.kept != nullptr) node.kept.emplace_back(bound.kept);
  }
  return true;
}

}  // namespace

bool build_native_node(NodeBuilder& node, PyObject* function, PyObject* const* arguments, Py_ssize_t count) {
  auto call = std::make_unique<NativeCall>();
  call->code = &code_of(function);
  PyObject* const name = name_of_native(function);
  const std::size_t takes = call->code->code().parameters().size();
  if (static_cast<std::size_t>(count) != takes) return refuse_count(name, takes, count);
  if (!bind_arguments(node, name, arguments, *call)) return false;
  node.keep(function);
  const CType result = call->code->code().result();
  if (result != CType::kVoid) node.value = {0, ValueKind::kScalar, result};
  const auto type = static_cast<std::size_t>(result);
  if (call->holes.empty() && takes <= kFewWords) {
    ConstantNode few{call->code, {}};
    std::copy_n(call->words.begin(), takes, few.words.begin());
    node.set_body(kConstantOps[type], few);
    return true;
  }
  const bool outside =
      std::ranges::all_of(call->holes, [](const Hole& hole) { return hole.value.kind == ValueKind::kScalar; });
  const OpsTable& table = outside ? kOutsideOps : kFromInsideOps;
  node.set_body(table[type], CallNode{call.release()});
  return true;
}

}  // namespace polyreme::python
