#include "pipeline/network_layers.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "sd/core/error.h"
#include "sd/weights/load_weights.h"

namespace sd {
namespace {

constexpr std::string_view kBias = ".bias";

torch::Tensor tensor_of(const NetworkValues& values) {
  // from_blob takes a mutable pointer; the copy is what lives on.
  auto* data = const_cast<float*>(values.values.data());
  return at::from_blob(data, values.shape, at::TensorOptions().dtype(at::kFloat)).clone();
}

/// W' − W of a parameter, at multiplier 1.
torch::Tensor difference(const BoundNetwork& bound, const std::string& parameter,
                         const TensorSource& tensors) {
  const auto base = wrap_tensor(tensors.at(parameter)).to(at::kFloat).contiguous().clone();
  auto merged = base.clone();
  bound.merge(parameter,
              {merged.mutable_data_ptr<float>(), static_cast<std::size_t>(merged.numel())}, 1.0);
  return merged - base;
}

/// Without, layers compute as if there were no additions, to the bit.
bool some_act(const std::vector<std::vector<double>>& weights) {
  return std::ranges::any_of(weights, [](const std::vector<double>& own) {
    return std::ranges::any_of(own, [](double weight) { return weight != 0; });
  });
}

bool is_of_time(std::string_view parameter) {
  return parameter.find(".time_embed.") != parameter.npos ||
         parameter.find(".emb_layers.") != parameter.npos;
}

}  // namespace

NetworkLayers::NetworkLayers(torch::nn::Module& model, std::shared_ptr<const TensorSource> tensors,
                             ModelConfig config, torch::Device device, torch::Dtype dtype)
    : tensors_(std::move(tensors)), config_(std::move(config)), device_(device), dtype_(dtype) {
  for (const auto& item : model.named_modules()) {
    const auto* layer = dynamic_cast<const LayerImpl*>(item.value().get());
    if (layer == nullptr) continue;
    const bool multiplies = dynamic_cast<const LinearImpl*>(layer) != nullptr ||
                            dynamic_cast<const Conv2dImpl*>(layer) != nullptr;
    for (const auto& slot : layer->slots())
      layers_[item.key() + "." + slot.name] = multiplies ? layer : nullptr;
  }
}

NetworkLayers::Piece NetworkLayers::piece(const BoundNetwork& bound,
                                          const std::string& parameter) const {
  const auto found = layers_.find(parameter);
  if (found == layers_.end() || found->second == nullptr) {
    throw UsageError(fmt::format(
        "{}: it changes {}, which cannot be done for some prompts or steps alone\nGive it with "
        "--lora, for all of the run.",
        bound.network().label(), parameter));
  }
  Piece piece{found->second, parameter, {}};
  auto& addition = piece.addition;
  const auto held = [&](const torch::Tensor& values) { return values.to(device_, dtype_); };
  if (parameter.ends_with(kBias)) {
    addition.bias = held(difference(bound, parameter, *tensors_));
    return piece;
  }
  const auto shape = tensors_->describe(parameter).shape;
  const bool convolves = shape.size() == 4;
  const auto factors = bound.factors(parameter);
  if (!factors) {
    addition.down = held(difference(bound, parameter, *tensors_));
    return piece;
  }
  addition.scale = factors->scale;
  const auto down = tensor_of(factors->down), up = tensor_of(factors->up);
  if (!convolves) {
    addition.down = held(down.flatten(1));
    addition.up = held(up.flatten(1));
    return piece;
  }
  const int64_t rank = down.size(0);
  if (factors->mid) {
    addition.down = held(down.reshape({rank, shape[1], 1, 1}));
    addition.mid = held(tensor_of(*factors->mid));
  } else {
    addition.down = held(down.reshape({rank, shape[1], shape[2], shape[3]}));
  }
  addition.up = held(up.reshape({shape[0], -1, 1, 1}));
  return piece;
}

const NetworkLayers::Prepared& NetworkLayers::prepare(
    const std::shared_ptr<const Network>& network) {
  const auto found = std::ranges::find(prepared_, network, &Prepared::network);
  if (found != prepared_.end()) return *found;
  const auto bound = bind_network(network, *tensors_, config_);
  Prepared prepared{network, {}};
  for (const auto& parameter : bound->parameters())
    prepared.pieces.push_back(piece(*bound, parameter));
  return prepared_.emplace_back(std::move(prepared));
}

std::shared_ptr<const LayerAdditions> NetworkLayers::additions(
    const std::vector<RowNetwork>& networks) {
  const std::lock_guard lock(preparing_);
  std::erase_if(prepared_, [&](const Prepared& prepared) {
    return std::ranges::none_of(networks, [&](const RowNetwork& wanted) {
      return wanted.applied.network == prepared.network;
    });
  });
  auto additions = std::make_shared<LayerAdditions>();
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const auto& applied = networks[i].applied;
    for (const auto& piece : prepare(applied.network).pieces) {
      auto addition = piece.addition;
      addition.source = i;
      addition.scale *= applied.multiplier_for(piece.parameter);
      if (addition.scale != 0) (*additions)[piece.layer].push_back(std::move(addition));
    }
  }
  return additions;
}

bool NetworkLayers::touch_time(const LayerAdditions& additions) const {
  return std::ranges::any_of(layers_, [&](const auto& item) {
    const auto& [parameter, layer] = item;
    return is_of_time(parameter) && additions.contains(layer);
  });
}

BatchNetworks::BatchNetworks(NetworkLayers* layers, std::vector<RowNetwork> networks, int64_t rows)
    : networks_(std::move(networks)), rows_(rows) {
  for (auto& network : networks_) {
    if (!network.rows.empty() && static_cast<int64_t>(network.rows.size()) != rows) {
      throw UsageError(
          fmt::format("networks: rows of {} given for a batch of {}", network.rows.size(), rows));
    }
    if (std::ranges::find(network.rows, false) == network.rows.end()) network.rows.clear();
  }
  if (networks_.empty()) return;
  additions_ = layers->additions(networks_);
  touch_time_ = layers->touch_time(*additions_);
}

bool BatchNetworks::has(std::size_t network, int64_t row) const {
  const auto& rows = networks_[network].rows;
  return rows.empty() || rows[static_cast<std::size_t>(row % rows_)];
}

std::string BatchNetworks::key_of(int64_t row) const {
  std::string key;
  for (std::size_t i = 0; i < networks_.size(); ++i) key += has(i, row) ? '1' : '0';
  return key;
}

std::vector<std::vector<double>> BatchNetworks::of_prompt(int64_t row) const {
  std::vector<std::vector<double>> weights;
  for (std::size_t i = 0; i < networks_.size(); ++i) weights.push_back({has(i, row) ? 1.0 : 0.0});
  return some_act(weights) ? weights : std::vector<std::vector<double>>();
}

std::vector<std::vector<double>> BatchNetworks::of_step(int64_t step, int64_t num_steps,
                                                        int64_t count) const {
  std::vector<std::vector<double>> weights;
  for (std::size_t i = 0; i < networks_.size(); ++i) {
    const bool acts = networks_[i].steps.contain(step, num_steps);
    auto& own = weights.emplace_back();
    if (!acts || networks_[i].rows.empty()) {
      own.push_back(acts ? 1.0 : 0.0);
      continue;
    }
    for (int64_t row = 0; row < count; ++row) own.push_back(has(i, row) ? 1.0 : 0.0);
  }
  return some_act(weights) ? weights : std::vector<std::vector<double>>();
}

bool BatchNetworks::divide_rows() const {
  return std::ranges::any_of(networks_,
                             [](const RowNetwork& network) { return !network.rows.empty(); });
}

}  // namespace sd
