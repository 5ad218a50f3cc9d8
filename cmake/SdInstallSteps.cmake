# What `cmake --install` does for LibTorch, included by the install scripts that SdInstallLibTorch.cmake makes.
# Install scripts set no policies; functions keep those of their definition.
cmake_policy(PUSH)
cmake_policy(VERSION 3.25)

# sd_installed(OUT PLACE): where a place below the prefix is; a prefix may be relative, and in a staging folder.
function(sd_installed out place)
  get_filename_component(folder "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${place}" ABSOLUTE BASE_DIR "$ENV{PWD}")
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()

# sd_make_folders(FOLDER …): makes folders of the installation that are missing, and gives those the usual permissions: CMake's own
# are cut by the umask, whatever CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS says. What exists keeps its permissions.
function(sd_make_folders)
  foreach(place IN LISTS ARGN)
    set(made)
    sd_installed(folder "${place}")
    set(way "${folder}")
    while(NOT EXISTS "${way}")
      list(PREPEND made "${way}")
      cmake_path(GET way PARENT_PATH way)
    endwhile()
    file(MAKE_DIRECTORY "${folder}")
    if(made)
      file(CHMOD ${made} DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                               WORLD_READ WORLD_EXECUTE)
    endif()
  endforeach()
endfunction()

# sd_copy_libtorch(TORCH_LIB): copies LibTorch's libraries to lib/sd/torch/lib, and what it needs of NVIDIA's to lib/sd/nvidia.
# They are copied: a hard link would share them with a folder whose owner, and not that of the installation, could change them.
function(sd_copy_libtorch torch_lib)
  if(NOT EXISTS "${torch_lib}/libtorch_cpu.so")
    message(FATAL_ERROR "LibTorch is no longer where this was built against:\n  ${torch_lib}\n"
                        "Run scripts/setup.sh, build again, then install.")
  endif()
  file(REAL_PATH "${torch_lib}" torch_lib)
  cmake_path(GET torch_lib PARENT_PATH torch)
  cmake_path(GET torch PARENT_PATH beside_torch)
  # With NVIDIA's libraries for a GPU all of them go along, since LibTorch opens most by name; else what libtorch_cpu needs.
  if(EXISTS "${beside_torch}/nvidia/cudnn")
    file(GLOB libraries "${torch_lib}/*.so*" "${beside_torch}/nvidia/*/lib/*.so*")
  else()
    file(GET_RUNTIME_DEPENDENCIES LIBRARIES "${torch_lib}/libtorch_cpu.so"
         RESOLVED_DEPENDENCIES_VAR needed UNRESOLVED_DEPENDENCIES_VAR missing PRE_EXCLUDE_REGEXES ^ld-linux)
    set(libraries "${torch_lib}/libtorch_cpu.so")
    foreach(library IN LISTS needed)
      cmake_path(IS_PREFIX beside_torch "${library}" NORMALIZE is_beside)
      if(is_beside)
        list(APPEND libraries "${library}")
      endif()
    endforeach()
  endif()
  foreach(library IN LISTS libraries)
    cmake_path(IS_PREFIX torch "${library}" NORMALIZE is_torch)
    if(is_torch)
      cmake_path(RELATIVE_PATH library BASE_DIRECTORY "${torch}" OUTPUT_VARIABLE place)
      set(place "torch/${place}")
    else()
      cmake_path(RELATIVE_PATH library BASE_DIRECTORY "${beside_torch}" OUTPUT_VARIABLE place)
    endif()
    cmake_path(GET place PARENT_PATH place)
    sd_make_folders("lib/sd/${place}")
    file(INSTALL "${library}" DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/sd/${place}" TYPE SHARED_LIBRARY)
  endforeach()
endfunction()

# sd_find_private(OUT PATH): the first folder on the way to PATH that other users may not enter, or PATH itself if they may not
# read it; empty if they can use it.
function(sd_find_private out path)
  set(${out} "" PARENT_SCOPE)
  set(way "${path}")
  set(wanted "4")
  set(private "")
  while(TRUE)
    execute_process(COMMAND stat -L -c %a "${way}" OUTPUT_VARIABLE mode OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    # The last octal digit is the others'.
    string(REGEX MATCH "[0-7]$" others "${mode}")
    if(NOT others STREQUAL "")
      math(EXPR allowed "${others} & ${wanted}")
      if(NOT allowed EQUAL wanted)
        set(private "${way}")
      endif()
    endif()
    set(wanted "1")
    cmake_path(GET way PARENT_PATH parent)
    if(parent STREQUAL way)
      break()
    endif()
    set(way "${parent}")
  endwhile()
  set(${out} "${private}" PARENT_SCOPE)
endfunction()

# sd_set_run_path(LIBRARY PLACES OUTSIDE): LIBRARY, a path below the prefix, looks for LibTorch in PLACES, which are relative to it,
# and where LibTorch is not installed beside it also in the folders OUTSIDE (the first is LibTorch's). CMake's own change of run
# paths would leave an empty entry, which means the working directory.
function(sd_set_run_path library places outside)
  sd_installed(folder lib/sd)
  set(outside_used "")
  if(NOT EXISTS "${folder}/torch/lib/libtorch_cpu.so")
    set(outside_used ${outside})
    list(GET outside 0 torch_lib)
    file(REAL_PATH "${torch_lib}/libtorch_cpu.so" torch_file)
    sd_find_private(private "${torch_file}")
    cmake_path(IS_PREFIX private "${folder}" NORMALIZE is_as_private)
    if(NOT private STREQUAL "" AND NOT is_as_private)
      message(WARNING "LibTorch is not installed beside the program, and other users cannot use it where it lies:\n"
        "  ${torch_lib}\n"
        "  (only its owner may enter or read ${private})\n"
        "They will not be able to draw. Copy it into the installation:\n"
        "  cmake --install BUILD --prefix ${CMAKE_INSTALL_PREFIX} --component libtorch\n")
    else()
      message(STATUS "LibTorch is used where it lies: ${torch_lib}")
    endif()
  endif()
  list(JOIN places ":" run_path)
  foreach(place IN LISTS outside_used)
    string(APPEND run_path ":${place}")
  endforeach()
  sd_installed(file "${library}")
  file(RPATH_SET FILE "${file}" NEW_RPATH "${run_path}")
endfunction()

cmake_policy(POP)
