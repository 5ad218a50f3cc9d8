#include "trainer/lora_file.h"

#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "sd/core/model_hash.h"
#include "sd/core/sha256.h"
#include "sd/weights/write_safetensors.h"

namespace sd::train {
namespace {

constexpr std::size_t kMostTags = 100;

/// {"folder": {"tag": count}}: what stands between the commas of captions, the most frequent.
std::string tag_frequency(const std::vector<std::string>& captions, const std::string& folder) {
  std::map<std::string, int64_t> counts;
  for (const auto& caption : captions) {
    for (std::size_t begin = 0; begin <= caption.size();) {
      const auto end = std::min(caption.find(',', begin), caption.size());
      const auto first = caption.find_first_not_of(' ', begin);
      if (first < end) {
        const auto last = caption.find_last_not_of(' ', end - 1);
        ++counts[caption.substr(first, last + 1 - first)];
      }
      begin = end + 1;
    }
  }
  std::vector<std::pair<std::string, int64_t>> tags(counts.begin(), counts.end());
  std::ranges::stable_sort(tags, [](const auto& a, const auto& b) { return a.second > b.second; });
  tags.resize(std::min(tags.size(), kMostTags));
  auto frequency = nlohmann::ordered_json::object();
  for (const auto& [tag, count] : tags) frequency[folder][tag] = count;
  return frequency.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string name_of_folder(const std::filesystem::path& folder) {
  const auto whole = std::filesystem::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

std::string version_of(const ModelConfig& config) {
  if (config.text.width != 1024) return "sd_v1";
  return config.prediction == Prediction::kVelocity ? "sd_v2_v" : "sd_v2";
}

std::string_view name_of(RateSchedule schedule) {
  switch (schedule) {
    case RateSchedule::kLinear:
      return "linear";
    case RateSchedule::kCosine:
      return "cosine";
    case RateSchedule::kConstant:
      break;
  }
  return "constant";
}

std::string python_bool(bool value) { return value ? "True" : "False"; }

std::string or_none(double value) { return value > 0 ? fmt::format("{}", value) : "None"; }

/// "sshs_model_hash": of the tensors; "sshs_legacy_hash": of 64 KiB at 1 MiB of the file as it is
/// without these two, as AUTOMATIC1111's first kind.
void add_hashes(const std::vector<NamedTensor>& tensors, Metadata& metadata) {
  std::vector<std::byte> bytes;
  std::vector<TensorHeader> headers;
  for (const auto& [name, view] : tensors) {
    bytes.insert(bytes.end(), view.bytes.begin(), view.bytes.end());
    headers.push_back({name, view.dtype, view.shape});
  }
  constexpr std::size_t kBegin = std::size_t{1} << 20, kLength = std::size_t{1} << 16;
  const auto begin = static_cast<std::size_t>(safetensors_size(headers, metadata)) - bytes.size();
  const std::span<const std::byte> data(bytes);
  const auto first = std::min(data.size(), kBegin > begin ? kBegin - begin : 0);
  const auto piece = data.subspan(first, std::min(kLength, data.size() - first));
  metadata.emplace_back("sshs_model_hash", sha256_hex(data));
  metadata.emplace_back("sshs_legacy_hash", sha256_hex(piece).substr(0, 8));
}

}  // namespace

Metadata lora_metadata(const LoraSettings& settings, const FrozenModel& model,
                       const TrainingPictures& pictures, int64_t priors,
                       const std::string& output_name) {
  const auto& config = model.config;
  const auto number = [](auto value) { return fmt::format("{}", value); };
  const int64_t side = pictures.mean.size(3) * config.vae.factor();
  const auto rate = number(settings.learning_rate);
  Metadata metadata = {
      {"ss_network_module", "networks.lora"},
      {"ss_network_dim", number(settings.rank)},
      {"ss_network_alpha", number(settings.alpha)},
      {"ss_base_model_version", version_of(config)},
      {"ss_v2", python_bool(config.text.width == 1024)},
      {"ss_output_name", output_name},
      {"ss_sd_model_name", model.main_file.filename().string()},
      {"ss_sd_model_hash", first_model_hash(model.main_file)},
      {"ss_new_sd_model_hash", model_sha256(model.main_file)},
      {"ss_num_train_images", number(pictures.size())},
      {"ss_num_reg_images", number(priors)},
      {"ss_resolution", fmt::format("({}, {})", side, side)},
      {"ss_enable_bucket", "False"},
      {"ss_total_batch_size", number(settings.batch)},
      {"ss_batch_size_per_device", number(settings.batch)},
      {"ss_gradient_accumulation_steps", "1"},
      {"ss_max_train_steps", number(settings.steps)},
      {"ss_optimizer", "torch.optim.adamw.AdamW"},
      {"ss_lr_scheduler", std::string(name_of(settings.schedule))},
      {"ss_lr_warmup_steps", number(settings.warmup)},
      {"ss_learning_rate", rate},
      {"ss_unet_lr", rate},
      {"ss_text_encoder_lr", settings.text_encoder ? rate : "None"},
      {"ss_caption_dropout_rate", number(settings.caption_dropout)},
      {"ss_noise_offset", or_none(settings.noise_offset)},
      {"ss_min_snr_gamma", or_none(settings.min_snr)},
      {"ss_debiased_estimation", python_bool(settings.debiased)},
      {"ss_prior_loss_weight", number(settings.prior_weight)},
      {"ss_mixed_precision", model.dtype == at::kBFloat16 ? "bf16" : "no"},
      {"ss_seed", number(settings.seed)},
      {"ss_tag_frequency", tag_frequency(pictures.captions, name_of_folder(settings.data))}};
  if (settings.convolutions) {
    const nlohmann::ordered_json arguments = {{"conv_dim", number(settings.rank)},
                                              {"conv_alpha", number(settings.alpha)}};
    metadata.emplace_back("ss_network_args", arguments.dump());
  }
  return metadata;
}

void write_lora(const std::filesystem::path& path, LoraFactors& factors,
                const LoraSettings& settings, Metadata metadata, int64_t steps) {
  std::map<std::string, torch::Tensor> values;
  for (const auto& entry : factors.parameters().entries()) {
    values[entry.name] = FlatParameters::view(factors.parameters().values(), entry)
                             .detach()
                             .to(at::kCPU, at::kHalf)
                             .contiguous();
  }
  for (const auto& target : factors.targets())
    values[target.name + ".alpha"] = at::full({}, settings.alpha, at::kHalf);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, value] : values) tensors.push_back({name, view_of(value)});
  metadata.emplace_back("ss_steps", fmt::format("{}", steps));
  add_hashes(tensors, metadata);
  write_safetensors(path, tensors, metadata, /*overwrite=*/true);
}

}  // namespace sd::train
