# What a build contains and how it is instrumented. The presets in CMakePresets.json set these.

include(CMakeDependentOption)

option(POLYREME_TESTS "Build the unit, property and stress tests" OFF)
option(POLYREME_BENCH "Build the benchmarks" OFF)
option(POLYREME_EXAMPLES "Build the C++ examples" OFF)
option(POLYREME_PYTHON "Build the Python extension module" OFF)
option(POLYREME_FUZZ "Build the libFuzzer programs (clang only)" OFF)
option(POLYREME_MODEL "Build the Relacy model-checking tests" OFF)
option(POLYREME_CHECKS "Assert internal invariants at run time" OFF)
option(POLYREME_WERROR "Treat warnings in project code as errors" OFF)

set(POLYREME_SANITIZE "" CACHE STRING "Sanitizer to build with: address (with undefined), thread, or empty")
set_property(CACHE POLYREME_SANITIZE PROPERTY STRINGS "" address thread)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(POLYREME_SANITIZE STREQUAL "")
  set(POLYREME_SANITIZE_FLAGS "")
elseif(POLYREME_SANITIZE STREQUAL "address")
  set(POLYREME_SANITIZE_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(POLYREME_SANITIZE STREQUAL "thread")
  set(POLYREME_SANITIZE_FLAGS -fsanitize=thread -fno-omit-frame-pointer)
else()
  message(FATAL_ERROR "POLYREME_SANITIZE is '${POLYREME_SANITIZE}'; use 'address', 'thread' or leave it empty")
endif()

if(POLYREME_FUZZ AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR
    "POLYREME_FUZZ needs libFuzzer, so clang; the compiler is ${CMAKE_CXX_COMPILER_ID}. "
    "Use the preset 'fuzz' or set CMAKE_CXX_COMPILER=clang++-19")
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(POLYREME_CCACHE ccache)
  mark_as_advanced(POLYREME_CCACHE)
  if(POLYREME_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${POLYREME_CCACHE}")
  endif()
endif()

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
