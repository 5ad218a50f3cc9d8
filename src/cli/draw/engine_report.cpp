#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/device.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

std::string report() {
  nlohmann::ordered_json json = {{"version", TORCH_VERSION},
                                 {"kernels", at::get_cpu_capability()},
                                 {"onednn", at::hasMKLDNN()},
                                 {"threads", at::get_num_threads()}};
  try {
    resolve_device({DeviceChoice::Kind::kCuda, 0});
    json["cuda_devices"] = at::getNumGPUs();
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
