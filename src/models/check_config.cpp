#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "sd/core/error.h"
#include "sd/models/config.h"

namespace sd {
namespace {

/// Attention levels in one order, without those below the deepest level (the original never reaches
/// them).
std::vector<int64_t> reached_resolutions(const UNetConfig& unet) {
  const int64_t deepest = int64_t{1} << (unet.channel_mult.size() - 1);
  auto factors = unet.attention_resolutions;
  std::erase_if(factors, [&](int64_t factor) { return factor > deepest; });
  std::sort(factors.begin(), factors.end());
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  return factors;
}

std::string text_of(int64_t value) { return fmt::format("{}", value); }
std::string text_of(TextEncoderKind kind) {
  switch (kind) {
    case TextEncoderKind::kClip:
      return "CLIP";
    case TextEncoderKind::kBert:
      return "BERT";
  }
  return {};
}
std::string text_of(UNetMiddle middle) { return std::string(name_of(middle)); }
std::string text_of(const std::vector<int64_t>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

/// Gathers every difference, so that one message shows whether the YAML is of another model
/// altogether.
class Differences {
 public:
  template <typename T>
  void compare(std::string_view key, const T& wanted, const T& detected) {
    if (wanted == detected) return;
    constexpr int kShown = 6;
    if (++count_ <= kShown)
      lines_ += fmt::format("\n    {}: {} against {}", key, text_of(wanted), text_of(detected));
  }
  int count() const { return count_; }
  const std::string& lines() const { return lines_; }

 private:
  int count_ = 0;
  std::string lines_;
};

/// Not whether projections are linear: matrices and 1x1 convolutions hold the same numbers.
void compare_unet(const UNetConfig& wanted, const UNetConfig& detected, Differences& differences) {
  const auto compare = [&](std::string_view key, const auto& a, const auto& b) {
    differences.compare(fmt::format("unet_config.params.{}", key), a, b);
  };
  compare("in_channels", wanted.in_channels, detected.in_channels);
  compare("out_channels", wanted.out_channels, detected.out_channels);
  compare("model_channels", wanted.model_channels, detected.model_channels);
  compare("num_res_blocks", wanted.num_res_blocks, detected.num_res_blocks);
  compare("channel_mult", wanted.channel_mult, detected.channel_mult);
  compare("attention_resolutions", reached_resolutions(wanted), reached_resolutions(detected));
  compare("transformer_depth", wanted.transformer_depth, detected.transformer_depth);
  compare("context_dim", wanted.context_dim, detected.context_dim);
  compare("middle_block", wanted.middle, detected.middle);
  compare("time_cond_dim", wanted.time_cond_width, detected.time_cond_width);
}

void compare_vae(const VaeConfig& wanted, const VaeConfig& detected, Differences& differences) {
  const auto compare = [&](std::string_view key, const auto& a, const auto& b) {
    differences.compare(fmt::format("first_stage_config.params.{}", key), a, b);
  };
  compare("embed_dim", wanted.embed_dim, detected.embed_dim);
  compare("ddconfig.z_channels", wanted.z_channels, detected.z_channels);
  compare("ddconfig.in_channels", wanted.in_channels, detected.in_channels);
  compare("ddconfig.out_ch", wanted.out_channels, detected.out_channels);
  compare("ddconfig.ch", wanted.channels, detected.channels);
  compare("ddconfig.ch_mult", wanted.channel_mult, detected.channel_mult);
  compare("ddconfig.num_res_blocks", wanted.num_res_blocks, detected.num_res_blocks);
}

void require_divides(int64_t divisor, int64_t width, std::string_view what,
                     const std::string& where) {
  if (divisor >= 1 && width % divisor == 0) return;
  throw UsageError(fmt::format(
      "{}: {} do not divide {} channels\n    Weights do not tell them: give the model's --config.",
      where, fmt::format(fmt::runtime(what), divisor), width));
}

}  // namespace

void check_config(const ModelConfig& wanted, const ModelConfig& detected,
                  const std::string& where_yaml, const std::string& where_weights) {
  Differences differences;
  compare_unet(wanted.unet, detected.unet, differences);
  compare_vae(wanted.vae, detected.vae, differences);
  differences.compare("cond_stage_config.target", wanted.text.encoder, detected.text.encoder);
  differences.compare("cond_stage_config.params.width", wanted.text.width, detected.text.width);
  differences.compare("cond_stage_config.params.layers", wanted.text.layers, detected.text.layers);
  if (differences.count() > 0) {
    throw UsageError(fmt::format(
        "{} does not describe {}: {} setting{} differ (configuration against weights):{}\n"
        "    Give the --config that belongs to the model, or none to go by its weights.",
        where_yaml, where_weights, differences.count(), differences.count() == 1 ? "" : "s",
        differences.lines()));
  }
  validate_config(wanted, where_yaml);
}

void validate_config(const ModelConfig& config, const std::string& where) {
  const UNetConfig& unet = config.unet;
  const auto attention = reached_resolutions(unet);
  for (std::size_t i = 0; i < unet.channel_mult.size(); ++i) {
    const int64_t width = unet.model_channels * unet.channel_mult[i];
    require_divides(unet.norm_groups, width, "the UNet's {} group-norm groups", where);
    // Followed by the middle block, which usually has attention.
    const bool deepest = i + 1 == unet.channel_mult.size() && unet.middle == UNetMiddle::kFull;
    if (!deepest && !std::binary_search(attention.begin(), attention.end(), int64_t{1} << i))
      continue;
    if (unet.num_head_channels >= 1) {
      require_divides(unet.num_head_channels, width, "the UNet's heads of {} channels", where);
    } else {
      require_divides(unet.num_heads, width, "the UNet's {} attention heads", where);
    }
  }
  for (const int64_t multiple : config.vae.channel_mult) {
    require_divides(config.vae.norm_groups, config.vae.channels * multiple,
                    "the VAE's {} group-norm groups", where);
  }
  // BERT's heads have a width of their own.
  if (config.text.encoder == TextEncoderKind::kClip) {
    require_divides(config.text.heads, config.text.width, "the text encoder's {} attention heads",
                    where);
  }
}

}  // namespace sd
