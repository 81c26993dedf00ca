// A pointer kept in raw storage, such as that of a body.
#pragma once

#include <cstring>

namespace polyreme::base {

template <class T>
[[nodiscard]] T* stored_pointer(const void* storage) noexcept {
  T* pointer = nullptr;
  std::memcpy(static_cast<void*>(&pointer), storage, sizeof(T*));
  return pointer;
}

template <class T>
void store_pointer(void* storage, T* pointer) noexcept {
  std::memcpy(storage, static_cast<const void*>(&pointer), sizeof(T*));
}

}  // namespace polyreme::base
