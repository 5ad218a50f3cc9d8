#include "cli/draw/attn_run.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "cli/maps/attn_saved.h"
#include "sd/control/chain.h"
#include "sd/control/saved_maps.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTimelineParts = 5;  // as many columns as a screen shows

const char* name_of(UNetPart part) {
  return part == UNetPart::kDown ? "down" : part == UNetPart::kMiddle ? "middle" : "up";
}

SiteFilter sites_of(const AttnOptions& options) {
  SiteFilter sites{{}, options.resolutions, options.heads};
  for (const auto part : {UNetPart::kDown, UNetPart::kMiddle, UNetPart::kUp}) {
    if (std::ranges::find(options.parts, name_of(part)) != options.parts.end()) {
      sites.parts.push_back(part);
    }
  }
  return sites;
}

StepWindow steps_of(const AttnOptions& options) {
  return StepWindow::steps(options.steps.begin, options.steps.end);
}

/// One row [tokens,h,w] of maps on any device.
TokenMaps to_token_maps(const torch::Tensor& maps) {
  const auto values = maps.to(at::kCPU, at::kFloat).contiguous();
  const float* first = values.const_data_ptr<float>();
  return {values.size(0), values.size(1), values.size(2), {first, first + values.numel()}};
}

/// The same sums with one row only.
std::vector<MapSum> row_of(const std::vector<MapSum>& sums, int64_t row) {
  std::vector<MapSum> rows;
  for (const auto& sum : sums) rows.push_back({sum.layers, sum.sum.narrow(0, row, 1)});
  return rows;
}

std::vector<LayerMaps> row_of(const std::vector<LayerMaps>& layers, int64_t row) {
  std::vector<LayerMaps> rows;
  for (const auto& layer : layers) {
    rows.push_back({layer.site, {layer.maps.layers, layer.maps.sum.narrow(0, row, 1)}});
  }
  return rows;
}

int64_t side_of(const torch::Tensor& maps) { return std::min(maps.size(2), maps.size(3)); }

/// Resolutions of the layers that `parts` allows: attention stands at the listed down-samplings,
/// and in the middle at the deepest one.
std::set<int64_t> resolutions_of(const UNetConfig& unet, const std::vector<std::string>& parts,
                                 int64_t side) {
  const auto allowed = [&](const char* part) {
    return parts.empty() || std::ranges::find(parts, part) != parts.end();
  };
  // A side that cannot be halved evenly is rounded up, as the strided convolution does.
  const auto shrunk = [&](int64_t factor) { return (side + factor - 1) / factor; };
  std::set<int64_t> found;
  if (allowed("down") || allowed("up")) {
    for (const int64_t factor : unet.attention_resolutions) found.insert(shrunk(factor));
  }
  if (allowed("middle")) found.insert(shrunk(int64_t{1} << (unet.channel_mult.size() - 1)));
  return found;
}

/// Most heads that every layer has; enough to say before minutes of drawing that one is missing.
int64_t fewest_heads(const UNetConfig& unet) {
  if (unet.num_head_channels <= 0) return unet.num_heads;
  int64_t fewest = unet.model_channels * unet.channel_mult.back() / unet.num_head_channels;
  for (std::size_t level = 0; level < unet.channel_mult.size(); ++level) {
    const auto& at = unet.attention_resolutions;
    if (std::ranges::find(at, int64_t{1} << level) == at.end()) continue;
    const int64_t channels = unet.model_channels * unet.channel_mult[level];
    fewest = std::min(fewest, channels / unet.num_head_channels);
  }
  return fewest;
}

void refuse_old_maps(const fs::path& dir) {
  const auto folder = saved_maps_folder(dir, 0);
  std::error_code error;
  if (!fs::exists(folder, error) || fs::is_empty(folder, error)) return;
  throw IoError(fmt::format(
      "--save_attn_dir: {} has maps already and they are not overwritten\nGive another folder.",
      folder.string()));
}

}  // namespace

std::optional<PictureMaps> picture_maps(const MapRecorder& recorder, int64_t row, int64_t height,
                                        int64_t width) {
  if (recorder.layers().empty()) return std::nullopt;
  const c10::InferenceMode inference;
  PictureMaps maps;
  const auto layers = row_of(recorder.layers(), row);
  maps.whole = to_token_maps(heat_maps(layers, height, width)[0]);
  maps.timesteps = recorder.timesteps();
  for (const auto& layer : layers) {
    maps.layers.push_back({name_of(layer.site.part), layer.site.block, side_of(layer.maps.sum)});
  }
  for (const auto& part : sum_by_part(layers)) {
    const auto mean = part.maps.sum[0] / part.maps.layers;
    maps.parts.push_back({name_of(part.part), side_of(part.maps.sum), to_token_maps(mean)});
  }
  const auto& timeline = recorder.timeline();
  for (std::size_t i = 0; i < timeline.size(); ++i) {
    if (timeline[i].empty()) continue;
    maps.timeline.push_back({recorder.timeline_timesteps()[i],
                             to_token_maps(heat_maps(row_of(timeline[i], row), height, width)[0])});
  }
  return maps;
}

void AttnRun::prepare(const LoadedModel& model, std::shared_ptr<const Tokenizer> tokenizer,
                      int64_t latent_height, int64_t latent_width) {
  latent_height_ = latent_height;
  latent_width_ = latent_width;
  check(model.config);
  if (options_.saves()) {
    refuse_old_maps(*options_.save_attn_dir);
    make_writable_folder(saved_maps_folder(*options_.save_attn_dir, 0));
  }
  if (options_.draws()) folder_.emplace(options_, std::move(tokenizer));
}

void AttnRun::check(const ModelConfig& config) const {
  const auto known =
      resolutions_of(config.unet, options_.parts, std::min(latent_height_, latent_width_));
  for (const int64_t side : options_.resolutions) {
    if (known.contains(side)) continue;
    throw UsageError(
        fmt::format("--attn-res {}: layers of this model at this size have {} latent pixels on the "
                    "shorter side",
                    side, fmt::join(known, ", ")));
  }
  const int64_t heads = fewest_heads(config.unet);
  if (options_.heads.empty() || options_.heads.back() < heads) return;
  throw UsageError(fmt::format("--attn-heads: there is no head {}; this model has 0 to {}",
                               options_.heads.back(), heads - 1));
}

/// Writes each layer's maps as they come and keeps none.
std::shared_ptr<AttentionController> AttnRun::save_maps() {
  const auto folder = saved_maps_folder(*options_.save_attn_dir, batches_);
  make_writable_folder(folder);
  const auto sink = [folder](const SavedMap& saved) {
    const std::span values(saved.maps.const_data_ptr<float>(),
                           static_cast<std::size_t>(saved.maps.numel()));
    write_file(folder / saved.name, encode_npy(saved.maps.sizes(), values));
  };
  return std::make_shared<SavedMaps>(
      sink, SavedMapsOptions{sites_of(options_), steps_of(options_), /*target=*/0});
}

std::shared_ptr<AttentionController> AttnRun::begin_batch(
    std::vector<std::shared_ptr<AttentionController>> controls) {
  recorder_.reset();
  if (options_.draws()) {
    MapRecorderOptions wanted;
    wanted.sites = sites_of(options_);
    wanted.steps = steps_of(options_);
    wanted.branch =
        options_.kind == AttnKind::kSource ? RowGroup::Branch::kSource : RowGroup::Branch::kTarget;
    wanted.conditional = options_.conditional;
    wanted.timeline = std::min(steps_, kTimelineParts);
    recorder_ = std::make_shared<MapRecorder>(wanted);
    const bool behind = options_.kind == AttnKind::kApplied;
    controls.insert(behind ? controls.end() : controls.begin(), recorder_);
  }
  if (options_.saves()) controls.insert(controls.begin(), save_maps());
  ++batches_;
  if (controls.empty()) return nullptr;
  return std::make_shared<Chain>(std::move(controls));
}

std::optional<fs::path> AttnRun::write(int64_t row, const AttnPicture& picture) {
  if (!recorder_) return std::nullopt;
  auto maps = picture_maps(*recorder_, row, latent_height_, latent_width_);
  if (!maps) return std::nullopt;
  return folder_->write(picture, std::move(*maps));
}

}  // namespace sd::cli
