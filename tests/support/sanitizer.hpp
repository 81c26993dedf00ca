// What ThreadSanitizer cannot see. To be included by one source file of a test program.
#pragma once

#if defined(__SANITIZE_THREAD__)

// The reference count of exceptions is kept inside the C++ library, which is not instrumented: the last owner's
// destructor looks as if it raced with the other owners' reads. NOLINTBEGIN(bugprone-reserved-identifier): the
// sanitizer chose the name. It looks for it from its own shared library.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:std::runtime_error::~runtime_error\n"
         "race:std::logic_error::~logic_error\n";
}
// A child of a fork may open a runtime of its own, which the sanitizer would not let start threads.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}
// NOLINTEND(bugprone-reserved-identifier)

#endif
