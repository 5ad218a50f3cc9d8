#include <fmt/format.h>

#include <utility>

#include "cli/commands/doctor.h"
#include "pipeline/cuda_driver.h"

namespace sd::cli {
namespace {

using GpuJson = nlohmann::ordered_json;

GpuJson gpu_json(int index, const CudaGpu& gpu) {
  const auto free = free_gpu_memory(index);
  return {{"device", fmt::format("cuda:{}", index)},
          {"name", gpu.name},
          {"memory", gpu.memory == 0 ? GpuJson() : GpuJson(gpu.memory)},
          {"free", free ? GpuJson(*free) : GpuJson()},
          {"compute_capability", fmt::format("{}.{}", gpu.major, gpu.minor)}};
}

}  // namespace

GpuJson gpus_report() {
  const auto driver = ask_cuda_driver();
  const auto problem = driver_problem(driver, 0);
  GpuJson devices = GpuJson::array();
  for (int i = 0; problem.empty() && i < driver.gpus; ++i) {
    const auto gpu = ask_cuda_gpu(i);
    if (!gpu.name.empty()) devices.push_back(gpu_json(i, gpu));
  }
  return {{"cuda", driver.version == 0 ? GpuJson() : GpuJson(cuda_version_text(driver.version))},
          {"problem", problem.empty() ? GpuJson() : GpuJson(problem.substr(0, problem.find('\n')))},
          {"devices", std::move(devices)}};
}

std::string gpu_text(const GpuJson& gpu) {
  auto text = gpu.at("name").get<std::string>();
  const auto bytes = [&](const char* key) { return bytes_text(gpu.at(key).get<int64_t>()); };
  if (gpu.at("free").is_number()) text += fmt::format(", {} free", bytes("free"));
  if (gpu.at("memory").is_number()) text += fmt::format(", {} in all", bytes("memory"));
  return fmt::format("{}, compute capability {}", text,
                     gpu.at("compute_capability").get<std::string>());
}

}  // namespace sd::cli
