#include "weights/control_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "weights/diffusers_names.h"
#include "weights/name_pieces.h"
#include "weights/renamed_source.h"
#include "weights/separate_parts.h"

namespace sd {
namespace {

using Names = std::vector<std::string>;
using Renamed = std::vector<RenamedTensor>;

constexpr std::string_view kControl = "control_model.";
constexpr std::string_view kHint = "controlnet_cond_embedding.";

/// A net that is refused by what one of its names begins with.
struct Foreign {
  std::string_view start, what;
};
constexpr std::array kForeign = {
    Foreign{"label_emb.", "a ControlNet of Stable Diffusion XL"},
    Foreign{"add_embedding.", "a ControlNet of Stable Diffusion XL"},
    Foreign{"controlnet_x_embedder.", "a ControlNet of FLUX"},
    Foreign{"double_blocks.", "a ControlNet of FLUX"},
    Foreign{"single_transformer_blocks.", "a ControlNet of FLUX"},
    Foreign{"pos_embed_input.", "a ControlNet of Stable Diffusion 3"},
    Foreign{"joint_blocks.", "a ControlNet of Stable Diffusion 3"},
    Foreign{"lllite_", "a ControlNet-LLLite of Stable Diffusion XL"},
    Foreign{"task_embedding", "a ControlNet Union, or a fuser of adapters"},
    Foreign{"style_embedding", "a T2I style adapter"},
    Foreign{"image_proj.", "an IP-Adapter"},
};

std::string_view bare(std::string_view name) {
  take(name, kControl);
  return name;
}

template <typename Test>
bool any(const Names& names, Test test) {
  return std::any_of(names.begin(), names.end(), test);
}

bool any_starts_with(const Names& names, std::string_view start) {
  return any(names, [&](std::string_view name) { return name.starts_with(start); });
}

bool is_adapter(const Names& names) {
  return any(names, [](std::string_view name) {
    take(name, "adapter.");
    return name.starts_with("body.") && name.ends_with(".block1.weight");
  });
}

/// The names of cldm's ControlNet, as they are.
Renamed compvis_names(const Names& names) {
  // A file of the original repository holds the model beside the net.
  const bool whole = any_starts_with(names, kControl);
  Renamed tensors;
  for (const auto& name : names) {
    if (whole && !name.starts_with(kControl)) continue;
    const auto own = bare(name);
    if (own == "difference" || own == "lora_controlnet") continue;
    tensors.push_back({std::string(own), 0, name});
  }
  return tensors;
}

/// diffusers' places of the convolutions of the hint's tower.
std::optional<std::string> hint_name(std::string_view key, int blocks) {
  if (take(key, "conv_in.")) return fmt::format("input_hint_block.0.{}", key);
  if (take(key, "conv_out.")) return fmt::format("input_hint_block.{}.{}", 2 + 2 * blocks, key);
  if (!take(key, "blocks.")) return std::nullopt;
  const auto block = take_number(key);
  if (!block) return std::nullopt;
  return fmt::format("input_hint_block.{}.{}", 2 + 2 * *block, key);
}

int count_of(const Names& names, std::string_view start) {
  int count = 0;
  for (std::string_view name : names) {
    if (!take(name, start)) continue;
    if (const auto number = take_number(name)) count = std::max(count, *number + 1);
  }
  return count;
}

Renamed diffusers_names(const Names& names) {
  const DiffusersNames encoder(names, {});
  const int blocks = count_of(names, "controlnet_cond_embedding.blocks.");
  Renamed tensors;
  for (const auto& name : names) {
    std::string_view key = name;
    std::optional<std::string> own;
    if (take(key, kHint)) {
      own = hint_name(key, blocks);
    } else if (take(key, "controlnet_down_blocks.")) {
      if (const auto number = take_number(key))
        own = fmt::format("zero_convs.{}.0.{}", *number, key);
    } else if (take(key, "controlnet_mid_block.")) {
      own = fmt::format("middle_block_out.0.{}", key);
    } else {
      own = encoder.unet(name).name.substr(std::string_view(kUNetPrefix).size());
    }
    tensors.push_back({own.value_or(name), 0, name});
  }
  return tensors;
}

/// T2I-Adapter's own names, of diffusers' where a level's blocks are counted by themselves.
Renamed adapter_names(const Names& names) {
  int blocks = 0;  // a level
  bool light = true, by_level = false;
  for (std::string_view name : names) {
    take(name, "adapter.");
    light = light && !name.starts_with("conv_in.");
    if (!take(name, "body.") || !take_number(name) || !take(name, "resnets.")) continue;
    by_level = true;
    if (const auto number = take_number(name)) blocks = std::max(blocks, *number + 1);
  }
  Renamed tensors;
  for (const auto& name : names) {
    std::string_view key = name;
    take(key, "adapter.");
    std::string own(key);
    if (by_level && take(key, "body.")) {
      const auto level = take_number(key);
      const bool inside = level && take(key, "resnets.");
      const auto block = inside ? take_number(key) : std::optional(0);
      if (level && block && light) {
        own = inside ? fmt::format("body.{}.body.{}.{}", *level, *block, key)
                     : fmt::format("body.{}.{}", *level, key);
      } else if (level && block) {
        own = fmt::format("body.{}.{}", *level * blocks + *block, key);
      }
    }
    tensors.push_back({std::move(own), 0, name});
  }
  return tensors;
}

}  // namespace

std::optional<ControlKind> control_kind(const Names& names) {
  const auto has = [&](std::string_view wanted) {
    return any(names, [&](std::string_view name) { return bare(name) == wanted; });
  };
  if (has("lora_controlnet")) return ControlKind::kControlLora;
  if (has("input_hint_block.0.weight")) {
    return has("difference") ? ControlKind::kDifference : ControlKind::kControlNet;
  }
  if (any_starts_with(names, kHint)) return ControlKind::kControlNet;
  if (is_adapter(names)) return ControlKind::kT2IAdapter;
  return std::nullopt;
}

void require_first_generation(const TensorSource& tensors) {
  const auto& names = tensors.names();
  for (const auto& [start, what] : kForeign) {
    const auto foreign = [start = start](std::string_view name) {
      return bare(name).starts_with(start);
    };
    if (!any(names, foreign)) continue;
    throw CheckpointError(
        fmt::format("{}: expected a ControlNet 1.x or a T2I-Adapter of Stable Diffusion v1 or v2, "
                    "found: {}\n    Take the net that was made for your model's family.",
                    tensors.label(), what));
  }
}

std::unique_ptr<TensorSource> with_control_names(std::unique_ptr<TensorSource> tensors,
                                                 ControlKind kind) {
  const auto& names = tensors->names();
  auto renamed = kind == ControlKind::kT2IAdapter ? adapter_names(names)
                 : any_starts_with(names, kHint)  ? diffusers_names(names)
                                                  : compvis_names(names);
  return rename_tensors(std::move(tensors), std::move(renamed));
}

}  // namespace sd
