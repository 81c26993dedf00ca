# `cmake --install`: the public headers, the engine and a package that find_package(polyreme CONFIG) finds.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/polyreme")

install(TARGETS polyreme EXPORT polyremeTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT cpp)
if(TARGET polyreme-check)
  install(TARGETS polyreme-check RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT cpp)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/polyreme" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT cpp
  FILES_MATCHING PATTERN "*.hpp")
install(EXPORT polyremeTargets NAMESPACE polyreme:: DESTINATION "${package_dir}" COMPONENT cpp)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/polyremeConfig.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/polyremeConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/polyremeConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/polyremeConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/polyremeConfigVersion.cmake"
  DESTINATION "${package_dir}" COMPONENT cpp)
