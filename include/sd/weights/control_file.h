#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "sd/core/model_config.h"
#include "sd/core/t2i_adapter_config.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// What a control net's file holds.
enum class ControlKind {
  kControlNet,   // whole
  kDifference,   // to be added to the weights of the model's UNet
  kControlLora,  // products to be added to them
  kT2IAdapter,
};

/// "ControlNet", "ControlNet (difference)", "control-LoRA", "T2I-Adapter".
std::string_view name_of(ControlKind kind);

/// An opened ControlNet or T2I-Adapter.
struct ControlFile {
  ControlKind kind = ControlKind::kControlNet;
  /// By the names of cldm.cldm.ControlNet (`input_hint_block.0.weight`) or of T2I-Adapter's Adapter
  /// (`body.0.block1.weight`), whatever the file calls them.
  std::unique_ptr<TensorSource> tensors;
  std::filesystem::path main_file;
  /// Its residuals are averaged over height and width, and added to conditional rows alone: a
  /// config.json says so, or the name ("shuffle").
  bool pools = false;
  /// Hidden pixels of its picture are −1: its name has "inpaint".
  bool inpaints = false;
};

/// Opens a file (CompVis names with or without `control_model.`, also beside a whole model;
/// diffusers' names; difference and control-LoRA files) or a diffusers folder of a ControlNet or a
/// T2I-Adapter. Throws IoError, or CheckpointError naming what it is instead.
ControlFile open_control(const std::filesystem::path& path);

/// The same of tensors that are open already.
ControlFile control_of(std::unique_ptr<TensorSource> tensors);

/// What such a net was made for, in words: "Stable Diffusion v1 (320 channels, context 768)".
std::string family_of(const ControlFile& net);

/// Throws CheckpointError naming both where the net is of another family than a model of these
/// sizes, which `model` names, or where tensors are missing or of another shape.
void require_fitting(const ControlFile& net, const ModelConfig& config, const std::string& model);

/// Numbers that such a net holds in memory for a model of these sizes.
int64_t control_parameters(const ControlFile& net, const ModelConfig& config);

/// What a T2I-Adapter's tensors show, for a UNet of so many levels. Throws CheckpointError.
T2IAdapterConfig adapter_config(const TensorSource& tensors, std::size_t levels);

}  // namespace sd
