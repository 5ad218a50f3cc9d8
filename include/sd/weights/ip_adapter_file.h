#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "sd/core/ip_adapter_info.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// An IP-Adapter: tensors `image_proj.…` and `ip_adapter.N.to_k_ip.weight`, `…to_v_ip.weight`.
struct IpAdapterFile {
  std::unique_ptr<TensorSource> tensors;
  IpAdapterInfo info;
};

/// Opens a .bin (two dictionaries) or a .safetensors (their names as prefixes). Throws IoError, or
/// CheckpointError: for FaceID adapters, which need a face's embedding and a LoRA, for those of
/// Stable Diffusion XL, and for other files.
IpAdapterFile open_ip_adapter(const std::filesystem::path& path);

/// Whether the file is one, of whatever kind; false for what cannot be read.
bool looks_like_ip_adapter(const std::filesystem::path& path);

/// CLIP's vision tower by transformers' names (`vision_model.…`); the projection is
/// `visual_projection.weight`, or OpenCLIP's `visual.proj`, transposed.
struct VisionFile {
  std::unique_ptr<TensorSource> tensors;
  VisionConfig config;
};

/// Opens a tower in transformers' or OpenCLIP's naming: a file, or a folder that holds one. A
/// config.json beside it says the heads and the activation; else they are those of the published
/// towers of this width. Throws IoError, CheckpointError.
VisionFile open_clip_vision(const std::filesystem::path& path);

/// The tower that lies beside an adapter: the folder `image_encoder`, or a file that is called like
/// one (`clip_vision…`, `CLIP-ViT-…`, `image_encoder…`); nothing where there is none.
std::optional<std::filesystem::path> vision_beside(const std::filesystem::path& adapter);

}  // namespace sd
