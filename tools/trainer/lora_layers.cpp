#include "trainer/lora_layers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/rand.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "sd/core/error.h"
#include "sd/nn/layers.h"
#include "weights/diffusers_names.h"

namespace sd::train {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr const char* kDown = ".lora_down.weight";
constexpr const char* kUp = ".lora_up.weight";

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

bool is_wanted(const DiffusersName& place, const LoraSettings& settings) {
  const auto& key = place.key;
  if (place.part == "unet") {
    if (has(key, ".resnets.") || has(key, "samplers.")) return settings.convolutions;
    if (!has(key, "attentions.")) return false;
    return settings.targets == LoraTargets::kAll || has(key, ".attn1.") || has(key, ".attn2.");
  }
  if (place.part != "text_encoder" || !settings.text_encoder) return false;
  return has(key, ".self_attn.") || (settings.targets == LoraTargets::kAll && has(key, ".mlp."));
}

/// "lora_unet_down_blocks_0_…" of a key in a diffusers folder.
std::string kohya_name(const DiffusersName& place) {
  auto name = (place.part == "unet" ? "lora_unet_" : "lora_te_") +
              place.key.substr(0, place.key.size() - kWeight.size());
  std::ranges::replace(name, '.', '_');
  return name;
}

int64_t fan_in(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) product *= shape[i];
  return product;
}

void require_room(const LoraTarget& target, int64_t rank) {
  const int64_t most = std::min(target.shape[0], fan_in(target.shape));
  if (rank <= most) return;
  throw UsageError(fmt::format(
      "--rank {}: {} is a layer of [{}], of which more than {} tells nothing new\nGive --rank {} "
      "or less.",
      rank, target.name, fmt::join(target.shape, ","), most, most));
}

}  // namespace

std::vector<LoraTarget> lora_targets(LatentDiffusionImpl& model, const LoraSettings& settings) {
  const DiffusersKeys keys(model.config);
  std::vector<LoraTarget> targets;
  bool has_text = false;
  for (const auto& item : model.named_modules()) {
    const auto* layer = dynamic_cast<const LayerImpl*>(item.value().get());
    const bool multiplies = dynamic_cast<const LinearImpl*>(layer) != nullptr ||
                            dynamic_cast<const Conv2dImpl*>(layer) != nullptr;
    if (!multiplies) continue;
    const auto place = keys.of(item.key() + std::string(kWeight));
    if (!place || !place->key.ends_with(kWeight) || !is_wanted(*place, settings)) continue;
    has_text = has_text || place->part == "text_encoder";
    targets.push_back({layer, kohya_name(*place), layer->slots().front().tensor->sizes().vec()});
    require_room(targets.back(), settings.rank);
  }
  if (settings.text_encoder && !has_text) {
    throw UsageError(
        "--text-encoder: files of LoRAs have no names for this model's text encoder\nLeave it out: "
        "the UNet alone is trained then.");
  }
  return targets;
}

LoraFactors::LoraFactors(std::vector<LoraTarget> targets, const LoraSettings& settings,
                         torch::Device device)
    : targets_(std::move(targets)),
      rank_(settings.rank),
      scale_(settings.alpha / static_cast<double>(settings.rank)),
      down_(targets_.size()),
      up_(targets_.size()),
      parameters_(slots(), device) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(settings.seed));
  const c10::AutoGradMode no_gradients(false);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in(targets_[i].shape)));
    down_[i].copy_((2 * at::rand(down_[i].sizes(), generator, at::kFloat) - 1) * bound);
  }
}

std::vector<ParameterSlot> LoraFactors::slots() {
  std::vector<ParameterSlot> slots;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    auto down = targets_[i].shape;
    std::vector<int64_t> up(down.size(), 1);
    up[0] = down[0];
    up[1] = down[0] = rank_;
    const auto& name = targets_[i].name;
    slots.push_back({name + kDown, down, [this, i](torch::Tensor value) { down_[i] = value; }});
    slots.push_back({name + kUp, up, [this, i](torch::Tensor value) { up_[i] = value; }});
  }
  return slots;
}

LayerAdditions LoraFactors::additions(torch::Dtype dtype) const {
  LayerAdditions additions;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    LayerAddition addition;
    addition.scale = scale_;
    addition.down = down_[i].to(dtype);
    addition.up = up_[i].to(dtype);
    additions[targets_[i].layer].push_back(std::move(addition));
  }
  return additions;
}

}  // namespace sd::train
