# Installs a finished build into a fresh prefix, then configures, builds and runs the consumer beside this file
# against it.
#
#   cmake -DBUILD_DIR=... -DWORK_DIR=... -DCXX=... -DGENERATOR=... -P run.cmake

foreach(variable IN ITEMS BUILD_DIR WORK_DIR CXX GENERATOR)
  if(NOT DEFINED ${variable})
    message(FATAL_ERROR "run.cmake needs -D${variable}=...")
  endif()
endforeach()

function(step)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
step("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/installed" --component cpp)

# The package has to work from wherever its prefix is moved to, and without this project's sources.
file(RENAME "${WORK_DIR}/installed" "${WORK_DIR}/prefix")
file(COPY "${CMAKE_CURRENT_LIST_DIR}/CMakeLists.txt" "${CMAKE_CURRENT_LIST_DIR}/main.cpp"
  DESTINATION "${WORK_DIR}/consumer")
step("${CMAKE_COMMAND}" -S "${WORK_DIR}/consumer" -B "${WORK_DIR}/build" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix")
step("${CMAKE_COMMAND}" --build "${WORK_DIR}/build")
step("${WORK_DIR}/build/consumer")
