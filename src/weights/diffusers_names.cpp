#include "weights/diffusers_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "weights/name_pieces.h"
#include "weights/renamed_source.h"

namespace sd {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// diffusers on the left, CompVis on the right.
constexpr std::array<Pair, 7> kUNetTop = {{
    {"conv_in.", "input_blocks.0.0."},
    {"time_embedding.linear_1.", "time_embed.0."},
    {"time_embedding.linear_2.", "time_embed.2."},
    {"time_embedding.cond_proj.", "time_embed.cond_proj."},
    {"conv_norm_out.", "out.0."},
    {"conv_out.", "out.2."},
    {"class_embedding.", "label_emb."},
}};

constexpr std::array<Pair, 6> kUNetResidual = {{
    {"norm1.", "in_layers.0."},
    {"conv1.", "in_layers.2."},
    {"time_emb_proj.", "emb_layers.1."},
    {"norm2.", "out_layers.0."},
    {"conv2.", "out_layers.3."},
    {"conv_shortcut.", "skip_connection."},
}};

constexpr std::array<Pair, 1> kVaeResidual = {{{"conv_shortcut.", "nin_shortcut."}}};

constexpr std::array<Pair, 1> kVaeTop = {{{"conv_norm_out.", "norm_out."}}};

// Since 0.12 diffusers calls them as in any attention; query, key, value, proj_attn are the older
// names.
constexpr std::array<Pair, 9> kVaeAttention = {{
    {"group_norm.", "norm."},
    {"to_q.", "q."},
    {"to_k.", "k."},
    {"to_v.", "v."},
    {"to_out.0.", "proj_out."},
    {"query.", "q."},
    {"key.", "k."},
    {"value.", "v."},
    {"proj_attn.", "proj_out."},
}};

template <typename Table>
std::string replace_start(const Table& table, std::string_view key) {
  for (const auto& [from, to] : table) {
    if (key.starts_with(from)) return fmt::format("{}{}", to, key.substr(from.size()));
  }
  return std::string(key);
}

/// The other way; where a table has two for one, its first.
template <typename Table>
std::string restore_start(const Table& table, std::string_view key) {
  for (const auto& [from, to] : table) {
    if (key.starts_with(to)) return fmt::format("{}{}", from, key.substr(to.size()));
  }
  return std::string(key);
}

/// One more than the highest number that follows `start` in any key.
int count_after(const std::vector<std::string>& keys, std::string_view start) {
  int count = 0;
  for (std::string_view key : keys) {
    if (!take(key, start)) continue;
    if (const auto number = take_number(key)) count = std::max(count, *number + 1);
  }
  return count;
}

/// Whether a level of the way down has attention.
bool attends(const UNetConfig& unet, int level) {
  const auto& at = unet.attention_resolutions;
  return std::find(at.begin(), at.end(), int64_t{1} << level) != at.end();
}

std::optional<std::string> vae_half(std::string_view half, std::string_view key, int levels) {
  if (take(key, "mid_block.")) {
    if (take(key, "attentions.0."))
      return fmt::format("{}.mid.attn_1.{}", half, replace_start(kVaeAttention, key));
    if (!take(key, "resnets.")) return std::nullopt;
    const auto block = take_number(key);
    if (!block) return std::nullopt;
    return fmt::format("{}.mid.block_{}.{}", half, *block + 1, replace_start(kVaeResidual, key));
  }
  const bool down = take(key, "down_blocks.");
  if (!down && !take(key, "up_blocks."))
    return fmt::format("{}.{}", half, replace_start(kVaeTop, key));
  const auto number = take_number(key);
  if (!number || *number >= levels) return std::nullopt;
  // CompVis counts the decoder's levels from the picture, diffusers from the latents.
  const auto level =
      fmt::format("{}.{}.{}", half, down ? "down" : "up", down ? *number : levels - 1 - *number);
  if (take(key, "downsamplers.0.")) return fmt::format("{}.downsample.{}", level, key);
  if (take(key, "upsamplers.0.")) return fmt::format("{}.upsample.{}", level, key);
  if (!take(key, "resnets.")) return std::nullopt;
  const auto block = take_number(key);
  if (!block) return std::nullopt;
  return fmt::format("{}.block.{}.{}", level, *block, replace_start(kVaeResidual, key));
}

}  // namespace

DiffusersNames::DiffusersNames(const std::vector<std::string>& unet_keys,
                               const std::vector<std::string>& vae_keys)
    : blocks_per_level_(count_after(unet_keys, "down_blocks.0.resnets.")),
      vae_levels_(std::max(count_after(vae_keys, "encoder.down_blocks."),
                           count_after(vae_keys, "decoder.up_blocks."))) {
  for (std::string_view key : unet_keys) {
    if (!take(key, "up_blocks.")) continue;
    const auto level = take_number(key);
    if (level && key.starts_with("attentions.")) up_levels_with_attention_.insert(*level);
  }
}

DiffusersNames::DiffusersNames(const ModelConfig& config)
    : blocks_per_level_(static_cast<int>(config.unet.num_res_blocks)),
      vae_levels_(static_cast<int>(config.vae.channel_mult.size())) {
  const auto levels = static_cast<int>(config.unet.channel_mult.size());
  for (int level = 0; level < levels; ++level) {
    if (attends(config.unet, level)) up_levels_with_attention_.insert(levels - 1 - level);
  }
}

std::optional<std::string> DiffusersNames::unet_block(std::string_view key) const {
  if (take(key, "mid_block.")) {
    // Residual block, attention, residual block.
    if (take(key, "attentions.0.")) return fmt::format("middle_block.1.{}", key);
    if (!take(key, "resnets.")) return std::nullopt;
    const auto block = take_number(key);
    if (!block) return std::nullopt;
    return fmt::format("middle_block.{}.{}", 2 * *block, replace_start(kUNetResidual, key));
  }
  const bool down = take(key, "down_blocks.");
  if (!down && !take(key, "up_blocks.")) return replace_start(kUNetTop, key);
  const auto level = take_number(key);
  if (!level) return std::nullopt;
  // input_blocks.0 is conv_in; each level has its blocks and a downsampler. Up there is one block
  // more and the upsampler shares the last one's number.
  const int first = *level * (blocks_per_level_ + 1) + (down ? 1 : 0);
  const std::string_view side = down ? "input_blocks" : "output_blocks";
  if (take(key, "downsamplers.0.conv."))
    return fmt::format("{}.{}.0.op.{}", side, first + blocks_per_level_, key);
  if (take(key, "upsamplers.0.conv.")) {
    const int place = up_levels_with_attention_.contains(*level) ? 2 : 1;
    return fmt::format("{}.{}.{}.conv.{}", side, first + blocks_per_level_, place, key);
  }
  const bool attention = take(key, "attentions.");
  if (!attention && !take(key, "resnets.")) return std::nullopt;
  const auto block = take_number(key);
  if (!block) return std::nullopt;
  return fmt::format("{}.{}.{}.{}", side, first + *block, attention ? 1 : 0,
                     attention ? std::string(key) : replace_start(kUNetResidual, key));
}

CompvisName DiffusersNames::unet(std::string_view key) const {
  return {fmt::format("model.diffusion_model.{}", unet_block(key).value_or(std::string(key))),
          false};
}

CompvisName DiffusersNames::vae(std::string_view key) const {
  std::string_view rest = key;
  std::optional<std::string> name;
  if (take(rest, "encoder.")) {
    name = vae_half("encoder", rest, vae_levels_);
  } else if (take(rest, "decoder.")) {
    name = vae_half("decoder", rest, vae_levels_);
  }
  const bool attention = name && name->find(".mid.attn_1.") != std::string::npos;
  return {fmt::format("first_stage_model.{}", name.value_or(std::string(key))), attention};
}

DiffusersKeys::DiffusersKeys(const ModelConfig& config) {
  const DiffusersNames names(config);
  add_unet(names, config.unet);
  add_vae(names, config.vae);
  for (const char* part : {"embeddings.", "encoder.", "final_layer_norm."}) {
    const auto prefix = fmt::format("text_model.{}", part);
    blocks_[compvis_text_name(prefix)] = {"text_encoder", prefix, Leaf::kNone};
  }
}

void DiffusersKeys::add_unet(const DiffusersNames& names, const UNetConfig& unet) {
  const auto add = [&](const std::string& prefix, Leaf leaf = Leaf::kNone) {
    blocks_[names.unet(prefix).name] = {"unet", prefix, leaf};
  };
  for (const auto& [key, name] : kUNetTop) add(std::string(key));
  for (const int block : {0, 1})
    add(fmt::format("mid_block.resnets.{}.", block), Leaf::kUNetResidual);
  add("mid_block.attentions.0.");
  const auto levels = static_cast<int>(unet.channel_mult.size());
  for (int level = 0; level < levels; ++level) {
    const int mirrored = levels - 1 - level;
    for (int64_t block = 0; block <= unet.num_res_blocks; ++block) {
      if (block < unet.num_res_blocks) {
        add(fmt::format("down_blocks.{}.resnets.{}.", level, block), Leaf::kUNetResidual);
        if (attends(unet, level)) add(fmt::format("down_blocks.{}.attentions.{}.", level, block));
      }
      add(fmt::format("up_blocks.{}.resnets.{}.", mirrored, block), Leaf::kUNetResidual);
      if (attends(unet, level)) add(fmt::format("up_blocks.{}.attentions.{}.", mirrored, block));
    }
    if (level + 1 == levels) break;
    add(fmt::format("down_blocks.{}.downsamplers.0.conv.", level));
    add(fmt::format("up_blocks.{}.upsamplers.0.conv.", level));
  }
}

void DiffusersKeys::add_vae(const DiffusersNames& names, const VaeConfig& vae) {
  const auto add = [&](const std::string& prefix, Leaf leaf = Leaf::kNone) {
    blocks_[names.vae(prefix).name] = {"vae", prefix, leaf};
  };
  for (const char* convolution : {"quant_conv.", "post_quant_conv."}) add(convolution);
  const auto levels = static_cast<int>(vae.channel_mult.size());
  for (const bool encoder : {true, false}) {
    const std::string half = encoder ? "encoder." : "decoder.";
    add(half, Leaf::kVaeTop);
    for (const int block : {0, 1})
      add(fmt::format("{}mid_block.resnets.{}.", half, block), Leaf::kVaeResidual);
    add(half + "mid_block.attentions.0.", Leaf::kVaeAttention);
    for (int level = 0; level < levels; ++level) {
      const auto prefix = fmt::format("{}{}_blocks.{}.", half, encoder ? "down" : "up", level);
      for (int64_t block = 0; block < vae.num_res_blocks + (encoder ? 0 : 1); ++block)
        add(fmt::format("{}resnets.{}.", prefix, block), Leaf::kVaeResidual);
      if (level + 1 < levels) add(prefix + (encoder ? "downsamplers.0." : "upsamplers.0."));
    }
  }
}

std::optional<DiffusersName> DiffusersKeys::of(std::string_view name) const {
  // The longest prefix decides: an upsampler stands below the same number as an attention.
  for (auto dot = name.rfind('.'); dot != name.npos && dot > 0; dot = name.rfind('.', dot - 1)) {
    const auto found = blocks_.find(std::string(name.substr(0, dot + 1)));
    if (found == blocks_.end()) continue;
    const auto& [part, prefix, leaf] = found->second;
    const auto rest = name.substr(dot + 1);
    switch (leaf) {
      case Leaf::kNone:
        return DiffusersName{part, fmt::format("{}{}", prefix, rest)};
      case Leaf::kUNetResidual:
        return DiffusersName{part, prefix + restore_start(kUNetResidual, rest)};
      case Leaf::kVaeResidual:
        return DiffusersName{part, prefix + restore_start(kVaeResidual, rest)};
      case Leaf::kVaeAttention:
        return DiffusersName{part, prefix + restore_start(kVaeAttention, rest), true};
      case Leaf::kVaeTop:
        return DiffusersName{part, prefix + restore_start(kVaeTop, rest)};
    }
  }
  return std::nullopt;
}

}  // namespace sd
