# Puts LibTorch beside the installed program: lib/sd/torch/lib, and what it needs of NVIDIA's to lib/sd/nvidia, in the
# layout in which its libraries look for each other. LibTorch as scripts/setup.sh unpacks it lies in one user's cache,
# where no other user can read it and anybody may clear it away. The files are copied: a hard link would share them with a folder
# whose owner, and not that of the installation, could change them.
option(SD_INSTALL_LIBTORCH "Install LibTorch's libraries with the program (off: they are used where they are)" ON)

if(SD_INSTALL_LIBTORCH)
  cmake_path(GET LibTorch_CPU_LIBRARY PARENT_PATH _sd_torch_lib)
  install(CODE "
    file(REAL_PATH [[${_sd_torch_lib}]] torch_lib)
    cmake_path(GET torch_lib PARENT_PATH torch)
    cmake_path(GET torch PARENT_PATH beside_torch)
    # With NVIDIA's libraries for a GPU all of them go along, since LibTorch opens most by name; else what libtorch_cpu needs.
    if(EXISTS \"\${beside_torch}/nvidia/cudnn\")
      file(GLOB libraries \"\${torch_lib}/*.so*\" \"\${beside_torch}/nvidia/*/lib/*.so*\")
    else()
      file(GET_RUNTIME_DEPENDENCIES LIBRARIES \"\${torch_lib}/libtorch_cpu.so\"
           RESOLVED_DEPENDENCIES_VAR needed UNRESOLVED_DEPENDENCIES_VAR missing PRE_EXCLUDE_REGEXES ^ld-linux)
      set(libraries \"\${torch_lib}/libtorch_cpu.so\")
      foreach(library IN LISTS needed)
        cmake_path(IS_PREFIX beside_torch \"\${library}\" NORMALIZE is_beside)
        if(is_beside)
          list(APPEND libraries \"\${library}\")
        endif()
      endforeach()
    endif()
    foreach(library IN LISTS libraries)
      cmake_path(IS_PREFIX torch \"\${library}\" NORMALIZE is_torch)
      if(is_torch)
        cmake_path(RELATIVE_PATH library BASE_DIRECTORY \"\${torch}\" OUTPUT_VARIABLE place)
        set(place \"torch/\${place}\")
      else()
        cmake_path(RELATIVE_PATH library BASE_DIRECTORY \"\${beside_torch}\" OUTPUT_VARIABLE place)
      endif()
      cmake_path(GET place PARENT_PATH place)
      file(INSTALL \"\${library}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/sd/\${place}\" TYPE SHARED_LIBRARY)
    endforeach()")
endif()

# sd_install_beside_libtorch(TARGET): installs a library into lib/sd, where it looks for LibTorch; in the build folder it
# looks where LibTorch was found. CMake's own change of run paths would leave an empty entry, which means the working directory.
function(sd_install_beside_libtorch target)
  set(places "$ORIGIN")
  if(SD_INSTALL_LIBTORCH)
    list(APPEND places "$ORIGIN/torch/lib")
    if(SD_CUDA)
      list(APPEND places "$ORIGIN/nvidia/cu${CUDAToolkit_VERSION_MAJOR}/lib" "$ORIGIN/nvidia/cudnn/lib")
    endif()
  endif()
  set_target_properties(${target} PROPERTIES
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "${places}" INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS ${target} LIBRARY DESTINATION lib/sd)
  if(SD_INSTALL_LIBTORCH)
    list(JOIN places ":" places)
    string(REPLACE "$" "\\$" places "${places}")
    install(CODE "
      file(RPATH_SET FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/sd/$<TARGET_FILE_NAME:${target}>\"
           NEW_RPATH \"${places}\")")
  endif()
endfunction()
