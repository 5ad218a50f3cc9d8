#include "pipeline/cuda_driver.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <optional>

namespace sd {
namespace {

// CUDA Driver API: values of CUresult and CUdevice_attribute.
constexpr int kNoDevice = 100;
constexpr int kDriverMismatch = 803;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kMajorStep = 1000, kMinorStep = 10;  // of a version number

/// The driver stays open: LibTorch opens it too, and closing it would end its threads.
void* driver_library() {
  static void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return library;
}

/// NVML, which comes with the driver.
void* management_library() {
  static void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  return library;
}

/// Calls a function of a library; nothing if the library lacks it.
template <typename... Arguments>
std::optional<int> call_in(void* library, const char* name, Arguments... arguments) {
  if (library == nullptr) return std::nullopt;
  using Function = int (*)(Arguments...);
  auto* function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) return std::nullopt;
  return function(arguments...);
}

template <typename... Arguments>
std::optional<int> call(const char* name, Arguments... arguments) {
  return call_in(driver_library(), name, arguments...);
}

/// The two digits or more after `prefix` at every place of a text where it stands.
template <typename Use>
void each_number_after(std::string_view text, std::string_view prefix, Use use) {
  for (auto at = text.find(prefix); at != std::string_view::npos; at = text.find(prefix, at + 1)) {
    int number = 0;
    const char* begin = text.data() + at + prefix.size();
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number);
    if (error == std::errc() && end != begin) use(number);
  }
}

}  // namespace

CudaDriver ask_cuda_driver() {
  CudaDriver driver;
  driver.found = driver_library() != nullptr;
  if (!driver.found) return driver;
  driver.start_code = call("cuInit", 0U).value_or(-1);
  call("cuDriverGetVersion", &driver.version);
  if (driver.start_code == 0) call("cuDeviceGetCount", &driver.gpus);
  return driver;
}

CudaGpu ask_cuda_gpu(int index) {
  CudaGpu gpu;
  int device = 0;
  if (call("cuDeviceGet", &device, index) != 0) return gpu;
  std::array<char, 256> name{};
  if (call("cuDeviceGetName", name.data(), static_cast<int>(name.size() - 1), device) != 0) {
    return gpu;
  }
  call("cuDeviceGetAttribute", &gpu.major, kCapabilityMajor, device);
  call("cuDeviceGetAttribute", &gpu.minor, kCapabilityMinor, device);
  std::size_t memory = 0;
  if (call("cuDeviceTotalMem_v2", &memory, device) == 0) gpu.memory = static_cast<int64_t>(memory);
  gpu.name = name.data();
  return gpu;
}

/// By NVML, which numbers GPUs otherwise: the driver tells it only to who has a context, which
/// takes memory itself.
std::optional<int64_t> free_gpu_memory(int index) {
  int device = 0;
  std::array<char, 32> bus{};
  if (call("cuDeviceGet", &device, index) != 0 ||
      call("cuDeviceGetPCIBusId", bus.data(), static_cast<int>(bus.size() - 1), device) != 0) {
    return std::nullopt;
  }
  void* handle = nullptr;
  struct {
    unsigned long long total, free, used;
  } memory{};
  auto* nvml = management_library();
  const bool told =
      call_in(nvml, "nvmlInit_v2") == 0 &&
      call_in(nvml, "nvmlDeviceGetHandleByPciBusId_v2", static_cast<const char*>(bus.data()),
              &handle) == 0 &&
      call_in(nvml, "nvmlDeviceGetMemoryInfo", handle, static_cast<void*>(&memory)) == 0;
  return told ? std::optional(static_cast<int64_t>(memory.free)) : std::nullopt;
}

bool has_kernels_for(std::string_view configuration, const CudaGpu& gpu) {
  bool names_any = false, found = false;
  // Machine code runs on later GPUs of its own generation, PTX (code=compute_…) on all later ones.
  each_number_after(configuration, "code=sm_", [&](int number) {
    names_any = true;
    found = found || (number / 10 == gpu.major && number % 10 <= gpu.minor);
  });
  each_number_after(configuration, "code=compute_", [&](int number) {
    names_any = true;
    found = found || number <= gpu.major * 10 + gpu.minor;
  });
  return found || !names_any;
}

std::string cuda_version_text(int version) {
  return fmt::format("{}.{}", version / kMajorStep, version % kMajorStep / kMinorStep);
}

std::string driver_problem(const CudaDriver& driver, int needed) {
  if (!driver.found) {
    return "NVIDIA's driver is not installed: libcuda.so.1 is not found\nInstall the driver (in a "
           "container: start it with the GPU, as `--gpus all` does), or use --device cpu.";
  }
  // A driver runs every CUDA of its own major version and of older ones.
  if (driver.version != 0 && driver.version / kMajorStep < needed / kMajorStep) {
    return fmt::format(
        "NVIDIA's driver is too old: it supports CUDA up to {}, this LibTorch needs {}\nInstall a "
        "newer driver, build with a LibTorch of CUDA {}, or use --device cpu.",
        cuda_version_text(driver.version), cuda_version_text(needed), driver.version / kMajorStep);
  }
  if (driver.start_code == kDriverMismatch) {
    return "NVIDIA's driver and its kernel module are of different versions (after an update)\n"
           "Restart the machine, or use --device cpu.";
  }
  if (driver.start_code == kNoDevice || (driver.start_code == 0 && driver.gpus == 0)) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    return visible != nullptr
               ? fmt::format(
                     "the driver shows no GPU: CUDA_VISIBLE_DEVICES is '{}'\nName a GPU "
                     "there, or unset it; or use --device cpu.",
                     visible)
               : "the driver shows no GPU\nLook at what `nvidia-smi` says, or use --device cpu.";
  }
  if (driver.start_code != 0) {
    return fmt::format(
        "NVIDIA's driver does not start (error {})\nLook at what `nvidia-smi` says, or use "
        "--device cpu.",
        driver.start_code);
  }
  return {};
}

}  // namespace sd
