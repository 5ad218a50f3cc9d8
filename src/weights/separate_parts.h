#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"
#include "weights/sharded_files.h"

namespace sd {

inline constexpr const char* kUNetPrefix = "model.diffusion_model.";
inline constexpr const char* kVaePrefix = "first_stage_model.";
inline constexpr const char* kTextEncoderPrefix = "cond_stage_model.";

/// The weight files of a part and the config.json that belongs to them.
struct PartFiles {
  ShardedFiles weights;
  std::optional<std::filesystem::path> config;
};

/// What `path` names: a file, or a folder that diffusers wrote, of a whole model its `subfolder`.
PartFiles find_part(const std::filesystem::path& path, const char* subfolder);

/// An autoencoder in a file of its own.
struct SeparateVae {
  std::unique_ptr<TensorSource> tensors;  // by CompVis names; TAESD's where `tiny`
  std::filesystem::path main_file;        // what its hash is taken of
  bool tiny = false;  // TAESD: "decoder.layers.…", and "encoder.layers.…" where it is there
  std::optional<VaeConfig> config;     // of a config.json
  std::optional<double> scale_factor;  // likewise
};

/// Opens a .ckpt or .safetensors with or without `first_stage_model.` before its names (or a whole
/// model, whose autoencoder is taken), a file or folder of diffusers, or TAESD in diffusers' or the
/// original layout, where `taesd_encoder.*` beside `taesd_decoder.*` is found by itself. Throws
/// IoError, or CheckpointError naming what it is instead, or what is missing.
SeparateVae open_separate_vae(const std::filesystem::path& path);

/// A text encoder in a file of its own.
struct SeparateText {
  std::unique_ptr<TensorSource> tensors;  // by CompVis names
  std::filesystem::path main_file;
  std::optional<TextConfig> config;  // of a config.json
};

/// Opens CLIP's text encoder as transformers names it, with or without `text_model.` or
/// `cond_stage_model.transformer.` before it (of a whole CLIP or a whole model its text encoder is
/// taken), in a file or folder. Errors are those of open_separate_vae.
SeparateText open_separate_text(const std::filesystem::path& path);

/// A UNet in a file of its own.
struct SeparateUNet {
  std::unique_ptr<TensorSource> tensors;  // by CompVis names
  std::filesystem::path main_file;
  std::optional<std::filesystem::path> config;  // its config.json
};

/// True for a UNet without the prefix that it has in a whole model, in CompVis' or diffusers'
/// names.
bool is_bare_unet(const TensorSource& tensors);

/// Opens such a file, or the folder of one that diffusers wrote. Errors are those of opening files.
SeparateUNet open_separate_unet(const std::filesystem::path& path);

/// `whole` with every tensor below `prefix` taken from `part` instead.
std::unique_ptr<TensorSource> replace_part(std::unique_ptr<TensorSource> whole,
                                           std::unique_ptr<TensorSource> part,
                                           std::string_view prefix);

}  // namespace sd
