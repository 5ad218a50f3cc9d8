# Finds LibTorch as the `torch` wheel (or the LibTorch archive) lays it out: include/ and lib/ under Torch_ROOT.
# The wheel's own package file wants a CUDA toolkit and a CUDA language level that CMake 3.25 does not know.
# Looks in Torch_ROOT (variable or environment), then where scripts/setup.sh unpacks.
# Makes LibTorch::torch, and with SD_CUDA links the CUDA half, cuDNN and the toolkit.
set(_sd_cache "$ENV{XDG_CACHE_HOME}")
if(NOT _sd_cache)
  set(_sd_cache "$ENV{HOME}/.cache")
endif()
set(_sd_deps "$ENV{SD_DEPS_DIR}")
if(NOT _sd_deps)
  set(_sd_deps "${_sd_cache}/sd/deps")
endif()

set(_sd_hints ${Torch_ROOT} $ENV{Torch_ROOT} "${_sd_deps}/current/torch")
find_path(LibTorch_INCLUDE_DIR NAMES ATen/ATen.h HINTS ${_sd_hints} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY NAMES torch_cpu HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY NAMES c10 HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY NAMES torch_cuda HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY NAMES c10_cuda HINTS ${_sd_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_CUDA_LIBRARY
                 LibTorch_C10_CUDA_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "Run scripts/setup.sh, or give your own with -DTorch_ROOT=DIR (a folder with include/ and lib/).")

if(LibTorch_FOUND AND NOT TARGET LibTorch::torch)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::torch SHARED IMPORTED)
  set_target_properties(LibTorch::torch PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  target_include_directories(LibTorch::torch SYSTEM INTERFACE "${LibTorch_INCLUDE_DIR}"
    "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  # libtorch_cpu's own needs (libcudart, libcupti) resolve at run time through its run path.
  target_link_options(LibTorch::torch INTERFACE -Wl,--allow-shlib-undefined)
  target_link_libraries(LibTorch::torch INTERFACE LibTorch::c10)
  if(SD_CUDA)
    if(NOT LibTorch_CUDA_LIBRARY)
      message(FATAL_ERROR "SD_CUDA=ON, but libtorch_cuda.so is not beside ${LibTorch_CPU_LIBRARY}. "
                          "Run scripts/setup.sh --cuda, or point Torch_ROOT at a CUDA build of LibTorch.")
    endif()
    find_package(CUDAToolkit REQUIRED)
    find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
    find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
    if(NOT CUDNN_LIBRARY OR NOT CUDNN_INCLUDE_DIR)
      message(FATAL_ERROR "SD_CUDA=ON, but cuDNN was not found beside the CUDA toolkit in ${CUDAToolkit_LIBRARY_DIR}.")
    endif()
    target_include_directories(LibTorch::torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS} "${CUDNN_INCLUDE_DIR}")
    target_compile_definitions(LibTorch::torch INTERFACE SD_CUDA=1)
    # --no-as-needed: nothing of ours names a symbol of torch_cuda, its kernels register themselves.
    target_link_libraries(LibTorch::torch INTERFACE
      -Wl,--no-as-needed "${LibTorch_CUDA_LIBRARY}" "${LibTorch_C10_CUDA_LIBRARY}" -Wl,--as-needed
      CUDA::cudart "${CUDNN_LIBRARY}")
  endif()
endif()
