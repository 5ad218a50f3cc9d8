#include "pipeline/cuda_backend.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "cuda/backend.h"
#include "nn/gpu.h"
#include "sd/core/error.h"
#include "sd/core/own_library.h"

namespace sd {
namespace {

constexpr const char* kLibrary = "libsd_cuda.so";

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(fmt::format(
      "{}: the kernels for GPUs cannot be used: {}\nBuild and install the program anew as a whole, "
      "or draw with --device cpu.",
      path, why));
}

constexpr const char* kVariable = "SD_GPU_KERNELS";

/// What SD_GPU_KERNELS says; without it they are taken where they are there.
std::string wanted_kernels() {
  const char* said = std::getenv(kVariable);
  const std::string wanted = said == nullptr ? "on" : said;
  if (wanted == "on" || wanted == "plain" || wanted == "off") return wanted;
  throw UsageError(
      fmt::format("SD_GPU_KERNELS is '{}', expected on, plain (no recorded evaluations) or off "
                  "(LibTorch's alone)",
                  wanted));
}

std::string open() {
  if (wanted_kernels() == "off") return "SD_GPU_KERNELS=off";
  const auto path = own_library_path(kLibrary);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    const auto why = fmt::format(
        "this build was made without a CUDA toolkit, and has no kernels of its own: {} is not "
        "there",
        kLibrary);
    if (std::getenv(kVariable) == nullptr) return why;
    throw UsageError(
        fmt::format("{}: {}\nBuild it where nvcc is, or leave the variable out.", kVariable, why));
  }
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse(path, dlerror());
  const auto entry = reinterpret_cast<cuda::Entry>(dlsym(library, cuda::kEntry));
  const auto* backend = entry != nullptr ? entry(SD_VERSION) : nullptr;
  if (backend == nullptr) refuse(path, "they are of another version of the program");
  gpu::set_backend(backend);
  return {};
}

}  // namespace

std::string open_cuda_backend() {
  static const std::string problem = open();
  return problem;
}

bool records_evaluations() { return wanted_kernels() == "on"; }

}  // namespace sd
