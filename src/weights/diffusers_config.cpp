#include "weights/diffusers_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "sd/core/dead_link.h"
#include "weights/json_file.h"

namespace sd {
namespace {

using Json = nlohmann::json;

struct Fixed {
  const char* key;
  Json expected;
};

/// Whether a setting is `expected`, also said level by level.
bool says(const Json& value, const Json& expected) {
  if (value == expected) return true;
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [&](const Json& level) { return level == expected; });
}

/// Settings that this program has one value for; absent or null ones count as that value.
void require(const JsonFile& file, std::initializer_list<Fixed> settings) {
  for (const auto& [key, expected] : settings) {
    if (!file.has(key) || says(file.at(key), expected)) continue;
    file.wrong(key, expected.is_null() ? "none of it (not supported)"
                                       : expected.dump() + " (others are not supported)");
  }
}

/// block_out_channels as a base width and its multiples.
std::pair<int64_t, std::vector<int64_t>> channels_and_multiples(const JsonFile& file) {
  auto widths = file.integers("block_out_channels");
  const int64_t base = widths.front();
  for (int64_t& width : widths) {
    if (width % base != 0) file.wrong("block_out_channels", "multiples of the first");
    width /= base;
  }
  return {base, std::move(widths)};
}

/// `layers_per_block` and its like: one number, though newer folders may name one a level.
int64_t uniform(const JsonFile& file, const char* key, int64_t otherwise, std::size_t levels) {
  if (!file.at(key).is_array()) return file.integer(key, otherwise);
  const auto values = file.integers(key);
  if (values.size() != levels)
    file.wrong(key, fmt::format("one number for each of {} levels", levels));
  for (const int64_t value : values) {
    if (value != values.front())
      file.wrong(key, "the same for every level (others are not supported)");
  }
  return values.front();
}

/// Down-sampling factors at which `down_block_types` has attention, the deepest first.
std::vector<int64_t> attention_levels(const JsonFile& file, std::size_t levels) {
  const auto& types = file.at("down_block_types");
  if (!types.is_array() || types.size() != levels)
    file.wrong("down_block_types", fmt::format("a list of {}", levels));
  std::vector<int64_t> factors;
  for (std::size_t i = 0; i < levels; ++i) {
    const bool attention = types[i] == "CrossAttnDownBlock2D";
    if (!attention && types[i] != "DownBlock2D") {
      file.wrong("down_block_types", "CrossAttnDownBlock2D and DownBlock2D only");
    }
    if (attention) factors.insert(factors.begin(), int64_t{1} << i);
  }
  return factors;
}

/// `attention_head_dim` is the number of heads in these configs, an old misnomer of diffusers. A
/// list has one for each level: the same everywhere, or, in SD 2, such that all heads are of the
/// same width. Levels without attention have no heads, but the middle block has the deepest one's.
void read_heads(const JsonFile& file, UNetConfig& unet) {
  const char* key = file.has("num_attention_heads") ? "num_attention_heads" : "attention_head_dim";
  if (!file.at(key).is_array()) {
    unet.num_heads = file.integer(key, unet.num_heads);
    return;
  }
  const auto heads = file.integers(key);
  const auto levels = unet.channel_mult.size();
  if (heads.size() != levels)
    file.wrong(key, fmt::format("one number for each of {} levels", levels));
  const auto& at = unet.attention_resolutions;
  bool same_number = true, same_width = true;
  for (std::size_t i = 0; i < levels; ++i) {
    const bool attends = std::ranges::find(at, int64_t{1} << i) != at.end() || i + 1 == levels;
    if (!attends) continue;
    const int64_t width = unet.model_channels * unet.channel_mult[i];
    const int64_t deepest = unet.model_channels * unet.channel_mult.back();
    same_number = same_number && heads[i] == heads.back();
    same_width = same_width && width % heads[i] == 0 && deepest % heads.back() == 0 &&
                 width / heads[i] == deepest / heads.back();
  }
  if (same_number) {
    unet.num_heads = heads.back();
  } else if (same_width) {
    unet.num_head_channels = unet.model_channels * unet.channel_mult.back() / heads.back();
  } else {
    file.wrong(key,
               "as many heads, or heads of the same width, at every level (others are not "
               "supported)");
  }
}

/// `mid_block_type`: left out it is the usual one, null none.
UNetMiddle read_middle(const JsonFile& file) {
  const char* key = "mid_block_type";
  if (!file.json().contains(key)) return UNetMiddle::kFull;
  const auto& type = file.at(key);
  if (type.is_null()) return UNetMiddle::kNone;
  if (type == "UNetMidBlock2D") return UNetMiddle::kResidual;
  if (type != "UNetMidBlock2DCrossAttn") {
    file.wrong(key, "UNetMidBlock2DCrossAttn, UNetMidBlock2D or null (others are not supported)");
  }
  return UNetMiddle::kFull;
}

void read_unet(const JsonFile& file, ModelConfig& config) {
  UNetConfig& unet = config.unet;
  require(file, {{"act_fn", "silu"},
                 {"flip_sin_to_cos", true},
                 {"freq_shift", 0},
                 {"norm_eps", 1e-5},
                 {"center_input_sample", false},
                 {"dual_cross_attention", false},
                 {"only_cross_attention", false},
                 {"resnet_time_scale_shift", "default"},
                 {"conv_in_kernel", 3},
                 {"conv_out_kernel", 3},
                 {"time_embedding_type", "positional"},
                 {"mid_block_scale_factor", 1},
                 {"class_embed_type", nullptr},
                 {"num_class_embeds", nullptr},
                 {"addition_embed_type", nullptr},
                 {"encoder_hid_dim", nullptr}});
  unet.middle = read_middle(file);
  unet.time_cond_width = file.integer("time_cond_proj_dim", 0);
  unet.in_channels = file.integer("in_channels", unet.in_channels);
  unet.out_channels = file.integer("out_channels", unet.out_channels);
  std::tie(unet.model_channels, unet.channel_mult) = channels_and_multiples(file);
  const auto levels = unet.channel_mult.size();
  unet.num_res_blocks = uniform(file, "layers_per_block", unet.num_res_blocks, levels);
  unet.attention_resolutions = attention_levels(file, levels);
  read_heads(file, unet);
  unet.transformer_depth = uniform(file, "transformer_layers_per_block", 1, levels);
  unet.context_dim = uniform(file, "cross_attention_dim", unet.context_dim, levels);
  unet.norm_groups = file.integer("norm_num_groups", unet.norm_groups);
  unet.use_linear_in_transformer = file.at("use_linear_projection") == true;
  config.image_size = file.integer("sample_size", config.image_size);
}

void read_vae(const JsonFile& file, ModelConfig& config) {
  VaeConfig& vae = config.vae;
  require(file, {{"act_fn", "silu"},
                 {"shift_factor", nullptr},
                 {"latents_mean", nullptr},
                 {"latents_std", nullptr},
                 {"mid_block_add_attention", true},
                 {"use_quant_conv", true},
                 {"use_post_quant_conv", true}});
  vae.in_channels = file.integer("in_channels", vae.in_channels);
  vae.out_channels = file.integer("out_channels", vae.out_channels);
  vae.z_channels = file.integer("latent_channels", vae.z_channels);
  vae.embed_dim = vae.z_channels;
  std::tie(vae.channels, vae.channel_mult) = channels_and_multiples(file);
  vae.num_res_blocks = uniform(file, "layers_per_block", 1, vae.channel_mult.size());
  vae.norm_groups = file.integer("norm_num_groups", vae.norm_groups);
  config.scale_factor = file.number("scaling_factor", config.scale_factor);
  if (!(config.scale_factor > 0)) file.wrong("scaling_factor", "a positive number");
}

void read_text(const JsonFile& file, TextConfig& text) {
  require(file, {{"layer_norm_eps", 1e-5}});
  text.width = file.integer("hidden_size", text.width);
  text.layers = file.integer("num_hidden_layers", text.layers);
  text.heads = file.integer("num_attention_heads", text.heads);
  text.vocabulary = file.integer("vocab_size", text.vocabulary);
  text.positions = file.integer("max_position_embeddings", text.positions);
  text.feed_forward = file.integer("intermediate_size", text.feed_forward);
  const auto& activation = file.at("hidden_act");
  if (activation == "gelu") {  // OpenCLIP's, which also fills up with another id
    text.activation = TextActivation::kGelu;
    text.padding = openclip_text().padding;
  } else if (file.has("hidden_act") && activation != "quick_gelu") {
    file.wrong("hidden_act", "\"quick_gelu\" or \"gelu\" (others are not supported)");
  }
}

/// What a tokenizer's own files say of the padding goes before the custom of its text encoder.
void read_padding(const std::filesystem::path& tokenizer, TextConfig& text) {
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    if (!is_present(tokenizer / name)) continue;
    const JsonFile file(tokenizer / name);
    const auto& token = file.at("pad_token");
    const auto& content = token.is_object() && token.contains("content") ? token["content"] : token;
    if (content == "!") text.padding = 0;
    if (content == "<|endoftext|>") text.padding = TextConfig{}.padding;
    if (content.is_string()) return;
  }
}

void read_scheduler(const JsonFile& file, ModelConfig& config) {
  require(file, {{"beta_schedule", "scaled_linear"}, {"trained_betas", nullptr}});
  config.zero_terminal_snr = file.at("rescale_betas_zero_snr") == true;
  const auto& prediction = file.at("prediction_type");
  if (prediction == "v_prediction") {
    config.prediction = Prediction::kVelocity;
  } else if (prediction == "epsilon" || !file.has("prediction_type")) {
    config.prediction = Prediction::kNoise;
  } else {
    file.wrong("prediction_type", "\"epsilon\" or \"v_prediction\" (others are not supported)");
  }
  config.linear_start = file.number("beta_start", config.linear_start);
  config.linear_end = file.number("beta_end", config.linear_end);
  config.timesteps = file.integer("num_train_timesteps", config.timesteps);
  if (!(config.linear_start > 0 && config.linear_start <= config.linear_end &&
        config.linear_end < 1)) {
    file.wrong("beta_end", "0 < beta_start <= beta_end < 1");
  }
}

/// A special token of a tokenizer's configuration: its text, or an object that holds it.
std::string token_text(const JsonFile& file, const char* key, std::string otherwise) {
  if (!file.has(key)) return otherwise;
  const Json& token = file.at(key);
  if (token.is_string()) return token.get<std::string>();
  const auto content = token.is_object() ? token.find("content") : token.end();
  if (!token.is_object() || content == token.end() || !content->is_string()) {
    file.wrong(key, "a text");
  }
  return content->get<std::string>();
}

/// `tokenizer/spiece.model`, where there is one, in the way of transformers' T5Tokenizer. Its
/// defaults stand in for what the configuration leaves out.
void read_tokenizer(const std::filesystem::path& folder, TextConfig& text) {
  const auto model = folder / "spiece.model";
  if (!is_present(model)) return;
  text.tokenizer = TokenizerKind::kSentencePiece;
  SentencePieceConfig& config = text.sentence_piece;
  config.model = model.string();
  const auto path = folder / "tokenizer_config.json";
  if (!is_present(path)) return;
  const JsonFile file(path);
  const Json& kind = file.at("tokenizer_class");
  if (!kind.is_null() && kind != "T5Tokenizer" && kind != "T5TokenizerFast") {
    file.wrong("tokenizer_class", "T5Tokenizer (others with a spiece.model are not supported)");
  }
  config.end = token_text(file, "eos_token", config.end);
  config.padding = token_text(file, "pad_token", config.padding);
  config.lower_case = file.at("do_lower_case") == true;
  for (const char* key : {"bos_token", "cls_token", "mask_token", "sep_token", "unk_token"}) {
    if (file.has(key)) config.specials.push_back(token_text(file, key, {}));
  }
  config.specials.push_back(config.end);
  config.specials.push_back(config.padding);
}

/// The index names a class for each part; other pipelines (SDXL, inpainting, …) name others.
void check_index(const JsonFile& index, const Elsewhere& elsewhere) {
  struct Expected {
    const char* part;
    const char* kind;
    bool may_lack = false;
  };
  for (const auto& [part, kind, may_lack] :
       {Expected{"unet", "UNet2DConditionModel"}, Expected{"vae", "AutoencoderKL", elsewhere.vae},
        Expected{"text_encoder", "CLIPTextModel", elsewhere.text}}) {
    const auto& entry = index.at(part);
    if (entry.is_array() && entry.size() == 2 && entry[1] == kind) continue;
    const bool lacks =
        entry.is_null() || (entry.is_array() && entry.size() == 2 && entry[1].is_null());
    if (lacks && may_lack) continue;
    index.wrong(
        part,
        fmt::format("a {} (pipeline {})", kind,
                    index.at("_class_name").dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
  for (const char* other : {"text_encoder_2", "prior", "transformer"}) {
    const auto& entry = index.at(other);
    if (entry.is_array() && !entry.empty() && !entry[0].is_null())
      index.wrong(other, "no such part (not supported)");
  }
}

}  // namespace

ModelConfig read_diffusers_config(const std::filesystem::path& folder, const Elsewhere& elsewhere) {
  ModelConfig config;
  check_index(JsonFile(folder / "model_index.json"), elsewhere);
  read_unet(JsonFile(folder / "unet" / "config.json"), config);
  const auto vae = folder / "vae" / "config.json", text = folder / "text_encoder" / "config.json";
  if (!elsewhere.vae || is_present(vae)) read_vae(JsonFile(vae), config);
  if (!elsewhere.text || is_present(text)) read_text(JsonFile(text), config.text);
  read_padding(folder / "tokenizer", config.text);
  read_tokenizer(folder / "tokenizer", config.text);
  const auto scheduler = folder / "scheduler" / "scheduler_config.json";
  if (is_present(scheduler)) read_scheduler(JsonFile(scheduler), config);
  return config;
}

void read_unet_config(const std::filesystem::path& file, ModelConfig& config) {
  read_unet(JsonFile(file), config);
}

void read_vae_config(const std::filesystem::path& file, ModelConfig& config) {
  read_vae(JsonFile(file), config);
}

void read_text_config(const std::filesystem::path& file, TextConfig& text) {
  read_text(JsonFile(file), text);
}

}  // namespace sd
