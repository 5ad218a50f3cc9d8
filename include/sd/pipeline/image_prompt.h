#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "sd/core/ip_adapter_info.h"
#include "sd/core/step_share.h"
#include "sd/image/image.h"
#include "sd/models/weight_map.h"
#include "sd/nn/image_attention.h"
#include "sd/pipeline/load.h"

namespace sd {

/// How a picture is followed.
struct ImagePromptRequest {
  std::filesystem::path adapter;                // an IP-Adapter
  std::optional<std::filesystem::path> vision;  // its vision tower; absent: what lies beside it
  Image picture;
  double weight = 1;
  StepShare steps;                         // in which it is followed
  IpWeights weights = IpWeights::kLinear;  // from layer to layer
};

/// What a row sees of a picture that is followed.
enum class ImageSight {
  kBlank,    // what the adapter makes of no picture
  kPicture,  // the picture
  kNothing,  // neither: its attention stays that of the prompt
};

/// A picture that drawings follow beside their prompt (IP-Adapter, arXiv:2308.06721). Immutable;
/// belongs to models of one configuration and to one device.
class ImagePrompt {
 public:
  /// Looks at the picture with the vision tower, which is read for that and not kept. Throws
  /// IoError, CheckpointError (an adapter of another family, a tower of another width), UsageError
  /// (weights by block for a UNet of other blocks).
  ImagePrompt(const LoadedModel& model, const ImagePromptRequest& request);

  bool is_followed(int64_t step, int64_t num_steps) const {
    return steps_.contains(step, num_steps);
  }
  /// Adds the keys and values of rows to `images`.
  void add_keys(const std::vector<ImageSight>& rows, torch::Dtype dtype,
                ImageAttention& images) const;

  const IpAdapterInfo& info() const { return info_; }
  /// [1,T,width] float32: what the prompt's tokens stand beside, and what without a picture.
  const torch::Tensor& tokens() const { return tokens_; }
  const torch::Tensor& blank_tokens() const { return blank_; }

 private:
  struct Layer {
    AttentionSite site;
    torch::Tensor keys, values;  // [2,T,width of the layer], of no picture and of the picture
    double weight;
  };

  IpAdapterInfo info_;
  StepShare steps_;
  torch::Tensor tokens_, blank_;
  std::vector<Layer> layers_;
};

}  // namespace sd
