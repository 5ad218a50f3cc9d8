#include "sd/pipeline/image_prompt.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "pipeline/guard.h"
#include "pipeline/ip_adapter_check.h"
#include "sd/core/error.h"
#include "sd/image/clip_pixels.h"
#include "sd/models/clip_vision.h"
#include "sd/models/ip_adapter.h"
#include "sd/weights/ip_adapter_file.h"
#include "sd/weights/load_weights.h"

namespace sd {
namespace {

/// All tensors of a source, as its file holds them.
WeightMap weights_of(const TensorSource& source, const torch::Device& device) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& name : source.names()) tensors[name] = wrap_tensor(source.at(name));
  return {source.label(), std::move(tensors), device};
}

struct Seen {
  torch::Tensor picture, blank;  // what the tower makes of the picture, and in place of none
};

/// As the adapters were trained: without a picture, a plain one gets an embedding of zeros, others
/// what the tower makes of pixels of zeros.
Seen look(const VisionFile& tower, const IpAdapterInfo& info, const Image& picture,
          const torch::Device& device) {
  const auto weights = weights_of(*tower.tensors, device);
  const auto side = tower.config.side;
  auto values = clip_pixels(picture, side);
  const auto pixels = at::from_blob(values.data(), {1, 3, side, side}, at::kFloat);
  if (info.kind == IpAdapterKind::kPlain) {
    const auto embedding = see(weights, tower.config, pixels, VisionOutput::kEmbedding).embedding;
    return {embedding, at::zeros_like(embedding)};
  }
  const auto both =
      see(weights, tower.config, at::cat({pixels, at::zeros_like(pixels)}), VisionOutput::kPatches)
          .patches;
  return {both.narrow(0, 0, 1), both.narrow(0, 1, 1)};
}

void require_numbers(const torch::Tensor& values, const std::string& label) {
  if (values.isfinite().all().item<bool>()) return;
  throw CheckpointError(label +
                        ": what the adapter makes of the picture is not finite: its "
                        "weights, or the vision tower's, are damaged");
}

}  // namespace

ImagePrompt::ImagePrompt(const LoadedModel& model, const ImagePromptRequest& request)
    : steps_(request.steps) {
  check_ip_adapter(request.adapter, request.vision, request.weights, model.config.unet);
  guard_torch("looking at a picture", [&] {
    const c10::InferenceMode inference;
    const torch::Device device(model.device);
    const auto file = open_ip_adapter(request.adapter);
    info_ = file.info;
    const auto seen = look(open_clip_vision(vision_of(request.adapter, request.vision)), info_,
                           request.picture, device);
    const auto weights = weights_of(*file.tensors, device);
    tokens_ = image_tokens(weights, info_, seen.picture);
    blank_ = image_tokens(weights, info_, seen.blank);
    require_numbers(tokens_, weights.label());
    const auto both = at::cat({blank_, tokens_});
    const auto layers = cross_layers(model.config.unet);
    // Adapters count down, up, middle; weights by block down, middle, up.
    const auto by_block = block_weights(request.weights);
    std::size_t down = 0;
    while (down < layers.size() && layers[down].site.part == UNetPart::kDown) ++down;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto& [site, width] = layers[i];
      const auto prefix = fmt::format("ip_adapter.{}.", 2 * i + 1);
      const auto place = i < down ? i : site.part == UNetPart::kMiddle ? down : i + 1;
      const double share = request.weights == IpWeights::kLinear ? 1 : by_block.at(place);
      if (share * request.weight == 0) continue;
      layers_.push_back({site, weights.linear(prefix + "to_k_ip", both, width),
                         weights.linear(prefix + "to_v_ip", both, width), share * request.weight});
      require_numbers(layers_.back().values, weights.label());
    }
  });
}

void ImagePrompt::add_keys(const std::vector<ImageSight>& rows, torch::Dtype dtype,
                           ImageAttention& images) const {
  std::vector<int64_t> which, nothing;
  for (const auto sight : rows) {
    if (sight == ImageSight::kNothing) nothing.push_back(static_cast<int64_t>(which.size()));
    which.push_back(sight == ImageSight::kPicture ? 1 : 0);
  }
  for (const auto& layer : layers_) {
    const auto index = at::tensor(which, at::kLong).to(layer.keys.device());
    auto values = layer.values.index_select(0, index);
    for (const auto row : nothing) values[row].zero_();  // whatever it attends to adds nothing
    images.add(layer.site,
               {layer.keys.index_select(0, index).to(dtype), values.to(dtype), layer.weight});
  }
}

}  // namespace sd
