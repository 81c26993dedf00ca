// Calls of C functions whose signature is known only at run time.
//
// On the processors below, integers and pointers travel in one row of registers and floating-point numbers in another,
// each filled in the order of the parameters; what finds its row full goes to the stack, eight bytes each, in order.
// So one function type, with both rows full and a number of words behind them, stands for every signature of scalars:
// a callee looks only at the registers and words that its own signature names. (System V ABI for AMD64, 3.2.3;
// Procedure Call Standard for the Arm 64-bit Architecture, 6.8.2.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace polyreme::python {

/// What a parameter, an element of an array or a result is. kVoid: no result, or an element of any type.
enum class CType : std::uint8_t {
  kVoid,
  kBool,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kFloat,
  kDouble,
  kPointer,
};
inline constexpr std::size_t kCTypes = 13;

struct CTypeInfo {
  std::string_view name;  ///< "float64"
  std::uint8_t bytes;
  bool is_signed;
  const std::type_info* type;
};
[[nodiscard]] const CTypeInfo& info_of(CType type) noexcept;

[[nodiscard]] constexpr bool is_floating(CType type) noexcept {
  return type == CType::kFloat || type == CType::kDouble;
}

struct Parameter {
  CType type = CType::kVoid;
  CType element = CType::kVoid;  ///< of a pointer
  bool read_only = false;        ///< of a pointer: the function only reads what it points to
};

/// Reads "float64", "void*" or "const float64*". False: it is none of these.
[[nodiscard]] bool parse_parameter(std::string_view text, Parameter& out) noexcept;

/// One argument or result: the value's bytes first, the rest undefined.
using Word = std::uint64_t;

inline constexpr std::size_t kMaxParameters = 16;

/// A function and how to call it. Immutable; any thread may call.
class NativeCode {
 public:
#if defined(__x86_64__)
  static constexpr std::size_t kIntegerRegisters = 6;
#else
  static constexpr std::size_t kIntegerRegisters = 8;
#endif
  static constexpr std::size_t kFloatRegisters = 8;
  static constexpr std::size_t kStackWords = kMaxParameters - kIntegerRegisters;
  /// Whether this processor's convention is one of those above.
#if (defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && !defined(__APPLE__))
  static constexpr bool kSupported = true;
#else
  static constexpr bool kSupported = false;
#endif

  /// At most kMaxParameters.
  NativeCode(std::uintptr_t address, CType result, std::vector<Parameter> parameters);

  [[nodiscard]] std::uintptr_t address() const noexcept { return address_; }
  [[nodiscard]] CType result() const noexcept { return result_; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const noexcept { return parameters_; }

  /// How many parameters are pointers.
  [[nodiscard]] std::size_t pointers() const noexcept { return pointers_; }

  /// Calls the function with as many words as it has parameters: integers extended to 64 bits.
  [[nodiscard]] Word call(const Word* arguments) const noexcept;

 private:
  enum class Shape : std::uint8_t { kIntegers, kRegisters, kStack };

  template <class Result>
  [[nodiscard]] Result call_as(const Word* arguments) const noexcept;

  std::uintptr_t address_;
  CType result_;
  Shape shape_ = Shape::kIntegers;
  std::size_t pointers_ = 0;
  /// Parameter by parameter, its place in the rows of registers followed by the stack.
  std::array<std::uint8_t, kMaxParameters> place_{};
  std::vector<Parameter> parameters_;
};

}  // namespace polyreme::python
