# Each tests/fuzz/*_fuzz.cpp is one libFuzzer program. POLYREME_FUZZ_SECONDS bounds its run under ctest; a corpus
# folder tests/fuzz/corpus/<name> seeds it if it exists.

set(POLYREME_FUZZ_SECONDS 30 CACHE STRING "How long each fuzz program runs under ctest, in seconds")

# The libraries carry coverage counters too, or the fuzzer would be blind inside them.
set(fuzz_flags -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
foreach(library IN ITEMS polyreme polyreme_gph polyreme_check)
  get_target_property(type ${library} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_compile_options(${library} PRIVATE ${fuzz_flags})
    # For other programs that are built with them.
    target_link_options(${library} INTERFACE -fsanitize=address,undefined)
  endif()
endforeach()

file(GLOB fuzz_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.cpp")
foreach(source IN LISTS fuzz_sources)
  get_filename_component(stem "${source}" NAME_WE)
  set(target "polyreme_${stem}")
  polyreme_add_program(${target} SOURCES "${source}" LIBRARIES polyreme_gph polyreme_check)
  target_compile_options(${target} PRIVATE ${fuzz_flags})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer,address,undefined)

  set(corpus "${CMAKE_CURRENT_BINARY_DIR}/corpus/${stem}")
  file(MAKE_DIRECTORY "${corpus}")
  set(seeds "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${stem}")
  if(NOT IS_DIRECTORY "${seeds}")
    set(seeds "${PROJECT_SOURCE_DIR}/examples/graphs")
  endif()
  math(EXPR timeout "${POLYREME_FUZZ_SECONDS} + 120")
  add_test(NAME "fuzz.${stem}"
    COMMAND ${target} -max_total_time=${POLYREME_FUZZ_SECONDS} -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
      "${corpus}" "${seeds}")
  set_tests_properties("fuzz.${stem}" PROPERTIES LABELS fuzz TIMEOUT ${timeout})
endforeach()
