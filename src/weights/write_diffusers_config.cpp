#include "weights/write_diffusers_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kVersion = "0.42.1";     // of diffusers, whose files these resemble
constexpr int64_t kBos = 49406, kEos = 49407;  // CLIP's

Json widths(int64_t base, const std::vector<int64_t>& multiples) {
  Json list = Json::array();
  for (const int64_t multiple : multiples) list.push_back(base * multiple);
  return list;
}

Json index_json(const ModelConfig& config, const std::string& source) {
  // 9 channels: latents, mask and masked picture; 8: latents and the picture to edit.
  const char* pipeline = config.unet.in_channels == 9   ? "StableDiffusionInpaintPipeline"
                         : config.unet.in_channels == 8 ? "StableDiffusionInstructPix2PixPipeline"
                                                        : "StableDiffusionPipeline";
  const char* tokenizer =
      config.text.tokenizer == TokenizerKind::kSentencePiece ? "T5Tokenizer" : "CLIPTokenizer";
  const Json none = {nullptr, nullptr};
  Json index = {{"_class_name", pipeline},
                {"_diffusers_version", kVersion},
                {"_name_or_path", source},
                {"feature_extractor", none},
                {"image_encoder", none},
                {"requires_safety_checker", false},
                {"safety_checker", none},
                {"scheduler", {"diffusers", "PNDMScheduler"}},
                {"text_encoder", {"transformers", "CLIPTextModel"}},
                {"tokenizer", {"transformers", tokenizer}},
                {"unet", {"diffusers", "UNet2DConditionModel"}},
                {"vae", {"diffusers", "AutoencoderKL"}}};
  return index;
}

Json middle_json(UNetMiddle middle) {
  switch (middle) {
    case UNetMiddle::kNone:
      return nullptr;
    case UNetMiddle::kResidual:
      return "UNetMidBlock2D";
    case UNetMiddle::kFull:
      break;
  }
  return "UNetMidBlock2DCrossAttn";
}

Json unet_json(const ModelConfig& config) {
  const UNetConfig& unet = config.unet;
  Json down = Json::array(), up = Json::array(), heads = Json::array();
  for (std::size_t level = 0; level < unet.channel_mult.size(); ++level) {
    const auto& at = unet.attention_resolutions;
    const bool attention = std::find(at.begin(), at.end(), int64_t{1} << level) != at.end();
    down.push_back(attention ? "CrossAttnDownBlock2D" : "DownBlock2D");
    up.insert(up.begin(), attention ? "CrossAttnUpBlock2D" : "UpBlock2D");
    heads.push_back(unet.model_channels * unet.channel_mult[level] /
                    std::max<int64_t>(unet.num_head_channels, 1));
  }
  Json json = {{"_class_name", "UNet2DConditionModel"},
               {"_diffusers_version", kVersion},
               {"sample_size", config.image_size},
               {"in_channels", unet.in_channels},
               {"out_channels", unet.out_channels},
               {"block_out_channels", widths(unet.model_channels, unet.channel_mult)},
               {"layers_per_block", unet.num_res_blocks},
               {"down_block_types", down},
               {"mid_block_type", middle_json(unet.middle)},
               {"up_block_types", up},
               // diffusers' name for the number of heads, one for all levels or one each
               {"attention_head_dim", unet.num_head_channels > 0 ? heads : Json(unet.num_heads)},
               {"transformer_layers_per_block", unet.transformer_depth},
               {"cross_attention_dim", unet.context_dim},
               {"use_linear_projection", unet.use_linear_in_transformer},
               {"norm_num_groups", unet.norm_groups},
               {"norm_eps", 1e-05},
               {"act_fn", "silu"},
               {"center_input_sample", false},
               {"downsample_padding", 1},
               {"flip_sin_to_cos", true},
               {"freq_shift", 0},
               {"mid_block_scale_factor", 1}};
  if (unet.time_cond_width > 0) json["time_cond_proj_dim"] = unet.time_cond_width;
  return json;
}

Json vae_json(const ModelConfig& config) {
  const VaeConfig& vae = config.vae;
  Json down = Json::array(), up = Json::array();
  for (std::size_t level = 0; level < vae.channel_mult.size(); ++level) {
    down.push_back("DownEncoderBlock2D");
    up.push_back("UpDecoderBlock2D");
  }
  return {{"_class_name", "AutoencoderKL"},
          {"_diffusers_version", kVersion},
          {"sample_size", config.default_pixels()},
          {"in_channels", vae.in_channels},
          {"out_channels", vae.out_channels},
          {"latent_channels", vae.z_channels},
          {"block_out_channels", widths(vae.channels, vae.channel_mult)},
          {"layers_per_block", vae.num_res_blocks},
          {"down_block_types", down},
          {"up_block_types", up},
          {"norm_num_groups", vae.norm_groups},
          {"act_fn", "silu"},
          {"scaling_factor", config.scale_factor}};
}

Json text_json(const TextConfig& text) {
  const bool gelu = text.activation == TextActivation::kGelu;
  Json json = {{"architectures", {"CLIPTextModel"}},
               {"model_type", "clip_text_model"},
               {"hidden_size", text.width},
               {"intermediate_size", text.feed_forward},
               {"num_hidden_layers", text.layers},
               {"num_attention_heads", text.heads},
               {"max_position_embeddings", text.positions},
               {"vocab_size", text.vocabulary},
               {"hidden_act", gelu ? "gelu" : "quick_gelu"},
               {"layer_norm_eps", 1e-05},
               {"projection_dim", text.width}};
  if (text.tokenizer == TokenizerKind::kClip) {  // others have ids of their own, in their files
    json.update({{"bos_token_id", kBos}, {"eos_token_id", kEos}, {"pad_token_id", text.padding}});
  }
  return json;
}

Json scheduler_json(const ModelConfig& config) {
  const bool velocity = config.prediction == Prediction::kVelocity;
  Json json = {{"_class_name", "PNDMScheduler"},
               {"_diffusers_version", kVersion},
               {"beta_start", config.linear_start},
               {"beta_end", config.linear_end},
               {"beta_schedule", "scaled_linear"},
               {"num_train_timesteps", config.timesteps},
               {"prediction_type", velocity ? "v_prediction" : "epsilon"},
               {"set_alpha_to_one", false},
               {"skip_prk_steps", true},
               {"steps_offset", 1}};
  // PNDMScheduler has no such setting; those that a user takes in its place read these.
  if (config.zero_terminal_snr) {
    json.update({{"rescale_betas_zero_snr", true}, {"timestep_spacing", "trailing"}});
  }
  return json;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> diffusers_config_files(const ModelConfig& config,
                                                                        const std::string& source) {
  const auto text = [](const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  return {{"model_index.json", text(index_json(config, source))},
          {"unet/config.json", text(unet_json(config))},
          {"vae/config.json", text(vae_json(config))},
          {"text_encoder/config.json", text(text_json(config.text))},
          {"scheduler/scheduler_config.json", text(scheduler_json(config))}};
}

}  // namespace sd
