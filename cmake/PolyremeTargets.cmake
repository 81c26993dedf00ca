# How every target of the project is compiled. Nothing here changes global flags, so code of others that is
# built inside this project (nanobind) or that embeds it is compiled its own way.

set(POLYREME_WARNINGS
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-align -Wformat=2
  -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wimplicit-fallthrough)

# Sanitizers, language level and visibility, without the warnings: for targets whose code is partly generated.
function(polyreme_target_basics target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE ${POLYREME_SANITIZE_FLAGS})
  target_link_options(${target} PRIVATE ${POLYREME_SANITIZE_FLAGS})
endfunction()

function(polyreme_target_defaults target)
  polyreme_target_basics(${target})
  target_compile_options(${target} PRIVATE ${POLYREME_WARNINGS} $<$<BOOL:${POLYREME_WERROR}>:-Werror>)
  if(POLYREME_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With instrumentation g++ no longer sees that an optional is looked at before it is read.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
  target_compile_definitions(${target} PRIVATE POLYREME_CHECKS=$<BOOL:${POLYREME_CHECKS}>)
endfunction()

# polyreme_add_library(<name> <folder>...): a static library of every source file directly in the folders.
function(polyreme_add_library name)
  list(TRANSFORM ARGN APPEND "/*.cpp" OUTPUT_VARIABLE patterns)
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  if(NOT sources)
    # A library without translation units yet: its headers are all there is to use.
    add_library(${name} INTERFACE)
    return()
  endif()
  add_library(${name} STATIC ${sources})
  polyreme_target_defaults(${name})
endfunction()

# polyreme_add_program(<name> SOURCES <file>... [LIBRARIES <target>...])
function(polyreme_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  add_executable(${name} ${arg_SOURCES})
  polyreme_target_defaults(${name})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
endfunction()
