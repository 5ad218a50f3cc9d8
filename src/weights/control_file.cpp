#include "sd/weights/control_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "weights/control_names.h"
#include "weights/family.h"
#include "weights/json_file.h"
#include "weights/separate_parts.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// What a file's or a folder's name says of the net in it.
void read_name(const fs::path& path, ControlFile& net) {
  auto name = (path.has_filename() ? path : path.parent_path()).filename().string();
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  net.pools = has(name, "shuffle");
  net.inpaints = has(name, "inpaint");
}

void read_config(const fs::path& path, ControlFile& net) {
  const JsonFile config(path);
  if (config.has("global_pool_conditions")) net.pools = config.at("global_pool_conditions") == true;
  const auto& order = config.at("controlnet_conditioning_channel_order");
  if (!order.is_null() && order != "rgb") {
    config.wrong("controlnet_conditioning_channel_order", "\"rgb\" (others are not supported)");
  }
}

}  // namespace

std::string_view name_of(ControlKind kind) {
  switch (kind) {
    case ControlKind::kControlNet:
      return "ControlNet";
    case ControlKind::kDifference:
      return "ControlNet (difference)";
    case ControlKind::kControlLora:
      return "control-LoRA";
    case ControlKind::kT2IAdapter:
      break;
  }
  return "T2I-Adapter";
}

ControlFile control_of(std::unique_ptr<TensorSource> tensors) {
  require_first_generation(*tensors);
  ControlFile net;
  const auto kind = control_kind(tensors->names());
  if (!kind) {
    const Family found = guess_family(*tensors);
    const bool lora = found.name == "LoRA";
    throw CheckpointError(
        fmt::format("{}: expected a ControlNet or a T2I-Adapter, found: {}{}", tensors->label(),
                    found.name, lora ? "\n    A LoRA is no net that is shown a picture." : ""));
  }
  net.kind = *kind;
  net.tensors = with_control_names(std::move(tensors), *kind);
  return net;
}

ControlFile open_control(const fs::path& path) {
  const auto files = find_part(path, "controlnet");
  auto net = control_of(open_sharded(files.weights, path.string()).tensors);
  net.main_file = files.weights.files.front();
  read_name(path, net);
  if (files.config) read_config(*files.config, net);
  return net;
}

}  // namespace sd
