#include "native_call.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace polyreme::python {

namespace {

constexpr std::array<CTypeInfo, kCTypes> kTypes{{
    {"void", 0, false, &typeid(void)},
    {"bool", 1, false, &typeid(bool)},
    {"int8", 1, true, &typeid(std::int8_t)},
    {"uint8", 1, false, &typeid(std::uint8_t)},
    {"int16", 2, true, &typeid(std::int16_t)},
    {"uint16", 2, false, &typeid(std::uint16_t)},
    {"int32", 4, true, &typeid(std::int32_t)},
    {"uint32", 4, false, &typeid(std::uint32_t)},
    {"int64", 8, true, &typeid(std::int64_t)},
    {"uint64", 8, false, &typeid(std::uint64_t)},
    {"float32", 4, true, &typeid(float)},
    {"float64", 8, true, &typeid(double)},
    {"pointer", sizeof(void*), false, &typeid(void*)},
}};

constexpr std::size_t kRegisters = NativeCode::kIntegerRegisters + NativeCode::kFloatRegisters;
constexpr std::size_t kPlaces = kRegisters + NativeCode::kStackWords;

/// A parameter of the given kind for each index.
template <std::size_t>
using WordAt = Word;
template <std::size_t>
using DoubleAt = double;

template <class Result, std::size_t... Integers>
Result call_integers(std::uintptr_t address, const Word* words, std::index_sequence<Integers...> /*all*/) noexcept {
  const auto function = reinterpret_cast<Result (*)(WordAt<Integers>...)>(address);
  return function(words[Integers]...);
}

template <class Result, std::size_t... Integers, std::size_t... Floats>
Result call_registers(std::uintptr_t address, const Word* places, std::index_sequence<Integers...> /*integers*/,
                      std::index_sequence<Floats...> /*floats*/) noexcept {
  const auto function = reinterpret_cast<Result (*)(WordAt<Integers>..., DoubleAt<Floats>...)>(address);
  return function(places[Integers]..., std::bit_cast<double>(places[sizeof...(Integers) + Floats])...);
}

template <class Result, std::size_t... Integers, std::size_t... Floats, std::size_t... Stack>
Result call_stack(std::uintptr_t address, const Word* places, std::index_sequence<Integers...> /*integers*/,
                  std::index_sequence<Floats...> /*floats*/, std::index_sequence<Stack...> /*stack*/) noexcept {
  const auto function =
      reinterpret_cast<Result (*)(WordAt<Integers>..., DoubleAt<Floats>..., WordAt<Stack>...)>(address);
  return function(places[Integers]..., std::bit_cast<double>(places[sizeof...(Integers) + Floats])...,
                  places[sizeof...(Integers) + sizeof...(Floats) + Stack]...);
}

}  // namespace

const CTypeInfo& info_of(CType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)];
}

bool parse_parameter(std::string_view text, Parameter& out) noexcept {
  out = {};
  constexpr std::string_view kConst = "const ";
  out.read_only = text.starts_with(kConst);
  if (out.read_only) text.remove_prefix(kConst.size());
  const bool is_pointer = text.ends_with('*');
  if (is_pointer) text.remove_suffix(1);
  const auto* const end = kTypes.end() - 1;  // "pointer" is no name for a signature
  const auto* const found = std::find_if(kTypes.begin(), end, [&](const CTypeInfo& info) { return info.name == text; });
  if (found == end || (out.read_only && !is_pointer)) return false;
  const auto type = static_cast<CType>(found - kTypes.begin());
  out.type = is_pointer ? CType::kPointer : type;
  out.element = is_pointer ? type : CType::kVoid;
  return true;
}

NativeCode::NativeCode(std::uintptr_t address, CType result, std::vector<Parameter> parameters)
    : address_(address), result_(result), parameters_(std::move(parameters)) {
  std::size_t integers = 0;
  std::size_t floats = 0;
  std::size_t words = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].type == CType::kPointer) ++pointers_;
    std::size_t place = 0;
    if (is_floating(parameters_[i].type)) {
      place = floats < kFloatRegisters ? kIntegerRegisters + floats++ : kRegisters + words++;
    } else {
      place = integers < kIntegerRegisters ? integers++ : kRegisters + words++;
    }
    place_[i] = static_cast<std::uint8_t>(place);
  }
  if (words != 0) {
    shape_ = Shape::kStack;
  } else if (floats != 0) {
    shape_ = Shape::kRegisters;
  }
}

template <class Result>
Result NativeCode::call_as(const Word* arguments) const noexcept {
  constexpr std::make_index_sequence<kIntegerRegisters> kIntegers;
  constexpr std::make_index_sequence<kFloatRegisters> kFloats;
  constexpr std::make_index_sequence<kStackWords> kStack;
  const std::size_t count = parameters_.size();
  if (shape_ == Shape::kIntegers) {
    switch (count) {
      case 0:
        return call_integers<Result>(address_, arguments, std::make_index_sequence<0>());
      case 1:
        return call_integers<Result>(address_, arguments, std::make_index_sequence<1>());
      case 2:
        return call_integers<Result>(address_, arguments, std::make_index_sequence<2>());
      case 3:
        return call_integers<Result>(address_, arguments, std::make_index_sequence<3>());
      case 4:
        return call_integers<Result>(address_, arguments, std::make_index_sequence<4>());
      default:
        break;
    }
  }
  std::array<Word, kPlaces> places{};
  for (std::size_t i = 0; i < count; ++i)
    places[place_[i]] = arguments[i];
  return shape_ == Shape::kStack ? call_stack<Result>(address_, places.data(), kIntegers, kFloats, kStack)
                                 : call_registers<Result>(address_, places.data(), kIntegers, kFloats);
}

Word NativeCode::call(const Word* arguments) const noexcept {
  if (is_floating(result_)) return std::bit_cast<Word>(call_as<double>(arguments));
  return call_as<Word>(arguments);
}

}  // namespace polyreme::python
