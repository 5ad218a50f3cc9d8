#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/_fused_sdp_choice.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/cuda_backend.h"
#include "pipeline/device.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// LibTorch's numbers of its attention kernels (at::SDPBackend).
std::string attention_kernel(int64_t number) {
  switch (number) {
    case 1:
      return "flash";
    case 2:
      return "memory-efficient";
    case 3:
      return "cuDNN";
    default:
      return "plain products";
  }
}

/// Which kernel LibTorch takes for each attention of SD v1 at 512×512 in half precision: by the
/// GPU's generation, its cuDNN and the sizes.
std::string attention_report(torch::Device device) {
  struct Layer {
    int64_t pixels, head;
  };
  std::string text;
  for (const auto& [pixels, head] : {Layer{4096, 40}, {1024, 80}, {256, 160}, {64, 160}}) {
    const auto tokens = [&](int64_t count) {
      return at::empty({2, 8, count, head}, at::TensorOptions().device(device).dtype(at::kHalf));
    };
    const auto q = tokens(pixels), words = tokens(77);
    text += fmt::format("{}{} pixels, heads of {}: {}, to words {}", text.empty() ? "" : "; ",
                        pixels, head, attention_kernel(at::_fused_sdp_choice(q, q, q)),
                        attention_kernel(at::_fused_sdp_choice(q, words, words)));
  }
  return text;
}

std::string report() {
  nlohmann::ordered_json json = {{"version", TORCH_VERSION},
                                 {"kernels", at::get_cpu_capability()},
                                 {"onednn", at::hasMKLDNN()},
                                 {"threads", at::get_num_threads()}};
  try {
    const auto device = resolve_device({DeviceChoice::Kind::kCuda});
    json["cuda_devices"] = at::getNumGPUs();
    const auto missing = open_cuda_backend();
    json["gpu_kernels"] = missing.empty() ? "our own" : "LibTorch's alone: " + missing;
    json["recorded_evaluations"] = missing.empty() && records_evaluations();
    json["attention"] = attention_report(device);
  } catch (const Error& error) {
    const std::string reason = error.what();
    json["cuda_devices"] = 0;
    json["no_cuda"] = reason.substr(0, reason.find('\n'));
  }
  return json.dump();
}

}  // namespace
}  // namespace sd::cli

/// What `sd doctor --torch` looks up.
extern "C" __attribute__((visibility("default"))) const char* sd_engine_report() {
  static const std::string text = sd::cli::report();
  return text.c_str();
}
