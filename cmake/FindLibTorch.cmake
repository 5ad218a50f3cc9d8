# Finds LibTorch as the `torch` wheel (or the LibTorch archive) lays it out: include/ and lib/ under Torch_ROOT.
# The wheel's own package file wants a CUDA toolkit and a CUDA language level that CMake 3.25 does not know.
# Looks in Torch_ROOT (variable, else environment), and where that is not set where scripts/setup.sh unpacks.
#
# LibTorch::torch       headers, libtorch_cpu, libc10
# LibTorch::torch_cuda  with SD_CUDA: besides, libtorch_cuda, cuDNN, cudart and the toolkit's headers. Only what is
#                       linked last needs it, so objects are the same (and come from ccache) with and without CUDA.
set(_sd_cache "$ENV{XDG_CACHE_HOME}")
if(NOT _sd_cache)
  set(_sd_cache "$ENV{HOME}/.cache")
endif()
set(_sd_deps "$ENV{SD_DEPS_DIR}")
if(NOT _sd_deps)
  set(_sd_deps "${_sd_cache}/sd/deps")
endif()
# A Torch_ROOT that is wrong must not be passed over: another LibTorch than the one that was asked for would be used.
if(Torch_ROOT)
  set(_sd_hints ${Torch_ROOT})
elseif(NOT "$ENV{Torch_ROOT}" STREQUAL "")
  set(_sd_hints "$ENV{Torch_ROOT}")
else()
  set(_sd_hints "${_sd_deps}/current/torch")
endif()

# What was found stays cached, so another Torch_ROOT must make it forgotten.
if(NOT "${_sd_hints}" STREQUAL "${LibTorch_SEARCHED}")
  foreach(_sd_name INCLUDE_DIR CPU_LIBRARY C10_LIBRARY CUDA_LIBRARY C10_CUDA_LIBRARY CUDART_LIBRARY CUDNN_LIBRARY)
    unset(LibTorch_${_sd_name} CACHE)
  endforeach()
  set(LibTorch_SEARCHED "${_sd_hints}" CACHE INTERNAL "Where LibTorch was looked for")
endif()

find_path(LibTorch_INCLUDE_DIR NAMES ATen/ATen.h HINTS ${_sd_hints} PATH_SUFFIXES include NO_DEFAULT_PATH)
foreach(_sd_name cpu cuda)
  string(TOUPPER ${_sd_name} _sd_upper)
  find_library(LibTorch_${_sd_upper}_LIBRARY torch_${_sd_name} HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
endforeach()
find_library(LibTorch_C10_LIBRARY c10 HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_CUDA_LIBRARY LibTorch_C10_LIBRARY
                 LibTorch_C10_CUDA_LIBRARY)

set(_sd_version_file "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
if(EXISTS "${_sd_version_file}")
  file(STRINGS "${_sd_version_file}" _sd_line REGEX "^ *\"[0-9.]+\"")
  string(REGEX REPLACE "[ \"]" "" LibTorch_VERSION "${_sd_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "It was looked for in ${_sd_hints}. Run scripts/setup.sh, or give -DTorch_ROOT=DIR, a folder with include/ and lib/.")

if(LibTorch_FOUND AND NOT TARGET LibTorch::torch)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::torch SHARED IMPORTED)
  set_target_properties(LibTorch::torch PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  # The wheel carries headers of a newer {fmt}; code compiled with them would want symbols that the {fmt} we link lacks.
  find_path(Fmt_INCLUDE_DIR fmt/format.h PATHS /usr/include NO_DEFAULT_PATH)
  mark_as_advanced(Fmt_INCLUDE_DIR)
  if(Fmt_INCLUDE_DIR)
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/fmt-first")
    file(CREATE_LINK "${Fmt_INCLUDE_DIR}/fmt" "${CMAKE_BINARY_DIR}/fmt-first/fmt" SYMBOLIC)
    target_include_directories(LibTorch::torch SYSTEM INTERFACE "${CMAKE_BINARY_DIR}/fmt-first")
  endif()
  target_include_directories(LibTorch::torch SYSTEM INTERFACE "${LibTorch_INCLUDE_DIR}"
    "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  # libtorch_cpu's own needs (libcudart, libcupti) resolve at run time through its run path.
  target_link_options(LibTorch::torch INTERFACE -Wl,--allow-shlib-undefined)
  target_link_libraries(LibTorch::torch INTERFACE LibTorch::c10)
endif()

if(LibTorch_FOUND AND SD_CUDA AND NOT TARGET LibTorch::torch_cuda)
  if(NOT LibTorch_CUDA_LIBRARY OR NOT LibTorch_C10_CUDA_LIBRARY)
    message(FATAL_ERROR "SD_CUDA=ON, but libtorch_cuda.so and libc10_cuda.so are not beside ${LibTorch_CPU_LIBRARY}. "
                        "Run scripts/setup.sh --cuda, or point Torch_ROOT at a CUDA build of LibTorch.")
  endif()
  find_package(CUDAToolkit REQUIRED)
  # The libraries that LibTorch itself will open come first: the toolkit's may be older, and one process has only one.
  get_filename_component(_sd_nvidia "${LibTorch_CUDA_LIBRARY}" DIRECTORY)
  get_filename_component(_sd_nvidia "${_sd_nvidia}/../../nvidia" ABSOLUTE)
  find_library(LibTorch_CUDART_LIBRARY NAMES libcudart.so.${CUDAToolkit_VERSION_MAJOR} cudart
    HINTS "${_sd_nvidia}/cu${CUDAToolkit_VERSION_MAJOR}/lib" "${CUDAToolkit_LIBRARY_DIR}")
  find_library(LibTorch_CUDNN_LIBRARY NAMES libcudnn.so.9 cudnn
    HINTS "${_sd_nvidia}/cudnn/lib" "${CUDAToolkit_LIBRARY_DIR}")
  mark_as_advanced(LibTorch_CUDART_LIBRARY LibTorch_CUDNN_LIBRARY)
  if(NOT LibTorch_CUDART_LIBRARY OR NOT LibTorch_CUDNN_LIBRARY)
    message(FATAL_ERROR "SD_CUDA=ON, but libcudart and libcudnn are neither in ${_sd_nvidia} nor in "
                        "${CUDAToolkit_LIBRARY_DIR}. Run scripts/setup.sh --cuda, or install cuDNN with the toolkit.")
  endif()
  foreach(_sd_name CUDA C10_CUDA CUDART CUDNN)
    string(TOLOWER "LibTorch::${_sd_name}_library" _sd_target)
    add_library(${_sd_target} SHARED IMPORTED)
    set_target_properties(${_sd_target} PROPERTIES IMPORTED_LOCATION "${LibTorch_${_sd_name}_LIBRARY}")
    list(APPEND _sd_cuda_libraries ${_sd_target})
  endforeach()
  add_library(LibTorch::torch_cuda INTERFACE IMPORTED)
  target_include_directories(LibTorch::torch_cuda SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  # --no-as-needed: nothing of ours names a symbol of torch_cuda, its kernels register themselves.
  target_link_options(LibTorch::torch_cuda INTERFACE -Wl,--no-as-needed)
  target_link_libraries(LibTorch::torch_cuda INTERFACE ${_sd_cuda_libraries} LibTorch::torch)
endif()
