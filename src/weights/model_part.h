#pragma once

#include <cstdint>
#include <string_view>

namespace sd {

/// What of a model may be in memory without the rest.
enum class ModelPart { kText, kUNet, kEncoder, kDecoder };

/// The part that a tensor of this CompVis name belongs to.
inline ModelPart part_of(std::string_view name) {
  if (name.starts_with("cond_stage_model.")) return ModelPart::kText;
  if (!name.starts_with("first_stage_model.")) return ModelPart::kUNet;
  const bool encodes = name.starts_with("first_stage_model.encoder.") ||
                       name.starts_with("first_stage_model.quant_conv.");
  return encodes ? ModelPart::kEncoder : ModelPart::kDecoder;
}

/// Parts of fewer bytes stay in memory: loading one again takes time, too.
constexpr int64_t kWorthLoadingAgain = int64_t{64} << 20;
/// With one part in memory at a time, what stays of that one. Layers behind it are read for every
/// call.
constexpr int64_t kMostOfAPart = int64_t{1100} << 20;

}  // namespace sd
