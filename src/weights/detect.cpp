#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "weights/detect_parts.h"
#include "weights/family.h"

namespace sd {
namespace {

constexpr int64_t kMaxBlocks = 256;             // of one part; SD v1 has 12
constexpr int64_t kMaxSize = int64_t{1} << 20;  // of one dimension

/// Asks a source for shapes; what does not fit is an error that names the tensor.
class Shapes {
 public:
  explicit Shapes(const TensorSource& tensors, std::string prefix)
      : tensors_(tensors), prefix_(std::move(prefix)) {}

  const std::string& prefix() const { return prefix_; }
  bool has(const std::string& name) const { return tensors_.contains(prefix_ + name); }
  bool any_starts_with(const std::string& start) const {
    return std::ranges::any_of(tensors_.names(), [&](const std::string& name) {
      return name.starts_with(prefix_) &&
             std::string_view(name).substr(prefix_.size()).starts_with(start);
    });
  }

  /// The shape of a tensor that must be there, with `rank` dimensions.
  std::vector<int64_t> at(const std::string& name, std::size_t rank) const {
    const std::string full = prefix_ + name;
    if (!tensors_.contains(full)) fail(fmt::format("'{}' is missing", full));
    auto shape = tensors_.describe(full).shape;
    const bool sane =
        std::all_of(shape.begin(), shape.end(), [](int64_t n) { return n >= 1 && n <= kMaxSize; });
    if (shape.size() != rank || !sane) {
      fail(fmt::format("'{}' has shape {}, expected {} dimensions of 1 to {}", full,
                       shape_text(shape), rank, kMaxSize));
    }
    return shape;
  }

  std::size_t rank(const std::string& name) const {
    return tensors_.describe(prefix_ + name).shape.size();
  }

  /// How many of `pattern` with 0, 1, 2, … in its place are there.
  int64_t count(std::string_view pattern) const {
    int64_t n = 0;
    while (n < kMaxBlocks && has(fmt::format(fmt::runtime(pattern), n))) ++n;
    return n;
  }

  /// width / base, where it divides.
  int64_t multiple(int64_t width, int64_t base, const std::string& where) const {
    if (width % base != 0) {
      fail(fmt::format("'{}{}' has {} channels, expected a multiple of {}", prefix_, where, width,
                       base));
    }
    return width / base;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw CheckpointError(fmt::format("{}: {}", tensors_.label(), message));
  }

 private:
  const TensorSource& tensors_;
  std::string prefix_;
};

/// What one level of the UNet's way down shows.
struct Level {
  int64_t channels = 0;
  int64_t blocks = 0;
  int64_t attentions = 0;
};

/// Reads input_blocks.1, 2, …: residual blocks, each with or without attention, and a downsampler
/// between levels.
std::vector<Level> read_levels(const Shapes& shapes) {
  std::vector<Level> levels(1);
  for (int64_t i = 1; i < kMaxBlocks; ++i) {
    const auto block = fmt::format("input_blocks.{}.0.", i);
    if (shapes.has(block + "op.weight")) {
      levels.emplace_back();
    } else if (shapes.has(block + "in_layers.2.weight")) {
      Level& level = levels.back();
      const int64_t channels = shapes.at(block + "in_layers.2.weight", 4)[0];
      if (level.blocks > 0 && channels != level.channels) {
        shapes.fail(fmt::format("UNet block {} has {} channels, the one before it {}", i, channels,
                                level.channels));
      }
      level.channels = channels;
      ++level.blocks;
      if (shapes.has(fmt::format("input_blocks.{}.1.norm.weight", i))) ++level.attentions;
    } else {
      break;
    }
  }
  return levels;
}

/// What is left of the middle: distilled UNets were cut there.
UNetMiddle read_middle(const Shapes& shapes) {
  if (!shapes.any_starts_with("middle_block.")) return UNetMiddle::kNone;
  if (shapes.any_starts_with("middle_block.1.")) return UNetMiddle::kFull;
  if (!shapes.any_starts_with("middle_block.2.")) return UNetMiddle::kResidual;
  shapes.fail(fmt::format(
      "its UNet has no middle block's transformer ('{}middle_block.1.…'), but what stands behind "
      "it, which no published UNet has\n    Give the model that it was made from.",
      shapes.prefix()));
}

/// A spatial transformer: that of the middle, or the first on the way down.
std::string some_transformer(const Shapes& shapes, UNetMiddle middle) {
  if (middle == UNetMiddle::kFull) return "middle_block.1.";
  for (int64_t i = 1; i < kMaxBlocks; ++i) {
    const auto block = fmt::format("input_blocks.{}.1.", i);
    if (shapes.has(block + "norm.weight")) return block;
  }
  shapes.fail(
      fmt::format("its UNet has no attention ('{}middle_block.1.…' or "
                  "'{}input_blocks.….1.…'), which is not supported",
                  shapes.prefix(), shapes.prefix()));
}

/// Transformer depth, context width and kind of projection.
void read_attention(const Shapes& shapes, UNetConfig& unet) {
  unet.middle = read_middle(shapes);
  const auto transformer = some_transformer(shapes, unet.middle);
  unet.transformer_depth = shapes.count(transformer + "transformer_blocks.{}.norm1.weight");
  unet.context_dim = shapes.at(transformer + "transformer_blocks.0.attn2.to_k.weight", 2)[1];
  unet.use_linear_in_transformer = shapes.rank(transformer + "proj_in.weight") == 2;
}

void detect_unet(const TensorSource& tensors, UNetConfig& unet) {
  const Shapes shapes(tensors, "model.diffusion_model.");
  const auto first = shapes.at("input_blocks.0.0.weight", 4);
  unet.model_channels = first[0];
  unet.in_channels = first[1];
  unet.out_channels = shapes.at("out.2.weight", 4)[0];
  read_attention(shapes, unet);
  const std::string condition = "time_embed.cond_proj.weight";
  unet.time_cond_width = shapes.has(condition) ? shapes.at(condition, 2)[1] : 0;

  const auto levels = read_levels(shapes);
  unet.channel_mult.clear();
  unet.attention_resolutions.clear();
  unet.num_res_blocks = levels.front().blocks;
  int64_t resolution = 1;
  for (std::size_t i = 0; i < levels.size(); ++i, resolution *= 2) {
    const Level& level = levels[i];
    if (level.blocks == 0 || level.blocks != unet.num_res_blocks) {
      shapes.fail(fmt::format("UNet level {} has {} residual blocks, the first level {}", i,
                              level.blocks, unet.num_res_blocks));
    }
    if (level.attentions != 0 && level.attentions != level.blocks) {
      shapes.fail(
          fmt::format("UNet level {} has attention in {} of its {} blocks, expected all or none", i,
                      level.attentions, level.blocks));
    }
    unet.channel_mult.push_back(
        shapes.multiple(level.channels, unet.model_channels, fmt::format("level {}", i)));
    // The published configs name the deepest level first.
    if (level.attentions != 0)
      unet.attention_resolutions.insert(unet.attention_resolutions.begin(), resolution);
    if (levels.size() > 16) shapes.fail(fmt::format("a UNet of {} levels", levels.size()));
  }
}

void detect_vae(const TensorSource& tensors, VaeConfig& vae) {
  const Shapes shapes(tensors, "first_stage_model.");
  const auto first = shapes.at("encoder.conv_in.weight", 4);
  vae.channels = first[0];
  vae.in_channels = first[1];
  vae.out_channels = shapes.at("decoder.conv_out.weight", 4)[0];
  const auto post = shapes.at("post_quant_conv.weight", 4);
  vae.z_channels = post[0];
  vae.embed_dim = post[1];
  vae.num_res_blocks = shapes.count("encoder.down.0.block.{}.conv1.weight");
  const int64_t levels = shapes.count("encoder.down.{}.block.0.conv1.weight");
  if (levels > 16) shapes.fail(fmt::format("a VAE of {} levels", levels));
  vae.channel_mult.clear();
  for (int64_t i = 0; i < levels; ++i) {
    if (shapes.has(fmt::format("encoder.down.{}.attn.0.norm.weight", i))) {
      shapes.fail(fmt::format("its VAE has attention at level {}, which is not supported", i));
    }
    const auto block = fmt::format("encoder.down.{}.block.0.conv1.weight", i);
    vae.channel_mult.push_back(shapes.multiple(shapes.at(block, 4)[0], vae.channels, block));
  }
  if (levels == 0)
    shapes.fail("'first_stage_model.encoder.down.0.block.0.conv1.weight' is missing");
}

constexpr std::string_view kBertTokens = "cond_stage_model.transformer.token_emb.weight";

void detect_bert_text(const TensorSource& tensors, TextConfig& text) {
  const Shapes shapes(tensors, "cond_stage_model.transformer.");
  text.encoder = TextEncoderKind::kBert;
  text.tokenizer = TokenizerKind::kWordPiece;
  text.padding = 0;
  const auto tokens = shapes.at("token_emb.weight", 2);
  text.vocabulary = tokens[0];
  text.width = tokens[1];
  text.positions = shapes.at("pos_emb.emb.weight", 2)[0];
  // Attention and feed-forward are counted as layers of their own.
  text.layers = shapes.count("attn_layers.layers.{}.0.weight") / 2;
  const std::string queries = "attn_layers.layers.0.1.to_q.weight";
  text.heads = shapes.multiple(shapes.at(queries, 2)[0], text.head_width, queries);
  text.feed_forward = shapes.at("attn_layers.layers.1.1.net.0.0.weight", 2)[0];
}

void detect_clip_text(const TensorSource& tensors, TextConfig& text) {
  const Shapes shapes(tensors, "cond_stage_model.transformer.text_model.");
  text.encoder = TextEncoderKind::kClip;
  const auto tokens = shapes.at("embeddings.token_embedding.weight", 2);
  text.vocabulary = tokens[0];
  text.width = tokens[1];
  text.positions = shapes.at("embeddings.position_embedding.weight", 2)[0];
  text.layers = shapes.count("encoder.layers.{}.layer_norm1.weight");
  text.feed_forward = shapes.at("encoder.layers.0.mlp.fc1.weight", 2)[0];
}

void detect_text(const TensorSource& tensors, TextConfig& text) {
  if (tensors.contains(std::string(kBertTokens))) {
    detect_bert_text(tensors, text);
  } else {
    detect_clip_text(tensors, text);
  }
}

/// Names a UNet whose input is none of the kinds that are drawn from.
void check_channels(const TensorSource& tensors, const ModelConfig& config) {
  const int64_t latents = config.vae.embed_dim, in = config.unet.in_channels;
  const auto fail = [&](const std::string& message) {
    throw CheckpointError(fmt::format("{}: {}", tensors.label(), message));
  };
  if (in == latents + 1) {
    fail(fmt::format(
        "'model.diffusion_model.input_blocks.0.0.weight' takes {} channels, expected {}\n    "
        "This is a depth-guided checkpoint, which is not supported. Give another --ckpt.",
        in, latents));
  }
  // Latents alone, with a picture's behind them, or with a mask and a picture's.
  const bool known = in == latents || in == 2 * latents || in == 2 * latents + 1;
  if (known && config.unet.out_channels == latents) return;
  fail(fmt::format("its UNet takes {} and gives {} channels, its VAE's latents have {}", in,
                   config.unet.out_channels, latents));
}

}  // namespace

ModelConfig family_config(const TensorSource& tensors, const Metadata& metadata) {
  ModelConfig config;
  constexpr int64_t kLaionSide = 32;  // 256 pixels
  if (tensors.contains(std::string(kBertTokens))) config.image_size = kLaionSide;
  if (is_second_generation(tensors)) {
    config.text = openclip_text();
    config.unet.context_dim = config.text.width;
    config.unet.num_head_channels = 64;
    config.unet.use_linear_in_transformer = true;
  }
  config.zero_terminal_snr = tensors.contains("ztsnr");
  // Of noise that is all there is, ε says nothing: such models predict velocities.
  if (tensors.contains("v_pred") || config.zero_terminal_snr) {
    config.prediction = Prediction::kVelocity;
  }
  for (const auto& [key, value] : metadata) {
    if (key != "modelspec.prediction_type") continue;  // Stability's model metadata standard
    if (value == "v") config.prediction = Prediction::kVelocity;
    if (value == "epsilon") config.prediction = Prediction::kNoise;
  }
  return config;
}

ModelConfig detect_config(const TensorSource& tensors, const ModelConfig& base) {
  require_drawable(tensors);
  ModelConfig config = base;
  detect_unet(tensors, config.unet);
  detect_vae(tensors, config.vae);
  detect_text(tensors, config.text);
  const auto disagree = [&](std::string_view message) {
    throw CheckpointError(fmt::format("{}: {}", tensors.label(), message));
  };
  if (config.unet.context_dim != config.text.width) {
    disagree(fmt::format("its UNet expects a context of width {}, its text encoder gives {}",
                         config.unet.context_dim, config.text.width));
  }
  check_channels(tensors, config);
  return config;
}

VaeConfig detect_vae_config(const TensorSource& tensors, VaeConfig base) {
  detect_vae(tensors, base);
  return base;
}

TextConfig detect_text_config(const TensorSource& tensors, TextConfig base) {
  detect_text(tensors, base);
  return base;
}

}  // namespace sd
