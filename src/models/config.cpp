#include "sd/models/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "core/posix_file.h"
#include "core/text_encoding.h"
#include "models/yaml_section.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::string_view kClipEmbedder = "ldm.modules.encoders.modules.FrozenCLIPEmbedder";
constexpr std::string_view kOpenClipEmbedder =
    "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder";
constexpr std::string_view kBertEmbedder = "ldm.modules.encoders.modules.BERTEmbedder";
constexpr std::size_t kMaxYamlBytes = std::size_t{1} << 20;  // the published ones have 2 kB

/// The class that a section's `target` names must be one of `expected`, which is returned; `hints`
/// says what some others are.
std::string require_target(
    YamlSection& section, std::initializer_list<std::string_view> expected,
    std::initializer_list<std::pair<std::string_view, std::string_view>> hints = {}) {
  constexpr std::string_view kSubmodule = "stable_diffusion.";  // where InstructPix2Pix keeps ldm
  auto target = section.text("target");
  if (!target) {
    section.fail("target", fmt::format("is missing, expected {}", fmt::join(expected, " or ")));
  }
  if (target->starts_with(kSubmodule)) target->erase(0, kSubmodule.size());
  for (const auto name : expected) {
    if (*target == name) return *target;
  }
  for (const auto& [other, hint] : hints) {
    if (target->ends_with(other)) section.fail("target", fmt::format("is {}: {}", *target, hint));
  }
  section.fail("target", fmt::format("is {}, expected {} (others are not supported)", *target,
                                     fmt::join(expected, " or ")));
}

UNetMiddle read_middle(YamlSection& params, UNetMiddle base) {
  const auto text = params.text("middle_block");
  if (!text) return base;
  for (const auto middle : {UNetMiddle::kFull, UNetMiddle::kResidual, UNetMiddle::kNone}) {
    if (*text == name_of(middle)) return middle;
  }
  params.fail("middle_block", fmt::format("is {}, expected full, residual or none", *text));
}

void read_unet(YamlSection section, UNetConfig& unet) {
  require_target(section, {"ldm.modules.diffusionmodules.openaimodel.UNetModel"});
  auto params = section.section("params");
  unet.in_channels = params.integer("in_channels", unet.in_channels);
  unet.out_channels = params.integer("out_channels", unet.out_channels);
  unet.model_channels = params.integer("model_channels", unet.model_channels);
  unet.attention_resolutions = params.integers("attention_resolutions", unet.attention_resolutions);
  unet.num_res_blocks = params.integer("num_res_blocks", unet.num_res_blocks);
  unet.channel_mult = params.integers("channel_mult", unet.channel_mult);
  if (unet.channel_mult.empty()) params.fail("channel_mult", "is empty, expected a number a level");
  // -1: the other one counts. A number of heads alone takes the place of a base's fixed width.
  const int64_t heads = params.integer("num_heads", 0, -1);
  unet.num_head_channels =
      params.integer("num_head_channels", heads > 0 ? -1 : unet.num_head_channels, -1);
  if (heads != 0) unet.num_heads = heads;
  if (unet.num_heads < 1 && unet.num_head_channels < 1) {
    params.fail("num_heads", "expected num_heads or num_head_channels above 0");
  }
  unet.transformer_depth = params.integer("transformer_depth", unet.transformer_depth);
  unet.context_dim = params.integer("context_dim", unet.context_dim);
  unet.norm_groups = params.integer("norm_groups", unet.norm_groups);
  unet.use_linear_in_transformer =
      params.truth("use_linear_in_transformer", unet.use_linear_in_transformer);
  unet.middle = read_middle(params, unet.middle);
  unet.time_cond_width = params.integer("time_cond_dim", unet.time_cond_width, 0);
  params.require("use_spatial_transformer", "true");
  params.require("use_scale_shift_norm", "false");
  params.require("resblock_updown", "false");
  params.require("conv_resample", "true");
  params.require("dims", "2");
  params.require("num_classes", "none");
  params.require("n_embed", "none");
  // Memory and training only; `image_size` of this section is not used by the original either.
  params.ignore({"image_size", "use_checkpoint", "legacy", "dropout", "use_fp16",
                 "num_heads_upsample", "use_new_attention_order"});
  params.finish();
  section.finish();
}

void read_vae(YamlSection section, VaeConfig& vae) {
  require_target(section, {"ldm.models.autoencoder.AutoencoderKL"},
                 {{"VQModelInterface", "a VQ autoencoder, which is not supported"}});
  auto params = section.section("params");
  vae.embed_dim = params.integer("embed_dim", vae.embed_dim);
  params.ignore(
      {"monitor", "lossconfig", "ckpt_path", "ignore_keys", "image_key", "colorize_nlabels"});
  auto dd = params.section("ddconfig");
  vae.z_channels = dd.integer("z_channels", vae.z_channels);
  vae.in_channels = dd.integer("in_channels", vae.in_channels);
  vae.out_channels = dd.integer("out_ch", vae.out_channels);
  vae.channels = dd.integer("ch", vae.channels);
  vae.channel_mult = dd.integers("ch_mult", vae.channel_mult);
  if (vae.channel_mult.empty()) dd.fail("ch_mult", "is empty, expected a number a level");
  vae.num_res_blocks = dd.integer("num_res_blocks", vae.num_res_blocks);
  vae.norm_groups = dd.integer("norm_groups", vae.norm_groups);
  if (!dd.integers("attn_resolutions", {}).empty())
    dd.fail("attn_resolutions", "expected [] (others are not supported)");
  dd.require("double_z", "true");
  dd.require("use_linear_attn", "false");
  dd.require("resamp_with_conv", "true");
  dd.ignore({"resolution", "dropout", "attn_type"});
  dd.finish();
  params.finish();
  section.finish();
}

/// BERTEmbedder's own defaults are those of the vocabulary and of heads, which weights tell.
void read_bert_text(YamlSection section, TextConfig& text) {
  require_target(section, {kBertEmbedder});
  text.encoder = TextEncoderKind::kBert;
  text.tokenizer = TokenizerKind::kWordPiece;
  text.padding = 0;
  auto params = section.section("params");
  text.width = params.integer("n_embed", text.width);
  text.layers = params.integer("n_layer", text.layers);
  text.vocabulary = params.integer("vocab_size", text.vocabulary);
  text.positions = params.integer("max_seq_len", text.positions);
  params.require("use_tokenizer", "true");
  params.ignore({"device", "embedding_dropout"});
  params.finish();
  section.finish();
}

void read_clip_text(YamlSection section, TextConfig& text) {
  const bool openclip =
      require_target(section, {kClipEmbedder, kOpenClipEmbedder}) == kOpenClipEmbedder;
  text.encoder = TextEncoderKind::kClip;
  // A base of the same kind stands for weights or a folder that say its sizes.
  if (openclip && text.activation != TextActivation::kGelu) text = openclip_text();
  if (!openclip && text.activation == TextActivation::kGelu) text = TextConfig{};
  auto params = section.optional_section("params");
  if (openclip) {
    const auto layer = params ? params->text("layer") : std::nullopt;
    if (layer != "penultimate") {
      (params ? *params : section)
          .fail("layer", fmt::format("is {}, expected penultimate (others are not supported)",
                                     layer.value_or("missing, which means last")));
    }
  }
  if (params) {
    const int64_t width = params->integer("width", text.width);
    // The ratio of every CLIP; a base that has another one stands for weights or a folder that say
    // so.
    if (width != text.width) text.feed_forward = 4 * width;
    text.width = width;
    text.layers = params->integer("layers", text.layers);
    text.heads = params->integer("heads", text.heads);
    text.positions = params->integer("max_length", text.positions);
    params->ignore({"version", "device", "freeze", "arch"});
    params->finish();
  }
  section.finish();
}

void read_text(const YamlSection& section, TextConfig& text) {
  YamlSection glance = section;  // each reader asks for the target itself
  if (glance.text("target") == kBertEmbedder) {
    read_bert_text(section, text);
  } else {
    read_clip_text(section, text);
  }
}

/// `parameterization`; a YAML without it means noise, unless the weights' own metadata say
/// otherwise.
void read_prediction(YamlSection& params, ModelConfig& config) {
  const auto text = params.text("parameterization");
  if (text == "v") {
    config.prediction = Prediction::kVelocity;
  } else if (text == "eps" || (!text && !config.prediction)) {
    config.prediction = Prediction::kNoise;
  } else if (text) {
    params.fail("parameterization",
                fmt::format("is {}, expected eps or v (others are not supported)", *text));
  }
}

void read_model(YamlSection model, ModelConfig& config) {
  require_target(model,
                 {"ldm.models.diffusion.ddpm.LatentDiffusion",
                  "ldm.models.diffusion.ddpm.LatentInpaintDiffusion",
                  "ldm.models.diffusion.ddpm_edit.LatentDiffusion"},
                 {{"LatentUpscaleDiffusion", "an upscaler, which is not supported"},
                  {"LatentDepth2ImageDiffusion", "a depth-guided model, which is not supported"}});
  auto params = model.section("params");
  config.linear_start = params.number("linear_start", config.linear_start);
  config.linear_end = params.number("linear_end", config.linear_end);
  if (config.linear_start > config.linear_end || config.linear_end >= 1) {
    params.fail("linear_end", "expected linear_start <= linear_end < 1");
  }
  config.timesteps = params.integer("timesteps", config.timesteps);
  config.scale_factor = params.number("scale_factor", config.scale_factor);
  config.image_size = params.integer("image_size", config.image_size);
  config.use_ema = params.truth("use_ema", config.use_ema);
  config.zero_terminal_snr = params.truth("rescale_betas_zero_snr", config.zero_terminal_snr);
  read_prediction(params, config);
  params.require("beta_schedule", "linear");
  params.require("num_timesteps_cond", "1");
  // Training, logging and names of a data set's columns.
  params.ignore({"log_every_t",
                 "first_stage_key",
                 "cond_stage_key",
                 "cond_stage_trainable",
                 "monitor",
                 "scheduler_config",
                 "channels",
                 "scale_by_std",
                 "ckpt_path",
                 "ignore_keys",
                 "finetune_keys",
                 "load_ema",
                 "load_only_unet",
                 "unet_trainable",
                 "concat_mode",
                 "clip_denoised",
                 "l_simple_weight",
                 "loss_type",
                 "original_elbo_weight",
                 "learn_logvar",
                 "logvar_init",
                 "v_posterior"});
  read_unet(params.section("unet_config"), config.unet);
  // "hybrid": a picture is joined to the latents, text goes through cross-attention.
  params.require("conditioning_key", config.extra() == UNetExtra::kNone ? "crossattn" : "hybrid",
                 fmt::format("for a UNet that takes {} and gives {} channels",
                             config.unet.in_channels, config.unet.out_channels));
  read_vae(params.section("first_stage_config"), config.vae);
  read_text(params.section("cond_stage_config"), config.text);
  params.finish();
  model.ignore({"base_learning_rate"});
  model.finish();
}

}  // namespace

ModelConfig parse_config(std::string_view yaml, const std::string& label, const ModelConfig& base) {
  if (yaml.size() > kMaxYamlBytes) {
    throw UsageError(fmt::format("{}: {} bytes of YAML; at most {} are read", label, yaml.size(),
                                 kMaxYamlBytes));
  }
  ModelConfig config = base;
  try {
    YamlSection top(YAML::Load(with_line_feeds(to_utf8(yaml))), label, "");
    read_model(top.section("model"), config);
    top.ignore({"data", "lightning"});
    top.finish();
  } catch (const YAML::Exception& error) {
    throw UsageError(
        fmt::format("{}:{}: no valid YAML: {}", label, error.mark.line + 1, error.msg));
  }
  return config;
}

ModelConfig read_config(const std::filesystem::path& path, const ModelConfig& base) {
  constexpr std::size_t kMostBytes = 16 << 20;  // far above what anybody writes
  const auto yaml = read_start(path, kMostBytes + 1);
  if (yaml.size() > kMostBytes) {
    throw UsageError(fmt::format("{}: is larger than a configuration may be, {} bytes",
                                 path.string(), kMostBytes));
  }
  return parse_config(yaml, path.string(), base);
}

}  // namespace sd
