# Each tests/model/*.cpp is one Relacy program: the production headers, with the atomics of the model checker put
# in by the facade in src/sync. They do not link the engine, whose atomics are real, but the few sources of it that they
# need, compiled in the same way.

find_path(RELACY_INCLUDE_DIR relacy/relacy.hpp REQUIRED)

function(polyreme_model_target target)
  target_include_directories(${target} SYSTEM PRIVATE "${RELACY_INCLUDE_DIR}")
  # First, so that a header in tests/model/replace takes the place of the production header of the same name.
  target_include_directories(${target} BEFORE PRIVATE
    "${CMAKE_CURRENT_SOURCE_DIR}/model/replace" "${CMAKE_CURRENT_SOURCE_DIR}/model")
  target_compile_definitions(${target} PRIVATE POLYREME_SYNC_RELACY=1)
  # Relacy replaces the plain operators new and delete only, over malloc. Fixed addresses make a schedule the same in
  # every run. Its mutexes and condition variables know of their end by what their destructors wrote.
  target_compile_options(${target} PRIVATE -fno-sized-deallocation -Wno-mismatched-new-delete -fno-pie
    $<$<CXX_COMPILER_ID:GNU>:-fno-lifetime-dse>)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
endfunction()

file(GLOB model_support CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/model/support/*.cpp")
add_library(polyreme_model_parts STATIC ${model_support}
  "${PROJECT_SOURCE_DIR}/src/base/slab.cpp"
  "${PROJECT_SOURCE_DIR}/src/graph/captured_plan.cpp"
  "${PROJECT_SOURCE_DIR}/src/graph/captured_run.cpp"
  "${PROJECT_SOURCE_DIR}/src/launch/lane.cpp"
  "${PROJECT_SOURCE_DIR}/src/launch/slot_pool.cpp"
  "${PROJECT_SOURCE_DIR}/src/runtime/scope.cpp")
polyreme_target_defaults(polyreme_model_parts)
polyreme_model_target(polyreme_model_parts)

file(GLOB model_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/model/*.cpp")
foreach(source IN LISTS model_sources)
  get_filename_component(stem "${source}" NAME_WE)
  set(target "polyreme_model_${stem}")
  polyreme_add_program(${target} SOURCES "${source}" LIBRARIES polyreme_model_parts Threads::Threads)
  polyreme_model_target(${target})
  target_link_options(${target} PRIVATE -no-pie)
  add_test(NAME "model.${stem}" COMMAND ${target})
  set_tests_properties("model.${stem}" PROPERTIES LABELS model TIMEOUT 900)
endforeach()
