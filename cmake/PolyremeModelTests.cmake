# Each tests/model/*.cpp is one Relacy program: the production headers, with the atomics of the model checker put
# in by the facade in src/sync. They do not link the engine, whose atomics are real.

find_path(RELACY_INCLUDE_DIR relacy/relacy.hpp REQUIRED)

file(GLOB model_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/model/*.cpp")
foreach(source IN LISTS model_sources)
  get_filename_component(stem "${source}" NAME_WE)
  set(target "polyreme_model_${stem}")
  polyreme_add_program(${target} SOURCES "${source}" LIBRARIES Threads::Threads)
  target_include_directories(${target} SYSTEM PRIVATE "${RELACY_INCLUDE_DIR}")
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_compile_definitions(${target} PRIVATE POLYREME_SYNC_RELACY=1)
  add_test(NAME "model.${stem}" COMMAND ${target})
  set_tests_properties("model.${stem}" PROPERTIES LABELS model TIMEOUT 900)
endforeach()
