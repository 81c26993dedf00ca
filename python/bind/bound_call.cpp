#include "bound_call.hpp"

#include "body.hpp"
#include "errors.hpp"
#include "interpreter.hpp"
#include "native_arguments.hpp"
#include "native_body.hpp"
#include "task/record.hpp"
#include "task_object.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>

namespace polyreme::python {

// ---- SharedCode

SharedCode::SharedCode(NativeCode code, std::string name, PyObject* owner)
    : code_(std::move(code)), name_(std::move(name)), owner_(Py_NewRef(owner)) {}

SharedCode::~SharedCode() {
  drop_reference(owner_);
}

void SharedCode::drop(std::int64_t count) noexcept {
  // Release and acquire: whoever frees comes after all calls.
  if (references_.fetch_sub(count, std::memory_order_acq_rel) == count) delete this;
}

// ---- BoundCall

namespace {

/// The task's result can be read outside: it has one that is a scalar, or it will fail.
bool returns_scalar(PyObject* task) noexcept {
  const Record& record = *record_of(task);
  // An id may be spawned at any time by anyone. Who has any other handle comes after the commit.
  if (is_id(task) && !tasks::done(record)) return false;
  return record.scalar_result;
}

}  // namespace

bool refuse_count(PyObject* name, std::size_t takes, Py_ssize_t given) {
  PyErr_Format(PyExc_TypeError, "%U takes %zu argument%s, not %zd", name, takes, takes == 1 ? "" : "s", given);
  return false;
}

void throw_misfit(const SharedCode& code, std::size_t index, const std::string& producer, CType type) {
  const Parameter& parameter = code.code().parameters()[index];
  throw std::invalid_argument("argument " + std::to_string(index + 1) + " (" + text_of(parameter) + ") of " +
                              code.name() + " cannot be the result of " + producer + ", a " +
                              std::string(info_of(type).name) +
                              (is_floating(type) == is_floating(parameter.type) ? " that is out of range" : ""));
}

BoundCall::BoundCall(BoundCall&& other) noexcept
    : shared_(std::exchange(other.shared_, nullptr)),
      bound_(std::exchange(other.bound_, 0)),
      tasks_(std::exchange(other.tasks_, 0)),
      runs_outside_(other.runs_outside_) {
  std::copy_n(other.words_.begin(), bound_, words_.begin());
  std::copy_n(other.kept_.begin(), bound_, kept_.begin());
}

BoundCall::~BoundCall() {
  for (std::uint32_t i = 0; i < bound_; ++i) {
    if (kept_[i] == nullptr) continue;
    if ((tasks_ >> i & 1U) != 0) {
      detail::release(*static_cast<Record*>(kept_[i]));
    } else {
      drop_reference(static_cast<PyObject*>(kept_[i]));
    }
  }
  if (shared_ != nullptr) shared_->drop(1);
}

bool BoundCall::bind(SharedCode& code, PyObject* name, PyObject* const* arguments, Py_ssize_t count) noexcept {
  shared_ = &code;
  const std::vector<Parameter>& parameters = code.code().parameters();
  if (static_cast<std::size_t>(count) != parameters.size()) return refuse_count(name, parameters.size(), count);
  for (const Parameter& parameter : parameters) {
    PyObject* const argument = arguments[bound_];
    if (is_task(argument)) {
      Record& record = *record_of(argument);
      detail::retain(record);
      runs_outside_ = runs_outside_ && returns_scalar(argument);
      tasks_ |= 1U << bound_;
      kept_[bound_] = &record;
    } else {
      BoundArgument bound;
      if (!bind_argument(argument, parameter, bound_, name, bound)) return false;
      words_[bound_] = bound.word;
      kept_[bound_] = bound.kept;
    }
    ++bound_;
  }
  return true;
}

void BoundCall::receive() {
  for (std::uint32_t left = tasks_; left != 0; left &= left - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(left));
    receive_one(index, *static_cast<const Record*>(kept_[index]));
  }
}

void BoundCall::receive_one(std::size_t index, const Record& producer) {
  const Parameter& parameter = shared_->code().parameters()[index];
  if (const CType type = scalar_result(producer); type != CType::kVoid) {
    if (convert_scalar(type, producer.body, parameter.type, words_[index])) return;
    throw_misfit(*shared_, index, detail::name_of(producer), type);
  }
  PyObject* const value = result_object(producer);
  PyObject* const name = PyUnicode_FromString(shared_->name().c_str());
  BoundArgument bound;
  const bool fits = value != nullptr && name != nullptr &&
                    bind_argument(value, parameter, static_cast<Py_ssize_t>(index), name, bound);
  Py_XDECREF(value);
  Py_XDECREF(name);
  if (!fits) throw PythonError::fetch();
  words_[index] = bound.word;
  // What is kept keeps the array. The task goes, so that the place is free for it.
  tasks_ &= ~(1U << index);
  detail::release(*static_cast<Record*>(std::exchange(kept_[index], bound.kept)));
}

bool BoundCall::fits_words() const noexcept {
  const NativeCode& code = shared_->code();
  return tasks_ == 0 && 1 + code.parameters().size() + code.pointers() <= kWords;
}

void BoundCall::move_to(Word* words) noexcept {
  const std::vector<Parameter>& parameters = shared_->code().parameters();
  Word* place = std::copy_n(words_.begin(), bound_, words + 1);
  if (shared_->code().pointers() != 0) {
    for (std::uint32_t i = 0; i < bound_; ++i) {
      if (parameters[i].type == CType::kPointer) *place++ = reinterpret_cast<std::uintptr_t>(kept_[i]);
    }
  }
  words[0] = reinterpret_cast<std::uintptr_t>(std::exchange(shared_, nullptr));
  bound_ = 0;
}

void BoundCall::destroy_in(const Word* words) noexcept {
  SharedCode& shared = shared_in(words);
  const Word* const kept = words + 1 + shared.code().parameters().size();
  for (std::size_t i = 0; i < shared.code().pointers(); ++i)
    drop_reference(reinterpret_cast<PyObject*>(kept[i]));  // NOLINT(performance-no-int-to-ptr): move_to() put it there
  shared.drop(1);
}

}  // namespace polyreme::python
