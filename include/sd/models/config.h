#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "sd/core/model_config.h"

namespace sd {

/// Reads a CompVis YAML (`model.params` with unet_config, first_stage_config and
/// cond_stage_config). What it leaves out is taken from `base`. Extensions: `width`, `layers`,
/// `heads` in cond_stage_config.params, `norm_groups` in the params of the UNet and in ddconfig,
/// `middle_block` (full, residual, none) and `time_cond_dim` in the params of the UNet, and
/// `rescale_betas_zero_snr` in those of the model.
/// Throws IoError if it cannot be read, and UsageError naming file, line and key for what is no
/// YAML, an unknown target or key, a wrong value, or a setting that is not supported.
ModelConfig read_config(const std::filesystem::path& path, const ModelConfig& base = {});
/// The same for a YAML's text; `label` stands for the file in messages.
ModelConfig parse_config(std::string_view yaml, const std::string& label,
                         const ModelConfig& base = {});

/// A YAML that parse_config reads back as `config` (but for use_ema, feed_forward, CLIP's
/// vocabulary and BERT's heads, which weights tell), with the extensions. It has no place for a
/// SentencePiece tokenizer. It says nothing of EMA weights: what it is written
/// beside has none.
std::string config_yaml(const ModelConfig& config);

/// Throws UsageError, quoting both sides, if a YAML's settings (`wanted`, called `where_yaml`)
/// contradict what names and shapes of the weights tell (`detected`, called `where_weights`), or if
/// they make no model (see validate_config). feed_forward, vocabulary and positions are not
/// compared: a YAML does not state them.
void check_config(const ModelConfig& wanted, const ModelConfig& detected,
                  const std::string& where_yaml, const std::string& where_weights);

/// Throws UsageError if heads or group-norm groups do not divide the channels they are to divide.
void validate_config(const ModelConfig& config, const std::string& where);

}  // namespace sd
