#include "cli/shell/device_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

bool begins_with_one_of(const std::string& text, const std::vector<std::string>& beginnings) {
  return std::ranges::any_of(beginnings,
                             [&](const std::string& begin) { return text.starts_with(begin); });
}

/// What the word is elsewhere. By its letters, "gpu" would be nearest to "cpu".
std::string device_hint(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool number = !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isdigit(c) != 0;
  });
  if (number) return fmt::format("\nThe GPU of that number is cuda:{}.", text);
  if (begins_with_one_of(text, {"gpu", "nvidia", "geforce", "rtx", "cuda"}) || text == "dgpu")
    return "\nA GPU is called cuda here, the second one cuda:1; auto takes one where there is one.";
  if (begins_with_one_of(
          text, {"mps", "metal", "mlx", "rocm", "hip", "amd", "xpu", "intel", "vulkan", "opencl",
                 "directml", "dml", "privateuse", "npu", "tpu", "xla"}))
    return "\nOnly NVIDIA's GPUs (cuda) and the CPU (cpu) are used.";
  return did_you_mean(text, std::vector<std::string>{"auto", "cpu", "cuda"});
}

/// "2 GPUs: cuda:0 (NVIDIA H100), cuda:1 (NVIDIA H100)".
std::string listed(const std::vector<std::string>& gpus) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < gpus.size(); ++i)
    names.push_back(fmt::format("cuda:{} ({})", i, gpus[i]));
  return fmt::format("{} GPU{}: {}", gpus.size(), gpus.size() == 1 ? "" : "s",
                     fmt::join(names, ", "));
}

}  // namespace

DeviceChoice device_of_word(const std::string& text) {
  try {
    return parse_device(text);
  } catch (const UsageError&) {
    throw UsageError(
        fmt::format("--device: '{}' is unknown, expected auto, cpu, cuda or cuda:N (N from 0){}",
                    text, device_hint(text)));
  }
}

std::vector<DeviceChoice> devices_of_word(const std::string& text) {
  if (text.find(',') == std::string::npos) return {device_of_word(text)};
  try {
    return parse_devices(text);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("--device: {}", error.what()));
  }
}

void check_device(const DeviceChoice& device, const Machine& machine) {
  if (device.kind != DeviceChoice::Kind::kCuda) return;
  const auto asked = device_text(device);
  if (!machine.gpu_node) {
    const auto driver = machine.driver.empty()
                            ? std::string()
                            : fmt::format(", though NVIDIA's driver {} is loaded", machine.driver);
    throw UsageError(fmt::format(
        "--device {}: no NVIDIA GPU can be seen here{}; there is a CPU with {} core{}\nLeave "
        "--device out, or say --device cpu. Where there should be a GPU: is its driver installed "
        "(nvidia-smi), was it given to this container (docker run --gpus all)?",
        asked, driver, machine.cores, machine.cores == 1 ? "" : "s"));
  }
  const auto count = machine.gpus.size();
  if (count == 0 || static_cast<std::size_t>(device.index.value_or(0)) < count) return;
  throw UsageError(
      fmt::format("--device {}: there is no such GPU, but {}\nThey are counted from 0.", asked,
                  listed(machine.gpus)));
}

}  // namespace sd::cli
