#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "sd/models/config.h"

namespace sd {
namespace {

std::string list(const std::vector<int64_t>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

/// What only distilled UNets have.
std::string unusual_yaml(const UNetConfig& unet) {
  std::string lines;
  if (unet.middle != UNetMiddle::kFull) {
    lines += fmt::format("        middle_block: {}\n", name_of(unet.middle));
  }
  if (unet.time_cond_width > 0) {
    lines += fmt::format("        time_cond_dim: {}\n", unet.time_cond_width);
  }
  return lines;
}

std::string unet_yaml(const UNetConfig& unet) {
  return fmt::format(
      R"(    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        in_channels: {}
        out_channels: {}
        model_channels: {}
        attention_resolutions: {}
        num_res_blocks: {}
        channel_mult: {}
        num_heads: {}
        num_head_channels: {}
        use_spatial_transformer: True
        use_linear_in_transformer: {}
        transformer_depth: {}
        context_dim: {}
        norm_groups: {}
{}        legacy: False
)",
      unet.in_channels, unet.out_channels, unet.model_channels, list(unet.attention_resolutions),
      unet.num_res_blocks, list(unet.channel_mult), unet.num_heads, unet.num_head_channels,
      unet.use_linear_in_transformer ? "True" : "False", unet.transformer_depth, unet.context_dim,
      unet.norm_groups, unusual_yaml(unet));
}

std::string vae_yaml(const ModelConfig& config) {
  const VaeConfig& vae = config.vae;
  return fmt::format(
      R"(    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: {}
        ddconfig:
          double_z: True
          z_channels: {}
          resolution: {}
          in_channels: {}
          out_ch: {}
          ch: {}
          ch_mult: {}
          num_res_blocks: {}
          attn_resolutions: []
          norm_groups: {}
        lossconfig:
          target: torch.nn.Identity
)",
      vae.embed_dim, vae.z_channels, config.default_pixels(), vae.in_channels, vae.out_channels,
      vae.channels, list(vae.channel_mult), vae.num_res_blocks, vae.norm_groups);
}

std::string bert_yaml(const TextConfig& text) {
  return fmt::format(
      R"(    cond_stage_config:
      target: ldm.modules.encoders.modules.BERTEmbedder
      params:
        n_embed: {}
        n_layer: {}
        vocab_size: {}
        max_seq_len: {}
)",
      text.width, text.layers, text.vocabulary, text.positions);
}

std::string clip_yaml(const TextConfig& text) {
  const bool openclip = text.activation == TextActivation::kGelu;
  return fmt::format(
      R"(    cond_stage_config:
      target: ldm.modules.encoders.modules.{}
      params:
{}        width: {}
        layers: {}
        heads: {}
        max_length: {}
)",
      openclip ? "FrozenOpenCLIPEmbedder" : "FrozenCLIPEmbedder",
      openclip ? "        layer: penultimate\n" : "", text.width, text.layers, text.heads,
      text.positions);
}

/// The classes that the published configurations of each kind name.
std::string_view model_class(UNetExtra extra) {
  switch (extra) {
    case UNetExtra::kMaskedPicture:
      return "ddpm.LatentInpaintDiffusion";
    case UNetExtra::kPicture:
      return "ddpm_edit.LatentDiffusion";
    case UNetExtra::kNone:
      break;
  }
  return "ddpm.LatentDiffusion";
}

}  // namespace

std::string config_yaml(const ModelConfig& config) {
  const bool plain = config.extra() == UNetExtra::kNone;
  // Numbers are written so that they read back as the same double.
  return fmt::format(
             R"(model:
  target: ldm.models.diffusion.{}
  params:
{}    linear_start: {}
    linear_end: {}
    timesteps: {}
    image_size: {}
    channels: {}
    conditioning_key: {}
    scale_factor: {}
{}    use_ema: False
)",
             model_class(config.extra()),
             config.prediction
                 ? fmt::format("    parameterization: {}\n", name_of(*config.prediction))
                 : "",
             config.linear_start, config.linear_end, config.timesteps, config.image_size,
             config.vae.embed_dim, plain ? "crossattn" : "hybrid", config.scale_factor,
             config.zero_terminal_snr ? "    rescale_betas_zero_snr: True\n" : "") +
         unet_yaml(config.unet) + vae_yaml(config) +
         (config.text.encoder == TextEncoderKind::kBert ? bert_yaml(config.text)
                                                        : clip_yaml(config.text));
}

}  // namespace sd
