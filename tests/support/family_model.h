#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sd/pipeline/load.h"

namespace sd::test {

/// The tiny models of tests/tools/family_weights.py: their weights are a pure function of their
/// names, so that no checkpoint has to be stored.
enum class TinyFamily {
  kV1Velocity,
  kV1Inpainting,
  kPix2Pix,
  kV2,
  kV2Inpainting,
  kV2Velocity,
  kV1Deep,         // three levels
  kV1Cut,          // the same without its middle
  kV1Conditioned,  // with an embedded guidance scale
};

/// "v1-velocity", …: the stem of its file in tests/data/families.
std::string name_of(TinyFamily family);

/// Writes such a model as a published checkpoint of its family is laid out: half precision, CompVis
/// names, OpenCLIP's with their fused projections and the layer that does not run.
void write_family(TinyFamily family, const std::filesystem::path& safetensors,
                  const std::vector<std::pair<std::string, std::string>>& metadata = {});

/// The tensor that family_weights.py's `weight` draws for that name, float32 on the CPU.
torch::Tensor drawn_weight(const std::string& name, const std::vector<int64_t>& shape);

/// The model, loaded in float32 by what its weights tell; once a process.
const LoadedModel& family_model(TinyFamily family);

}  // namespace sd::test
