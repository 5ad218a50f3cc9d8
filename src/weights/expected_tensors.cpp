#include "weights/expected_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "sd/core/error.h"
#include "weights/leftovers.h"

namespace sd {
namespace {

/// Gathers the tensors of layers below a prefix.
class Layers {
 public:
  explicit Layers(std::string prefix, std::vector<ExpectedTensor>& out)
      : prefix_(std::move(prefix)), out_(out) {}

  Layers below(std::string_view name) const {
    return Layers(fmt::format("{}{}.", prefix_, name), out_);
  }
  void convolution(std::string_view name, int64_t in, int64_t out, int64_t kernel) const {
    add(name, "weight", {out, in, kernel, kernel});
    add(name, "bias", {out});
  }
  void linear(std::string_view name, int64_t in, int64_t out, bool with_bias = true) const {
    add(name, "weight", {out, in});
    if (with_bias) add(name, "bias", {out});
  }
  void norm(std::string_view name, int64_t width) const {
    add(name, "weight", {width});
    add(name, "bias", {width});
  }
  void embedding(std::string_view name, int64_t rows, int64_t width) const {
    add(name, "weight", {rows, width});
  }

 private:
  void add(std::string_view name, std::string_view parameter, std::vector<int64_t> shape) const {
    out_.push_back({fmt::format("{}{}.{}", prefix_, name, parameter), std::move(shape)});
  }

  std::string prefix_;
  std::vector<ExpectedTensor>& out_;
};

class UNetTensors {
 public:
  UNetTensors(const UNetConfig& unet, const Layers& layers) : unet_(unet), layers_(layers) {}

  void add() {
    const int64_t width = unet_.model_channels;
    layers_.linear("time_embed.0", width, 4 * width);
    layers_.linear("time_embed.2", 4 * width, 4 * width);
    if (unet_.time_cond_width > 0) {
      layers_.linear("time_embed.cond_proj", unet_.time_cond_width, width, /*with_bias=*/false);
    }
    add_input_blocks();
    add_middle(skips_.back());
    add_output_blocks();
    const int64_t top = width * unet_.channel_mult.front();
    layers_.norm("out.0", top);
    layers_.convolution("out.2", top, unet_.out_channels, 3);
  }

 private:
  bool attends(std::size_t level) const {
    const auto& at = unet_.attention_resolutions;
    return std::find(at.begin(), at.end(), int64_t{1} << level) != at.end();
  }

  void residual(const Layers& block, int64_t in, int64_t out) const {
    block.norm("in_layers.0", in);
    block.convolution("in_layers.2", in, out, 3);
    block.linear("emb_layers.1", 4 * unet_.model_channels, out);
    block.norm("out_layers.0", out);
    block.convolution("out_layers.3", out, out, 3);
    if (in != out) block.convolution("skip_connection", in, out, 1);
  }

  void transformer(const Layers& block, int64_t channels) const {
    block.norm("norm", channels);
    for (const char* projection : {"proj_in", "proj_out"}) {
      if (unet_.use_linear_in_transformer) {
        block.linear(projection, channels, channels);
      } else {
        block.convolution(projection, channels, channels, 1);
      }
    }
    for (int64_t depth = 0; depth < unet_.transformer_depth; ++depth) {
      const Layers layer = block.below(fmt::format("transformer_blocks.{}", depth));
      for (const char* attention : {"attn1", "attn2"}) {
        const bool crosses = attention[4] == '2';
        const int64_t context = crosses ? unet_.context_dim : channels;
        const Layers inner = layer.below(attention);
        inner.linear("to_q", channels, channels, false);
        inner.linear("to_k", context, channels, false);
        inner.linear("to_v", context, channels, false);
        inner.linear("to_out.0", channels, channels);
      }
      layer.linear("ff.net.0.proj", channels, 8 * channels);  // GEGLU: value and gate
      layer.linear("ff.net.2", 4 * channels, channels);
      for (const char* name : {"norm1", "norm2", "norm3"}) layer.norm(name, channels);
    }
  }

  void add_input_blocks() {
    int64_t number = 0;
    const auto next = [&] { return layers_.below(fmt::format("input_blocks.{}", number++)); };
    int64_t channels = unet_.model_channels;
    next().convolution("0", unet_.in_channels, channels, 3);
    skips_ = {channels};
    for (std::size_t level = 0; level < unet_.channel_mult.size(); ++level) {
      const int64_t out = unet_.channel_mult[level] * unet_.model_channels;
      for (int64_t i = 0; i < unet_.num_res_blocks; ++i) {
        const Layers block = next();
        residual(block.below("0"), channels, out);
        channels = out;
        if (attends(level)) transformer(block.below("1"), channels);
        skips_.push_back(channels);
      }
      if (level + 1 == unet_.channel_mult.size()) break;
      next().convolution("0.op", channels, channels, 3);
      skips_.push_back(channels);
    }
  }

  void add_middle(int64_t channels) const {
    if (unet_.middle == UNetMiddle::kNone) return;
    residual(layers_.below("middle_block.0"), channels, channels);
    if (unet_.middle == UNetMiddle::kResidual) return;
    transformer(layers_.below("middle_block.1"), channels);
    residual(layers_.below("middle_block.2"), channels, channels);
  }

  void add_output_blocks() {
    int64_t number = 0, channels = skips_.back();
    for (std::size_t level = unet_.channel_mult.size(); level-- > 0;) {
      const int64_t out = unet_.channel_mult[level] * unet_.model_channels;
      for (int64_t i = 0; i <= unet_.num_res_blocks; ++i) {
        const Layers block = layers_.below(fmt::format("output_blocks.{}", number++));
        residual(block.below("0"), channels + skips_.back(), out);
        skips_.pop_back();
        channels = out;
        if (attends(level)) transformer(block.below("1"), channels);
        if (level > 0 && i == unet_.num_res_blocks)
          block.convolution(attends(level) ? "2.conv" : "1.conv", channels, channels, 3);
      }
    }
  }

  const UNetConfig& unet_;
  const Layers& layers_;
  std::vector<int64_t> skips_;  // channels of the maps that the way up takes, last in, first out
};

void add_vae_residual(const Layers& block, int64_t in, int64_t out) {
  block.norm("norm1", in);
  block.convolution("conv1", in, out, 3);
  block.norm("norm2", out);
  block.convolution("conv2", out, out, 3);
  if (in != out) block.convolution("nin_shortcut", in, out, 1);
}

void add_vae_half(const Layers& half, const VaeConfig& vae, bool encoder) {
  const auto levels = static_cast<int64_t>(vae.channel_mult.size());
  const int64_t deepest = vae.channels * vae.channel_mult.back();
  int64_t channels = encoder ? vae.channels : deepest;
  half.convolution("conv_in", encoder ? vae.in_channels : vae.z_channels, channels, 3);
  for (int64_t step = 0; step < levels; ++step) {
    const int64_t level = encoder ? step : levels - 1 - step;
    const Layers place = half.below(fmt::format("{}.{}", encoder ? "down" : "up", level));
    const int64_t out = vae.channels * vae.channel_mult[static_cast<std::size_t>(level)];
    for (int64_t i = 0; i < vae.num_res_blocks + (encoder ? 0 : 1); ++i) {
      add_vae_residual(place.below(fmt::format("block.{}", i)), channels, out);
      channels = out;
    }
    if (encoder && level + 1 < levels) place.convolution("downsample.conv", channels, channels, 3);
    if (!encoder && level > 0) place.convolution("upsample.conv", channels, channels, 3);
  }
  const Layers middle = half.below("mid");
  add_vae_residual(middle.below("block_1"), deepest, deepest);
  add_vae_residual(middle.below("block_2"), deepest, deepest);
  middle.norm("attn_1.norm", deepest);
  for (const char* name : {"attn_1.q", "attn_1.k", "attn_1.v", "attn_1.proj_out"})
    middle.convolution(name, deepest, deepest, 1);
  half.norm("norm_out", channels);
  half.convolution("conv_out", channels, encoder ? 2 * vae.z_channels : vae.out_channels, 3);
}

void add_clip_text(const Layers& model, const TextConfig& text) {
  model.embedding("embeddings.token_embedding", text.vocabulary, text.width);
  model.embedding("embeddings.position_embedding", text.positions, text.width);
  for (int64_t i = 0; i < text.layers; ++i) {
    const Layers layer = model.below(fmt::format("encoder.layers.{}", i));
    for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"})
      layer.below("self_attn").linear(name, text.width, text.width);
    layer.norm("layer_norm1", text.width);
    layer.norm("layer_norm2", text.width);
    layer.linear("mlp.fc1", text.width, text.feed_forward);
    layer.linear("mlp.fc2", text.feed_forward, text.width);
  }
  model.norm("final_layer_norm", text.width);
}

/// Attention and feed-forward are counted as layers of their own.
void add_bert_text(const Layers& model, const TextConfig& text) {
  const int64_t inner = text.heads * text.head_width;
  model.embedding("token_emb", text.vocabulary, text.width);
  model.embedding("pos_emb.emb", text.positions, text.width);
  for (int64_t i = 0; i < text.layers; ++i) {
    const Layers attention = model.below(fmt::format("attn_layers.layers.{}", 2 * i));
    attention.norm("0", text.width);
    for (const char* name : {"1.to_q", "1.to_k", "1.to_v"})
      attention.linear(name, text.width, inner, /*with_bias=*/false);
    attention.linear("1.to_out", inner, text.width);
    const Layers feed_forward = model.below(fmt::format("attn_layers.layers.{}", 2 * i + 1));
    feed_forward.norm("0", text.width);
    feed_forward.linear("1.net.0.0", text.width, text.feed_forward);
    feed_forward.linear("1.net.2", text.feed_forward, text.width);
  }
  model.norm("norm", text.width);
}

}  // namespace

std::vector<ExpectedTensor> expected_vae(const VaeConfig& vae) {
  std::vector<ExpectedTensor> all;
  const Layers layers("first_stage_model.", all);
  add_vae_half(layers.below("encoder"), vae, /*encoder=*/true);
  add_vae_half(layers.below("decoder"), vae, /*encoder=*/false);
  layers.convolution("quant_conv", 2 * vae.z_channels, 2 * vae.embed_dim, 1);
  layers.convolution("post_quant_conv", vae.embed_dim, vae.z_channels, 1);
  return all;
}

std::vector<ExpectedTensor> expected_text(const TextConfig& text) {
  std::vector<ExpectedTensor> all;
  switch (text.encoder) {
    case TextEncoderKind::kClip:
      add_clip_text(Layers("cond_stage_model.transformer.text_model.", all), text);
      break;
    case TextEncoderKind::kBert:
      add_bert_text(Layers("cond_stage_model.transformer.", all), text);
      break;
  }
  return all;
}

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> all;
  const Layers unet("model.diffusion_model.", all);
  UNetTensors(config.unet, unet).add();
  for (auto part : {expected_vae(config.vae), expected_text(config.text)})
    std::move(part.begin(), part.end(), std::back_inserter(all));
  return all;
}

Completeness compare_with_expected(const TensorSource& tensors,
                                   const std::vector<ExpectedTensor>& wanted) {
  Completeness found;
  std::unordered_set<std::string> expected;
  for (const auto& [name, shape] : wanted) {
    if (!tensors.contains(name)) {
      found.missing.push_back(name);
    } else if (const auto there = tensors.describe(name).shape; there != shape) {
      found.mismatched.push_back(fmt::format("'{}' has shape {}, expected {}", name,
                                             shape_text(there), shape_text(shape)));
    }
    expected.insert(name);
  }
  for (const auto& name : tensors.names()) {
    if (!expected.contains(name) && !may_be_ignored(name)) found.unexpected.push_back(name);
  }
  return found;
}

std::string first_few(const std::vector<std::string>& names) {
  constexpr std::size_t kNamesInMessage = 5;
  const auto shown = static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesInMessage));
  auto text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (names.size() > kNamesInMessage)
    text += fmt::format(" and {} more", names.size() - kNamesInMessage);
  return text;
}

void require_complete(const TensorSource& tensors, const std::vector<ExpectedTensor>& expected) {
  const auto found = compare_with_expected(tensors, expected);
  if (!found.mismatched.empty()) {
    throw CheckpointError(fmt::format("{}: {}\nThe file is damaged or of another model family.",
                                      tensors.label(), first_few(found.mismatched)));
  }
  if (!found.missing.empty()) {
    throw CheckpointError(fmt::format(
        "{}: {} of {} tensors are missing: {}\nThe file is incomplete or of another model family.",
        tensors.label(), found.missing.size(), expected.size(), first_few(found.missing)));
  }
}

}  // namespace sd
