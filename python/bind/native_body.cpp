#include "native_body.hpp"

#include "interpreter.hpp"
#include "native_arguments.hpp"
#include "task/record.hpp"

#include <array>
#include <memory>
#include <new>

namespace polyreme::python {

namespace {

/// Of bodies that have returned: nothing to run or to destroy, a result type each.
const std::array<detail::BodyOps, kCTypes> kResultOps = [] {
  std::array<detail::BodyOps, kCTypes> all{};
  for (std::size_t type = 0; type < kCTypes; ++type)
    all[type] = {nullptr, nullptr, nullptr, info_of(static_cast<CType>(type)).type};
  return all;
}();

void keep_result(CType type, Word word, void* storage, Record& self) noexcept {
  if (type != CType::kVoid) store_scalar(type, word, storage);
  self.ops = &kResultOps[static_cast<std::size_t>(type)];
}

Record* run_words(void* storage, Record& self) {
  const Word* const words = static_cast<const Word*>(storage);
  const CType type = BoundCall::shared_in(words).code().result();
  const Word result = BoundCall::call_in(words);
  BoundCall::destroy_in(words);
  keep_result(type, result, storage, self);
  return nullptr;
}

void destroy_words(void* storage) noexcept {
  BoundCall::destroy_in(static_cast<const Word*>(storage));
}

const detail::BodyOps kWordsOps{&run_words, &destroy_words, nullptr, &typeid(void)};

BoundCall* boxed_in(void* storage) noexcept {
  return *static_cast<BoundCall**>(storage);
}

Word call_from(BoundCall& call) noexcept {
  if (call.runs_outside()) return call.call();
  // As a Python body that lets the interpreter go for a while.
  interpreter().leave();
  const Word result = call.call();
  interpreter().enter();
  return result;
}

Record* run_boxed(void* storage, Record& self) {
  const std::unique_ptr<BoundCall> call(boxed_in(storage));
  if (call->has_tasks()) {
    try {
      call->receive();
    } catch (...) {
      if (tasks::Rare& rare = tasks::rare_of(self); rare.label.empty()) rare.label = call->shared().name();
      throw;
    }
  }
  keep_result(call->shared().code().result(), call_from(*call), storage, self);
  return nullptr;
}

void destroy_boxed(void* storage) noexcept {
  delete boxed_in(storage);
}

const detail::BodyOps kBoxedOps{&run_boxed, &destroy_boxed, nullptr, &typeid(void)};

}  // namespace

const detail::BodyOps& native_ops(const BoundCall& call) noexcept {
  return call.fits_words() ? kWordsOps : kBoxedOps;
}

bool fill_native_body(Record& record, BoundCall& call) noexcept {
  const CType result = call.shared().code().result();
  if (record.ops == &kWordsOps) {
    call.move_to(reinterpret_cast<Word*>(record.body));
  } else {
    auto* const boxed = new (std::nothrow) BoundCall(std::move(call));
    if (boxed == nullptr) {
      PyErr_NoMemory();
      return false;
    }
    ::new (record.body) BoundCall*(boxed);
  }
  record.scalar_result = result != CType::kVoid;
  return true;
}

CType scalar_result(const Record& record) noexcept {
  const detail::BodyOps* const ops = record.ops;
  if (std::less<>()(ops, kResultOps.data()) || !std::less<>()(ops, kResultOps.data() + kCTypes)) return CType::kVoid;
  return static_cast<CType>(ops - kResultOps.data());
}

}  // namespace polyreme::python
