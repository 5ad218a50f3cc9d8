# Puts LibTorch beside the installed program: lib/sd/torch/lib, and what it needs of NVIDIA's to lib/sd/nvidia, in the
# layout in which its libraries look for each other. LibTorch as scripts/setup.sh unpacks it lies in one user's cache,
# where no other user can read it and anybody may clear it away.
option(SD_INSTALL_LIBTORCH
  "Install LibTorch's libraries with the program (off: with `--component libtorch` alone; else they are used where they are)" ON)

set(_sd_install_steps "include([[${CMAKE_CURRENT_LIST_DIR}/SdInstallSteps.cmake]])")
cmake_path(GET LibTorch_CPU_LIBRARY PARENT_PATH _sd_torch_lib)
set(_sd_in_all)
if(NOT SD_INSTALL_LIBTORCH)
  set(_sd_in_all EXCLUDE_FROM_ALL)
endif()
install(CODE "${_sd_install_steps}
  sd_copy_libtorch([[${_sd_torch_lib}]])" COMPONENT libtorch ${_sd_in_all})

# sd_install_beside_libtorch(TARGET [FOLDER FOLDER] [EXPORT SET]): installs a library into FOLDER (lib/sd, or lib above it), where it
# looks for LibTorch in lib/sd; in the build folder it looks where LibTorch was found.
function(sd_install_beside_libtorch target)
  cmake_parse_arguments(ARG "" "FOLDER;EXPORT" "" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER lib/sd)
  endif()
  set(origin "$ORIGIN")
  if(ARG_FOLDER STREQUAL "lib")
    set(origin "$ORIGIN/sd")
  endif()
  set(places "${origin}" "${origin}/torch/lib")
  set(outside "${_sd_torch_lib}")
  if(SD_CUDA)
    list(APPEND places "${origin}/nvidia/cu${CUDAToolkit_VERSION_MAJOR}/lib" "${origin}/nvidia/cudnn/lib")
    foreach(library IN ITEMS "${LibTorch_CUDART_LIBRARY}" "${LibTorch_CUDNN_LIBRARY}")
      cmake_path(GET library PARENT_PATH folder)
      list(APPEND outside "${folder}")
    endforeach()
  endif()
  set_target_properties(${target} PROPERTIES
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "${places}" INSTALL_RPATH_USE_LINK_PATH ON)
  set(export)
  if(ARG_EXPORT)
    set(export EXPORT ${ARG_EXPORT})
  endif()
  install(TARGETS ${target} ${export} LIBRARY DESTINATION "${ARG_FOLDER}" INCLUDES DESTINATION include)
  # Twice: LibTorch may be copied before or after the program.
  set(library "${ARG_FOLDER}/$<TARGET_FILE_NAME:${target}>")
  install(CODE "${_sd_install_steps}
    sd_set_run_path([[${library}]] [[${places}]] [[${outside}]])")
  install(CODE "${_sd_install_steps}
    if(EXISTS \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${library}\")
      sd_set_run_path([[${library}]] [[${places}]] [[${outside}]])
    endif()" COMPONENT libtorch ${_sd_in_all})
endfunction()
