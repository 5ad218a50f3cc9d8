#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sd/pipeline/inspect.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// How far a conversion is, in bytes of the new files.
struct ConvertProgress {
  enum class Stage { kWrite, kVerify };
  Stage stage = Stage::kWrite;
  uint64_t done = 0;
  uint64_t total = 0;
};

/// A LoRA, or one of its kin, that becomes part of the new model.
struct NetworkToMerge {
  std::filesystem::path file;
  double text_encoder = 1;  // multipliers
  double unet = 1;
  std::vector<double> blocks = {};  // as AppliedNetwork's (sd/networks/apply.h)
};

struct ConvertRequest {
  ModelFiles source;
  /// `NAME.safetensors` (CompVis names), or a folder (no suffix, or a slash at its end) as
  /// diffusers reads it.
  std::filesystem::path out;
  std::optional<DType> dtype;  // of the weights: f32, f16, bf16; absent: each tensor's own
  bool ema = false;            // the EMA weights instead of the plain ones
  bool keep_ema = false;       // beside the plain ones; not in a folder
  std::vector<NetworkToMerge> networks;  // one after the other
  /// Called before the first file is made and after each piece; false stops with Cancelled.
  std::function<bool(const ConvertProgress&)> on_progress;
};

/// What became of a network that was merged.
struct MergedNetwork {
  std::filesystem::path file;
  std::string matched;                 // "264 of 264 modules, rank 16, text encoder and UNet"
  std::vector<std::string> unmatched;  // modules that the model has not, in the file's spelling
};

struct ConvertReport {
  std::filesystem::path out;
  std::optional<std::filesystem::path>
      config;  // the YAML written beside a file, where it needs one
  int64_t tensors = 0;
  uint64_t bytes = 0;
  std::string source_sha256;          // of the source's main file
  std::vector<std::string> left_out;  // tensors that the folder has no place for
  std::vector<MergedNetwork> merged;  // as ConvertRequest has them
};

/// Writes a model in another format: streaming, a few megabytes at a time; read back and compared
/// tensor by tensor; then renamed into place. Nothing is left of a conversion that failed, and
/// nothing is overwritten. Throws UsageError, CheckpointError (the source is incomplete, or a value
/// is too large for f16, a LoRA
/// does not fit), IoError (OUT exists, too little space, …), Cancelled.
ConvertReport convert_model(const ConvertRequest& request);

}  // namespace sd
