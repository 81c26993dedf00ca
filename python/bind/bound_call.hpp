// A call of a C function with its arguments.
//
// Tasks run and end outside the interpreter, where the reference count of a Python object may not be touched. So what
// they hold is the part behind the object, a SharedCode, by a count of its own. Spawns, which are inside, take
// references out of a stock that the object has, so that they do not fight with the tasks that end for the counter's
// cache line.
#pragma once

#include <polyreme/detail/abi.hpp>

#include "native_call.hpp"

#include <Python.h>

#include <array>
#include <atomic>
#include <string>

namespace polyreme::python {

using tasks::Record;

/// The function's code, and what keeps that loaded.
class SharedCode {
 public:
  SharedCode(NativeCode code, std::string name, PyObject* owner);
  SharedCode(const SharedCode&) = delete;
  SharedCode& operator=(const SharedCode&) = delete;

  [[nodiscard]] const NativeCode& code() const noexcept { return code_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  void take(std::int64_t count) noexcept { references_.fetch_add(count, std::memory_order_relaxed); }
  /// Any thread. The last one frees.
  void drop(std::int64_t count) noexcept;

 private:
  ~SharedCode();

  const NativeCode code_;
  const std::string name_;
  PyObject* const owner_;
  alignas(64) std::atomic<std::int64_t> references_{1};
};

/// Sets the error for a call with the wrong number of arguments, and returns false. `name` is a str.
bool refuse_count(PyObject* name, std::size_t takes, Py_ssize_t given);
/// Throws that a scalar of this type, which `producer` gave, does not fit the parameter `index`.
[[noreturn]] void throw_misfit(const SharedCode& code, std::size_t index, const std::string& producer, CType type);

/// A call with its arguments, ready to be made any number of times. Bound inside; any thread may destroy it.
///
/// An argument may be the result of a task; it is there once that task is done, and receive() fetches it.
class BoundCall {
 public:
  BoundCall() noexcept {}  // NOLINT(modernize-use-equals-default): the arrays stay as they are
  BoundCall(BoundCall&& other) noexcept;
  BoundCall(const BoundCall&) = delete;
  BoundCall& operator=(const BoundCall&) = delete;
  ~BoundCall();

  /// Binds a call with these arguments, and takes over a reference to `code`. `name` is a str for messages. False with
  /// an error set. Conversions may run any code.
  [[nodiscard]] bool bind(SharedCode& code, PyObject* name, PyObject* const* arguments, Py_ssize_t count) noexcept;

  [[nodiscard]] SharedCode& shared() const noexcept { return *shared_; }
  [[nodiscard]] bool has_tasks() const noexcept { return tasks_ != 0; }
  /// False: an argument is the result of a task that may return any object, and has to be received inside.
  [[nodiscard]] bool runs_outside() const noexcept { return runs_outside_; }
  /// Fetches the results of tasks, which are done. Inside, unless runs_outside(). @throws PythonError, or
  /// std::invalid_argument for a scalar that does not fit its parameter.
  void receive();
  [[nodiscard]] Word call() const noexcept { return shared_->code().call(words_.data()); }

  /// A call without tasks among its arguments may fit six words: the code, the arguments, what pointers keep.
  static constexpr std::size_t kWords = 6;
  [[nodiscard]] bool fits_words() const noexcept;
  void move_to(Word* words) noexcept;
  [[nodiscard]] static SharedCode& shared_in(const Word* words) noexcept {
    return *reinterpret_cast<SharedCode*>(words[0]);  // NOLINT(performance-no-int-to-ptr): move_to() put it there
  }
  [[nodiscard]] static Word call_in(const Word* words) noexcept { return shared_in(words).code().call(words + 1); }
  static void destroy_in(const Word* words) noexcept;

 private:
  void receive_one(std::size_t index, const Record& producer);

  SharedCode* shared_ = nullptr;
  std::uint32_t bound_ = 0;  ///< so many arguments are
  std::uint32_t tasks_ = 0;  ///< bit i: kept_[i] is a Record
  bool runs_outside_ = true;
  std::array<Word, kMaxParameters> words_;
  std::array<void*, kMaxParameters> kept_;  ///< a reference to what the argument needs, PyObject or Record; or null
};

}  // namespace polyreme::python
