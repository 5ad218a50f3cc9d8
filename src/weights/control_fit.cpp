// Whether a control net belongs to a model, from headers alone.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/control_file.h"
#include "weights/byte_reader.h"
#include "weights/control_names.h"
#include "weights/expected_tensors.h"
#include "weights/separate_parts.h"

namespace sd {
namespace {

constexpr int64_t kUnshuffled = 64;  // pixels of a latent
constexpr int64_t kMostBlocks = 64;

/// Sizes by which families differ; 0 where they cannot be told.
struct Sizes {
  int64_t channels = 0, context = 0;
};

std::vector<int64_t> shape_of(const TensorSource& tensors, std::string_view name) {
  return tensors.contains(name) ? tensors.describe(name).shape : std::vector<int64_t>{};
}

Sizes sizes_of(const ControlFile& net) {
  const auto& tensors = *net.tensors;
  Sizes sizes;
  if (net.kind == ControlKind::kT2IAdapter) {
    for (const char* name : {"conv_in.weight", "body.0.out_conv.weight"}) {
      if (const auto shape = shape_of(tensors, name); !shape.empty()) sizes.channels = shape[0];
    }
    return sizes;
  }
  if (const auto shape = shape_of(tensors, "zero_convs.0.0.weight"); !shape.empty())
    sizes.channels = shape[0];
  for (const auto& name : tensors.names()) {
    if (!name.ends_with(".attn2.to_k.weight") && !name.ends_with(".attn2.to_k.down")) continue;
    const auto shape = shape_of(tensors, name);
    if (shape.size() == 2) sizes.context = shape[1];
    break;
  }
  return sizes;
}

std::string sizes_text(const Sizes& sizes) {
  const char* family = sizes.context == 768    ? "Stable Diffusion v1"
                       : sizes.context == 1024 ? "Stable Diffusion v2"
                       : sizes.context == 2048 ? "Stable Diffusion XL"
                                               : "a model";
  return sizes.context == 0
             ? fmt::format("a model of {} channels", sizes.channels)
             : fmt::format("{} ({} channels, context {})", family, sizes.channels, sizes.context);
}

/// Of the sides from one on; 0 for more than can be.
int64_t product(const std::vector<int64_t>& shape, std::size_t from) {
  const std::vector<int64_t> sides(shape.begin() + static_cast<std::ptrdiff_t>(from), shape.end());
  return checked_elements(sides).value_or(0);
}

/// Of a control-LoRA: why a pair does not make a tensor of this shape; empty where it does.
std::string wrong_pair(const TensorSource& tensors, const std::string& stem,
                       const std::vector<int64_t>& wanted) {
  const auto up = shape_of(tensors, stem + "up"), down = shape_of(tensors, stem + "down");
  const bool fits = up.size() >= 2 && down.size() >= 2 && wanted.size() >= 2 &&
                    product(up, 1) == down[0] && up[0] == wanted[0] &&
                    product(down, 1) == product(wanted, 1);
  if (fits) return {};
  return fmt::format("'{}up' has shape {} and '{}down' {}, expected factors of {}", stem,
                     shape_text(up), stem, shape_text(down), shape_text(wanted));
}

/// What a control-LoRA leaves to the model's UNet or gives as factors.
bool is_made_elsewhere(const TensorSource& tensors, const ExpectedTensor& tensor,
                       std::vector<std::string>& wrong) {
  if (tensors.contains(tensor.name)) return false;
  constexpr std::string_view kWeight = "weight";
  if (tensor.name.ends_with(kWeight)) {
    const auto stem = tensor.name.substr(0, tensor.name.size() - kWeight.size());
    if (tensors.contains(stem + "up") || tensors.contains(stem + "down")) {
      if (auto why = wrong_pair(tensors, stem, tensor.shape); !why.empty())
        wrong.push_back(std::move(why));
      return true;
    }
  }
  return tensor.name.starts_with("time_embed.") || tensor.name.starts_with("input_blocks.") ||
         tensor.name.starts_with("middle_block.");
}

[[noreturn]] void fail(const ControlFile& net, const std::string& what) {
  throw CheckpointError(fmt::format("{}: {}", net.tensors->label(), what));
}

void require_net(const ControlFile& net, const ModelConfig& config) {
  std::vector<std::string> missing, wrong;
  for (const auto& tensor : expected_control_net(config)) {
    const auto& tensors = *net.tensors;
    if (net.kind == ControlKind::kControlLora && is_made_elsewhere(tensors, tensor, wrong))
      continue;
    if (!tensors.contains(tensor.name)) {
      missing.push_back(tensor.name);
    } else if (const auto shape = tensors.describe(tensor.name).shape; shape != tensor.shape) {
      wrong.push_back(fmt::format("'{}' has shape {}, expected {}", tensor.name, shape_text(shape),
                                  shape_text(tensor.shape)));
    }
  }
  if (!wrong.empty()) {
    fail(net, fmt::format("{}\n    It is no {} for this model's family.", first_few(wrong),
                          name_of(net.kind)));
  }
  if (!missing.empty()) {
    fail(net, fmt::format("{} tensors are missing: {}\n    The file is incomplete, or no {}.",
                          missing.size(), first_few(missing), name_of(net.kind)));
  }
}

/// A convolution's shape, which must be there.
std::vector<int64_t> convolution(const TensorSource& tensors, const std::string& name) {
  constexpr int64_t kMost = int64_t{1} << 16;
  const auto shape = shape_of(tensors, name + ".weight");
  const bool sane = shape.size() == 4 && shape[2] == shape[3] && shape[2] % 2 == 1 &&
                    std::all_of(shape.begin(), shape.end(),
                                [](int64_t side) { return side >= 1 && side <= kMost; });
  if (sane) return shape;
  throw CheckpointError(
      shape.empty()
          ? fmt::format("{}: '{}.weight' is missing: the T2I-Adapter is incomplete",
                        tensors.label(), name)
          : fmt::format("{}: '{}.weight' has shape {}, expected a convolution's [out, in, k, k]",
                        tensors.label(), name, shape_text(shape)));
}

T2IAdapterConfig::Block block_of(const TensorSource& tensors, const std::string& name, int64_t in,
                                 bool halves) {
  T2IAdapterConfig::Block block;
  block.in = in;
  block.out = in;
  if (tensors.contains(name + "in_conv.weight")) {
    const auto shape = convolution(tensors, name + "in_conv");
    block.out = shape[0];
    block.in_kernel = shape[2];
  }
  block.out_kernel = convolution(tensors, name + "block2")[2];
  block.halves = halves;
  block.halves_by_conv = halves && tensors.contains(name + "down_opt.op.weight");
  if (tensors.contains(name + "skep.weight")) {
    throw CheckpointError(fmt::format(
        "{}: '{}skep.weight': T2I-Adapters with a convolution beside their blocks (sk=False) are "
        "not supported; the published ones have none",
        tensors.label(), name));
  }
  return block;
}

int64_t count_blocks(const TensorSource& tensors, const std::string& start,
                     const std::string& end) {
  int64_t count = 0;
  while (count < kMostBlocks && tensors.contains(fmt::format("{}{}{}", start, count, end))) ++count;
  return count;
}

}  // namespace

std::vector<ExpectedTensor> expected_control_net(const ModelConfig& model) {
  ModelConfig over_latents = model;
  over_latents.unet.in_channels = over_latents.unet.out_channels;
  std::vector<ExpectedTensor> expected;
  std::vector<int64_t> widths;  // of what each input block makes
  for (auto& tensor : expected_tensors(over_latents)) {
    std::string_view name = tensor.name;
    if (!name.starts_with(kUNetPrefix)) continue;
    name.remove_prefix(std::string_view(kUNetPrefix).size());
    const bool shared = name.starts_with("time_embed.") || name.starts_with("input_blocks.") ||
                        name.starts_with("middle_block.");
    if (!shared) continue;
    const bool makes = name == "input_blocks.0.0.weight" || name.ends_with(".0.op.weight") ||
                       name.ends_with(".0.out_layers.3.weight");
    if (makes && name.starts_with("input_blocks.")) widths.push_back(tensor.shape[0]);
    expected.push_back({std::string(name), tensor.shape});
  }
  const auto convolution = [&](std::string name, int64_t in, int64_t out, int64_t kernel) {
    expected.push_back({name + ".weight", {out, in, kernel, kernel}});
    expected.push_back({name + ".bias", {out}});
  };
  const std::vector<int64_t> tower = {3, 16, 16, 32, 32, 96, 96, 256, model.unet.model_channels};
  for (std::size_t i = 0; i + 1 < tower.size(); ++i)
    convolution(fmt::format("input_hint_block.{}", 2 * i), tower[i], tower[i + 1], 3);
  for (std::size_t i = 0; i < widths.size(); ++i)
    convolution(fmt::format("zero_convs.{}.0", i), widths[i], widths[i], 1);
  convolution("middle_block_out.0", widths.back(), widths.back(), 1);
  return expected;
}

std::string family_of(const ControlFile& net) { return sizes_text(sizes_of(net)); }

void require_fitting(const ControlFile& net, const ModelConfig& config, const std::string& model) {
  const auto& unet = config.unet;
  const auto sizes = sizes_of(net);
  const bool other = (sizes.channels != 0 && sizes.channels != unet.model_channels) ||
                     (sizes.context != 0 && sizes.context != unet.context_dim);
  if (other) {
    fail(net, fmt::format("a {} for {}, and {} is {}\n    Give a net that was made for the "
                          "model's family.",
                          name_of(net.kind), sizes_text(sizes), model,
                          sizes_text({unet.model_channels, unet.context_dim})));
  }
  if (net.kind != ControlKind::kT2IAdapter) return require_net(net, config);
  const auto widths = adapter_config(*net.tensors, unet.channel_mult.size()).widths();
  for (std::size_t i = 0; i < unet.channel_mult.size(); ++i) {
    const int64_t wanted = unet.channel_mult[i] * unet.model_channels;
    if (i < widths.size() && widths[i] == wanted) continue;
    fail(net, fmt::format("a T2I-Adapter whose level {} has {} channels, and {} has {} there", i,
                          i < widths.size() ? widths[i] : 0, model, wanted));
  }
}

int64_t control_parameters(const ControlFile& net, const ModelConfig& config) {
  int64_t count = 0;
  if (net.kind == ControlKind::kT2IAdapter) {
    for (const auto& name : net.tensors->names()) count += product(shape_of(*net.tensors, name), 0);
    return count;
  }
  for (const auto& tensor : expected_control_net(config)) count += product(tensor.shape, 0);
  return count;
}

T2IAdapterConfig adapter_config(const TensorSource& tensors, std::size_t levels) {
  T2IAdapterConfig config;
  const bool light = !tensors.contains("conv_in.weight");
  const auto first = convolution(tensors, light ? "body.0.in_conv" : "conv_in");
  config.unshuffled = first[1];
  if (config.unshuffled != kUnshuffled && config.unshuffled != 3 * kUnshuffled) {
    throw CheckpointError(
        fmt::format("{}: a T2I-Adapter that is shown {} channels, expected {} or {} (blocks of 8x8 "
                    "pixels; one of Stable Diffusion XL has more)",
                    tensors.label(), config.unshuffled, kUnshuffled, 3 * kUnshuffled));
  }
  if (light) {
    const int64_t found = count_blocks(tensors, "body.", ".in_conv.weight");
    for (int64_t i = 0; i < found; ++i) {
      const auto name = fmt::format("body.{}.", i);
      const auto in = convolution(tensors, name + "in_conv");
      const auto out = convolution(tensors, name + "out_conv");
      config.light.push_back(
          {in[1], in[0], out[0], count_blocks(tensors, name + "body.", ".block1.weight")});
    }
    return config;
  }
  config.first = first[0];
  const int64_t found = count_blocks(tensors, "body.", ".block1.weight");
  const auto count = static_cast<int64_t>(levels);
  if (found == 0 || found % count != 0) {
    throw CheckpointError(
        fmt::format("{}: a T2I-Adapter of {} blocks, expected as many for each of {} levels",
                    tensors.label(), found, levels));
  }
  int64_t channels = config.first;
  for (int64_t i = 0; i < found; ++i) {
    const bool begins = i % (found / count) == 0;
    if (begins) config.levels.emplace_back();
    config.levels.back().push_back(
        block_of(tensors, fmt::format("body.{}.", i), channels, begins && i > 0));
    channels = config.levels.back().back().out;
  }
  return config;
}

}  // namespace sd
