#include "pipeline/sharing_run.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "control/rows.h"
#include "pipeline/encode.h"
#include "pipeline/model_parts.h"
#include "pipeline/row_sharers.h"
#include "pipeline/self_attention_sites.h"
#include "pipeline/sharing_watch.h"
#include "pipeline/start.h"
#include "sd/core/error.h"
#include "sd/diffusion/samplers.h"
#include "sd/pipeline/inversion.h"

namespace sd {
namespace {

std::string_view name_of(const RowSharingSettings& sharing) {
  return sharing.masactrl        ? "masactrl"
         : sharing.pnp           ? "pnp"
         : sharing.reference     ? "reference"
         : sharing.style_aligned ? "style_aligned"
                                 : "appearance";
}

void check_share(std::string_view what, double share) {
  if (share >= 0 && share <= 1) return;
  throw UsageError(fmt::format("{} is {}, expected 0 to 1", what, share));
}

void check_share(std::string_view what, const StepShare& steps) {
  if (steps.begin >= 0 && steps.begin <= steps.end && steps.end <= 1) return;
  throw UsageError(fmt::format("{} are {}:{}, expected fractions of the steps, the smaller first",
                               what, steps.begin, steps.end));
}

void check_numbers(const RowSharingSettings& sharing) {
  if (const auto& one = sharing.masactrl) {
    check_share("masactrl's steps", one->steps);
    check_share("masactrl's mask threshold", one->mask_threshold);
  }
  if (const auto& one = sharing.pnp) {
    check_share("pnp's attention", one->attention);
    check_share("pnp's features", one->features);
  }
  if (const auto& one = sharing.reference) {
    check_share("the reference's fidelity", one->fidelity);
    check_share("the reference's weight", one->weight);
    check_share("the reference's steps", one->steps);
  }
  if (const auto& one = sharing.style_aligned) check_share("style_aligned's steps", one->steps);
  if (const auto& one = sharing.appearance) {
    for (const auto& steps : {one->finest, one->second, one->statistics, one->structure})
      check_share("appearance's steps", steps);
    if (!std::isfinite(one->contrast) || !std::isfinite(one->guidance))
      throw UsageError("appearance: contrast and guidance are finite numbers");
  }
}

void check_neighbours(const DrawRequest& request, std::string_view name) {
  const auto refuse = [&](bool given, std::string_view what, std::string_view why) {
    if (given) throw UsageError(fmt::format("{}: {}; leave {} out", name, why, what));
  };
  refuse(request.deepcache > 1, "deepcache",
         "between deepcache's whole steps no deep layer attends");
  refuse(request.token_merging > 0, "token_merging",
         "pixels that other rows look at are merged by token_merging");
  refuse(
      request.added.sag_scale != 0, "sag",
      "self-attention guidance (sag) predicts from other latents, whose rows look at themselves");
}

void check_picture(const LoadedModel& model, const DrawRequest& request) {
  const auto& picture = request.sharing->picture;
  const auto [width, height] = size_of(model, request);
  const std::vector<int64_t> expected = {1, 3, height, width};
  if (picture.defined() && picture.sizes() == at::IntArrayRef(expected)) return;
  throw UsageError(fmt::format(
      "the reference has shape [{}], expected [1,3,{},{}]",
      picture.defined() ? fmt::format("{}", fmt::join(picture.sizes(), ",")) : "", height, width));
}

void check_masks(const LoadedModel& model, const RowSharing& sharing) {
  if (sharing.masks == nullptr) return;
  const auto& sizes = model.config.unet.attention_resolutions;
  const auto asked = sharing.masks->downsampling();
  if (std::ranges::count(sizes, asked) > 0) return;
  throw UsageError(
      fmt::format("masactrl: this model has no cross-attention at 1/{} of the latents' size, only "
                  "at 1/{}; take masks from layers of another size",
                  asked, fmt::join(sizes, ", 1/")));
}

}  // namespace

void check_sharing(const LoadedModel& model, const DrawRequest& request) {
  if (request.sharing == nullptr || request.sharing->count() == 0) return;
  const auto& sharing = *request.sharing;
  if (sharing.count() > 1) {
    throw UsageError(
        "masactrl, pnp, reference, style_aligned and appearance each say what self-attention looks "
        "at; take one of them");
  }
  const auto name = name_of(sharing);
  const bool of_appearance = sharing.appearance_picture || sharing.appearance_object.defined() ||
                             sharing.target_object.defined();
  if (of_appearance && !sharing.appearance)
    throw UsageError(fmt::format("{}: an inverted picture and objects are of appearance", name));
  check_numbers(sharing);
  check_neighbours(request, name);
  if (sharing.needs_source() && request.source.empty())
    throw UsageError(fmt::format("{} needs a source prompt", name));
  if (sharing.reference) check_picture(model, request);
  if (sharing.pnp) second_level_block(model.config.unet);
  if (sharing.masactrl) check_masks(model, sharing);
}

SharingRun::SharingRun(const LoadedModel& model, const DrawRequest& request)
    : sharing_(request.sharing),
      rows_(BatchRows::of(request)),
      sharer_(make_sharer(*request.sharing, model.config.unet)),
      noted_device_(model.device) {
  if (request.acts) sharer_ = watched(std::move(sharer_), request.acts);
  if (sharing_->reference || sharing_->appearance_picture) sharer_->notes = &notes_;
  if (!sharing_->reference) return;
  picture_ = encode_pictures(model, sharing_->picture);
  put_part_away(model, ModelPart::kEncoder);
  for (int64_t i = 0; i < rows_.samples; ++i) {
    const auto own = static_cast<std::size_t>(i);
    const auto seed =
        request.seeds.empty() ? request.seed + static_cast<uint64_t>(i) : request.seeds.at(own);
    noises_.emplace_back(seed, RngChoice::kCpu, torch::Device(model.device));
  }
}

bool SharingRun::refers(const StepInfo& step) const {
  if (sharing_->appearance && sharing_->appearance_picture)
    return looks_at_appearance(*sharing_->appearance, step);
  return sharing_->reference && sharing_->reference->weight > 0 &&
         sharing_->reference->steps.contains(step.step, step.num_steps);
}

torch::Tensor SharingRun::reference_at(double alpha, int64_t step) {
  if (const auto& picture = sharing_->appearance_picture) {
    // Where a step evaluates between levels: the nearest.
    const auto away = [alpha](double level) { return std::abs(level - alpha); };
    const auto nearest = std::ranges::min_element(picture->alphas, {}, away);
    return picture->path[nearest - picture->alphas.begin()]
        .to(noted_device_)
        .expand({rows_.total(), -1, -1, -1});
  }
  for (; step_ < step; ++step_) {
    std::vector<torch::Tensor> drawn;
    for (auto& noise : noises_) drawn.push_back(noise.like(picture_));
    noise_ = at::cat(drawn);
  }
  return rows_.spread(add_noise(picture_, noise_, alpha));
}

torch::Tensor SharingRun::reference_context(const torch::Tensor& own) {
  if (!sharing_->appearance_picture) return own;
  if (!context_.defined() || context_.size(0) != own.size(0)) {
    const auto kept = sharing_->appearance_picture->context.unsqueeze(0).to(own.options());
    context_ = kept.expand({own.size(0), -1, -1}).contiguous();
  }
  return context_;
}

double SharingRun::guidance_at(const StepInfo& step, bool guided) const {
  if (!sharing_->appearance || guided) return 1;
  const auto& settings = *sharing_->appearance;
  const StepShare all{std::min(settings.finest.begin, settings.second.begin),
                      std::max(settings.finest.end, settings.second.end)};
  if (!all.contains(step.step, step.num_steps) || settings.guidance == 1) return 1;
  const auto last = static_cast<double>(std::max<int64_t>(step.num_steps - 1, 1));
  return settings.guidance + (1 - settings.guidance) * static_cast<double>(step.step) / last;
}

}  // namespace sd
