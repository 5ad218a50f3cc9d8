#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "networks/contents.h"
#include "networks/merge.h"
#include "networks/product.h"
#include "networks/spellings.h"
#include "sd/core/error.h"
#include "sd/networks/apply.h"

namespace sd {
namespace {

constexpr std::string_view kInputLayer = "model.diffusion_model.input_blocks.0.0";

/// Where a module's values go.
struct Place {
  std::size_t module = 0;
  bool bias = false;
  std::vector<int64_t> shape;  // of the parameter
  WeightSize size{0, 0, 0};    // as the module's shapes have it
  int64_t part = 0;            // of a fused layer that the model has in parts, one below the other
  int64_t parts = 1;

  /// Whether the module knows fewer input channels than the parameter has.
  bool is_narrow() const { return !bias && size.in != WeightSize(shape).in; }
};

/// Whether nothing but ΔW times the scale is added.
bool is_added(const MergeModule& module) {
  const auto kind = module.kind;
  return (kind == NetworkKind::kLora || kind == NetworkKind::kLoha || kind == NetworkKind::kLokr ||
          kind == NetworkKind::kFull) &&
         !is_decomposed(module.reader);
}

/// The rows of a fused weight that one of its parts has.
template <typename T>
std::span<T> rows_of_part(std::span<T> all, const Place& place) {
  const auto each = all.size() / static_cast<std::size_t>(place.parts);
  return all.subspan(static_cast<std::size_t>(place.part) * each, each);
}

/// Calls act(parameter's row, module's row) for every row of a weight whose module knows only the
/// first input channels.
template <typename Act>
void for_narrow_rows(std::span<float> weight, const Place& place, std::span<float> narrow,
                     const Act& act) {
  const auto wide_row = static_cast<std::size_t>(WeightSize(place.shape).row());
  const auto row = static_cast<std::size_t>(place.size.row());
  for (std::size_t i = 0; i < static_cast<std::size_t>(place.size.out); ++i)
    act(weight.subspan(i * wide_row, row), narrow.subspan(i * row, row));
}

class Bound final : public BoundNetwork {
 public:
  Bound(std::shared_ptr<const Network> network, const TensorSource& model,
        const ModelConfig& config)
      : network_(std::move(network)), contents_(network_->contents()) {
    const Spellings spellings(model.names(), config);
    match_.modules = static_cast<int64_t>(contents_.keys.modules.size());
    for (std::size_t i = 0; i < contents_.keys.modules.size(); ++i) {
      const auto& name = contents_.keys.modules[i].name;
      const auto* layer = spellings.find(name);
      if (layer == nullptr || !add(i, *layer, model, config)) {
        match_.unmatched.push_back(name);
        continue;
      }
      ++match_.matched;
      ++(layer->name.starts_with("cond_stage_model.") ? match_.text_encoder : match_.unet);
    }
    const auto& unknown = contents_.keys.unknown;
    match_.unmatched.insert(match_.unmatched.end(), unknown.begin(), unknown.end());
    if (match_.matched == 0) refuse_all(config);
    for (const auto& name : model.names()) {
      if (places_.contains(name)) parameters_.push_back(name);
    }
  }

  const Network& network() const override { return *network_; }
  const NetworkMatch& match() const override { return match_; }
  const std::vector<std::string>& parameters() const override { return parameters_; }
  bool touches(std::string_view parameter) const override {
    return places_.contains(std::string(parameter));
  }

  std::optional<NetworkFactors> factors(std::string_view parameter) const override;
  void merge(std::string_view parameter, std::span<float> values, double multiplier) const override;

 private:
  bool add(std::size_t index, const ModelLayer& layer, const TensorSource& model,
           const ModelConfig& config);
  void add_place(const std::string& parameter, Place place);
  void check(Place& place, const std::string& parameter, const ModelConfig& config) const;
  [[noreturn]] void refuse_all(const ModelConfig& config) const;
  std::string other_family(const ModelConfig& config) const;

  std::shared_ptr<const Network> network_;
  const Network::Contents& contents_;
  NetworkMatch match_;
  std::unordered_map<std::string, Place> places_;  // by parameter
  std::vector<std::string> parameters_;
};

/// "It was made for …; this model is …", where that is so.
std::string Bound::other_family(const ModelConfig& config) const {
  constexpr int64_t kWidth1 = 768, kWidth2 = 1024;
  const int64_t width = config.unet.context_dim;
  const std::string model = width == kWidth1   ? "Stable Diffusion v1"
                            : width == kWidth2 ? "Stable Diffusion v2"
                                               : "";
  const auto& own = contents_.info.family;
  if (own.empty() || model.empty() || own == model) return "";
  return fmt::format("\n    It was made for {}; this model is {}.", own, model);
}

void Bound::refuse_all(const ModelConfig& config) const {
  constexpr std::size_t kShown = 3;
  std::string first;
  for (std::size_t i = 0; i < std::min(kShown, match_.unmatched.size()); ++i)
    first += fmt::format("{}'{}'", i == 0 ? "" : ", ", match_.unmatched[i]);
  const bool more = match_.unmatched.size() > kShown;
  throw CheckpointError(fmt::format("{}: none of its {} modules has a place in this model: {}{}{}",
                                    network_->label(), match_.modules, first, more ? ", …" : "",
                                    other_family(config).empty()
                                        ? "\n    It was made for another family of models."
                                        : other_family(config)));
}

bool Bound::add(std::size_t index, const ModelLayer& layer, const TensorSource& model,
                const ModelConfig& config) {
  std::vector<std::string> layers = {layer.name};
  layers.insert(layers.end(), layer.siblings.begin(), layer.siblings.end());
  const auto module = contents_.module(index);
  bool placed = false;
  for (std::size_t part = 0; part < layers.size(); ++part) {
    Place place;
    place.module = index;
    place.part = static_cast<int64_t>(part);
    place.parts = static_cast<int64_t>(layers.size());
    const auto weight = layers[part] + ".weight", bias = layers[part] + ".bias";
    if (module.kind != NetworkKind::kNone && model.contains(weight)) {
      place.shape = model.describe(weight).shape;
      check(place, weight, config);
      // An alpha of 0 changes nothing, to the bit.
      if (!is_added(module) || scale_of(module) != 0.0) add_place(weight, place);
      placed = true;
    }
    if (!changes_bias(module.reader) || !model.contains(bias)) continue;
    place.bias = true;
    place.shape = model.describe(bias).shape;
    check_bias(module, elements_of(place.shape) * place.parts);
    add_place(bias, place);
    placed = true;
  }
  return placed;
}

void Bound::add_place(const std::string& parameter, Place place) {
  const auto [found, added] = places_.emplace(parameter, std::move(place));
  if (added) return;
  throw CheckpointError(
      fmt::format("{}: '{}' and '{}' both change '{}', expected one of them\n    Take the file "
                  "from where it was published.",
                  network_->label(), contents_.keys.modules[found->second.module].name,
                  contents_.keys.modules[place.module].name, parameter));
}

void Bound::check(Place& place, const std::string& parameter, const ModelConfig& config) const {
  const auto module = contents_.module(place.module);
  place.size = WeightSize(place.shape);
  place.size.out *= place.parts;
  if (place.parts > 1 && !is_added(module)) {
    throw CheckpointError(
        fmt::format("{}: '{}' is a fused layer of OpenCLIP's, which only LoRA, LoHa, LoKr and full "
                    "differences are read for",
                    network_->label(), module.reader.module().name));
  }
  try {
    return check_shapes(module, place.size);
  } catch (const CheckpointError& error) {
    // Models that see a mask or a picture take what was made for those that do not.
    const bool widened = parameter == std::string(kInputLayer) + ".weight" &&
                         place.size.in > config.unet.out_channels;
    if (!widened) throw CheckpointError(error.what() + other_family(config));
    const auto wide = std::exchange(place.size.in, config.unet.out_channels);
    try {
      return check_shapes(module, place.size);
    } catch (const CheckpointError&) {
      place.size.in = wide;
    }
    throw;
  }
}

void Bound::merge(std::string_view parameter, std::span<float> values, double multiplier) const {
  const auto found = places_.find(std::string(parameter));
  if (found == places_.end() || multiplier == 0.0) return;
  const auto& place = found->second;
  const auto module = contents_.module(place.module);
  if (values.size() != static_cast<std::size_t>(elements_of(place.shape))) {
    throw CheckpointError(fmt::format("{}: {} values of '{}' were given, expected {}",
                                      network_->label(), values.size(), parameter,
                                      elements_of(place.shape)));
  }
  const bool fused = place.parts > 1;
  if (place.bias) {
    if (!fused) return merge_bias(module, values, multiplier);
    std::vector<float> all(values.size() * static_cast<std::size_t>(place.parts), 0.0F);
    merge_bias(module, all, multiplier);
    const auto own = rows_of_part(std::span(all), place);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += own[i];
    return;
  }
  if (fused) {
    std::vector<float> all(values.size() * static_cast<std::size_t>(place.parts), 0.0F);
    add_difference(module, place.size, all, multiplier * scale_of(module));
    const auto own = rows_of_part(std::span(all), place);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += own[i];
    return;
  }
  if (!place.is_narrow()) return merge_weight(module, place.size, values, multiplier);
  std::vector<float> narrow(static_cast<std::size_t>(place.size.elements()));
  for_narrow_rows(values, place, narrow, [](std::span<float> wide, std::span<float> own) {
    std::copy(wide.begin(), wide.end(), own.begin());
  });
  merge_weight(module, place.size, narrow, multiplier);
  for_narrow_rows(values, place, narrow, [](std::span<float> wide, std::span<float> own) {
    std::copy(own.begin(), own.end(), wide.begin());
  });
}

std::optional<NetworkFactors> Bound::factors(std::string_view parameter) const {
  const auto found = places_.find(std::string(parameter));
  if (found == places_.end() || found->second.bias) return std::nullopt;
  const auto& place = found->second;
  const auto module = contents_.module(place.module);
  if (module.kind != NetworkKind::kLora || is_decomposed(module.reader)) return std::nullopt;
  NetworkFactors factors;
  factors.scale = scale_of(module);
  factors.down = module.reader.values(NetworkPart::kDown);
  factors.up = module.reader.values(NetworkPart::kUp);
  if (place.parts > 1) {
    const auto own = rows_of_part(std::span(factors.up.values), place);
    factors.up.values = std::vector(own.begin(), own.end());
  }
  const bool convolution = place.shape.size() > 2;
  const int64_t outer = elements_of(factors.up.shape) / place.size.out;
  factors.up.shape = {place.shape[0], outer};
  const int64_t inner = factors.down.shape[0];
  if (module.reader.has(NetworkPart::kMid)) {
    factors.mid = module.reader.values(NetworkPart::kMid);
    factors.mid->shape = {outer, inner};
    factors.mid->shape.insert(factors.mid->shape.end(), place.shape.begin() + 2, place.shape.end());
    factors.down.shape = {inner, place.size.in};
    if (convolution) factors.down.shape.resize(place.shape.size(), 1);
  } else {
    factors.down.shape = place.shape;
    factors.down.shape[0] = inner;
  }
  if (convolution) factors.up.shape.resize(place.shape.size(), 1);
  if (!place.is_narrow()) return factors;
  // The channels that it does not know count nothing.
  const int64_t taps = factors.mid ? 1 : place.size.kernel;
  const auto wide = static_cast<std::size_t>(place.shape[1] * taps);
  const auto own = static_cast<std::size_t>(place.size.in * taps);
  std::vector<float> padded(static_cast<std::size_t>(inner) * wide, 0.0F);
  for (std::size_t row = 0; row < static_cast<std::size_t>(inner); ++row)
    std::copy_n(factors.down.values.begin() + static_cast<std::ptrdiff_t>(row * own), own,
                padded.begin() + static_cast<std::ptrdiff_t>(row * wide));
  factors.down.values = std::move(padded);
  factors.down.shape[1] = place.shape[1];
  return factors;
}

}  // namespace

std::shared_ptr<const BoundNetwork> bind_network(std::shared_ptr<const Network> network,
                                                 const TensorSource& model,
                                                 const ModelConfig& config) {
  return std::make_shared<const Bound>(std::move(network), model, config);
}

NetworkMatch match_network(const std::shared_ptr<const Network>& network, const TensorSource& model,
                           const ModelConfig& config) {
  return bind_network(network, model, config)->match();
}

std::string match_text(const NetworkInfo& info, const NetworkMatch& match) {
  std::string parts = "UNet";
  if (match.text_encoder > 0) parts = match.unet > 0 ? "text encoder and UNet" : "text encoder";
  const auto ranks = info.ranks();
  return fmt::format("{} of {} modules, {}{}{}", match.matched, match.modules, ranks,
                     ranks.empty() ? "" : ", ", parts);
}

}  // namespace sd
