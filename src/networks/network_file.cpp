#include "networks/network_file.h"

#include <fmt/format.h>

#include <system_error>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd {
namespace fs = std::filesystem;

std::optional<fs::path> find_network_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin",
                           "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"}) {
    if (is_present(path / name)) return path / name;
  }
  return std::nullopt;
}

fs::path network_file(const fs::path& path) {
  if (auto file = find_network_file(path)) return *file;
  throw CheckpointError(
      fmt::format("{}: a folder without a LoRA, expected adapter_model.safetensors (PEFT) or "
                  "pytorch_lora_weights.safetensors (diffusers) in it",
                  path.string()));
}

}  // namespace sd
