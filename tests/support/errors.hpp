// Reads exceptions.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace polyreme::test {

/// what() of the exception, "" for null, "?" for one that is no std::exception.
[[nodiscard]] inline std::string text_of(const std::exception_ptr& error) {
  if (error == nullptr) return "";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "?";
  }
}

template <class E>
[[nodiscard]] bool is(const std::exception_ptr& error) {
  if (error == nullptr) return false;
  try {
    std::rethrow_exception(error);
  } catch (const E&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// What `fn` throws, or null. Lets a test look at an exception of type E with members beyond what().
template <class Fn>
[[nodiscard]] std::exception_ptr caught(Fn&& fn) {
  try {
    std::forward<Fn>(fn)();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

}  // namespace polyreme::test
