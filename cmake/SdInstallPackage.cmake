# What `find_package(sd)` finds in an installation.
include(CMakePackageConfigHelpers)
install(EXPORT sdTargets NAMESPACE sd:: DESTINATION lib/cmake/sd)

cmake_path(GET LibTorch_INCLUDE_DIR PARENT_PATH SD_BUILT_AGAINST)  # the one place where LibTorch's headers surely were
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/sdConfig.cmake.in" "${CMAKE_CURRENT_BINARY_DIR}/sdConfig.cmake"
  INSTALL_DESTINATION lib/cmake/sd)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/sdConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/sdConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/sdConfigVersion.cmake"
        DESTINATION lib/cmake/sd)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples/" DESTINATION share/sd/examples)
