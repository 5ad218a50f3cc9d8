# toml++ (Debian: libtomlplusplus-dev), headers only. Gives Tomlplusplus::tomlplusplus.
find_path(Tomlplusplus_INCLUDE_DIR toml++/toml.h)
mark_as_advanced(Tomlplusplus_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Tomlplusplus REQUIRED_VARS Tomlplusplus_INCLUDE_DIR)

if(Tomlplusplus_FOUND AND NOT TARGET Tomlplusplus::tomlplusplus)
  add_library(Tomlplusplus::tomlplusplus INTERFACE IMPORTED)
  target_include_directories(Tomlplusplus::tomlplusplus INTERFACE "${Tomlplusplus_INCLUDE_DIR}")
endif()
