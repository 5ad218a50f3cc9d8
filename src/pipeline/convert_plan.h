#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/pipeline/convert.h"
#include "sd/weights/open.h"
#include "sd/weights/write_safetensors.h"

namespace sd {

/// A tensor of a file to come.
struct PlannedTensor {
  TensorHeader header;
  // Its name in the source; several where it is theirs one below the other (OpenCLIP's
  // projections).
  std::vector<std::string> sources;
};

/// A .safetensors file to come; `path` is relative to the new folder, or empty for a single file.
struct PlannedFile {
  std::filesystem::path path;
  std::vector<PlannedTensor> tensors;

  std::vector<TensorHeader> headers() const;
};

struct ConvertPlan {
  std::vector<PlannedFile> files;
  std::vector<std::string> left_out;
};

/// True if `out` asks for a folder. Throws UsageError for a suffix that is not written.
bool wants_folder(const std::filesystem::path& out);

/// What goes where. Larger elements come first, so that every tensor is aligned.
ConvertPlan plan_conversion(const TensorSource& tensors, const ModelConfig& config,
                            const ConvertRequest& request);

}  // namespace sd
