// What guidance does inside of the UNet: of a run, and of each call.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/named_layers.h"
#include "pipeline/noise_model.h"
#include "pipeline/part_maps.h"
#include "pipeline/start.h"
#include "sd/core/error.h"
#include "sd/text/control_words.h"

namespace sd {
namespace {

/// The guidance scales w as latent consistency models are shown them: sines and cosines of
/// 1000 (w − 1), [N,width] (diffusers' get_guidance_scale_embedding).
torch::Tensor embedded(const std::vector<double>& scales, int64_t width) {
  const int64_t half = width / 2;
  const auto options = at::TensorOptions().dtype(at::kFloat);
  const auto frequencies =
      at::exp(at::arange(half, options) * (-std::log(10000.0) / static_cast<double>(half - 1)));
  const auto turns = (at::tensor(scales, options) - 1).mul(1000).unsqueeze(1) * frequencies;
  auto waves = at::cat({at::sin(turns), at::cos(turns)}, 1);
  if (width % 2 == 1) waves = at::constant_pad_nd(waves, {0, 1});
  return waves;
}

}  // namespace

torch::Tensor BatchNoiseModel::time_condition() const {
  return embedded(embedded_scales_, model_.config.unet.time_cond_width)
      .to(torch::Device(model_.device));
}

void BatchNoiseModel::make_edits(const DrawRequest& request) {
  const auto& added = guidance_.added;
  const auto& unet = model_.config.unet;
  if (perturbs_) {
    const bool pag = added.pag_scale != 0;
    perturbed_sites_ = pag ? named_sites("pag_layers", added.pag_layers, unet)
                           : named_sites("seg_layers", added.seg_layers, unet);
  }
  if (added.sag_scale != 0) named_sites("sag", "mid", unet);
  if (added.nag_scale != 1) {
    negative_.emplace(model_, request, run_.step.num_steps, *networks_);
    negative_->add_negative(pass_rows_);
  }
  if (unet.time_cond_width > 0) {
    embedded_scales_ = request.guidance_scales;
    if (embedded_scales_.empty()) embedded_scales_ = {request.guidance_scale};
  }
  make_concepts(request);
  make_regions(request);
  const bool inside = perturbs_ || added.sag_scale != 0 || added.freeu || negative_ ||
                      !embedded_scales_.empty() || concepts_ || regions_ || sharing_;
  if (inside) edits_ = std::make_shared<ForwardEdits>();
  run_.edits = edits_.get();
}

void BatchNoiseModel::make_concepts(const DrawRequest& request) {
  if (guidance_.edits.empty()) return;
  const auto [width, height] = size_of(model_, request);
  concepts_ = std::make_shared<ConceptSums>();
  // Published for latents of 64 a side; where latents are smaller, layers as a blend's.
  constexpr int64_t kReferenceSide = 64;
  const int64_t side = std::min(width, height) / model_.config.vae.factor();
  concepts_->downsampling = kReferenceSide / default_blend_res(model_.config, side);
  for (const auto& edit : guidance_.edits) {
    auto tokens = contexts_.token_positions(edit.concept_text);
    if (tokens.empty()) {
      throw UsageError(fmt::format("concept '{}': there is no word in it", edit.concept_text));
    }
    if (tokens.back() >= model_.tokenizer->length() * contexts_.chunks()) {
      throw UsageError(
          fmt::format("concept '{}': AND puts prompts together, not concepts; give another edit",
                      edit.concept_text));
    }
    const auto number = static_cast<int64_t>(concepts_->concepts.size());
    concepts_->concepts.push_back(
        {{number * pass_rows_, pass_rows_}, std::move(tokens), torch::Tensor()});
  }
}

void BatchNoiseModel::make_regions(const DrawRequest& request) {
  if (!weighs_attention(request)) return;
  if (perturbs_ || guidance_.added.sag_scale != 0) {
    throw UsageError(
        "regions in attention: pag, seg and sag predict for one prompt; leave one of the two out");
  }
  regions_ = std::make_shared<RegionAttention>();
  regions_->weights = attention_weights(model_, request);
  for (std::size_t part = 1; part < request.part_maps->weights.size(); ++part) {
    auto& contexts =
        region_contexts_.emplace_back(model_, request, run_.step.num_steps, *networks_);
    contexts.add(BatchRows::prompts(request), static_cast<int64_t>(part));
  }
}

const torch::Tensor& BatchNoiseModel::concept_attention(std::size_t edit) const {
  const auto& sums = concepts_->concepts.at(edit).sums;
  if (sums.defined()) return sums;
  throw UsageError(fmt::format(
      "concept '{}': this model's down and up layers have no cross-attention at {} of the latents' "
      "size",
      guidance_.edits.at(edit).concept_text,
      concepts_->downsampling == 1 ? "all" : fmt::format("1/{}", concepts_->downsampling)));
}

void BatchNoiseModel::set_concepts(const Call& call) {
  if (!concepts_ || call.first > 0 || call.again) return;
  for (auto& each : concepts_->concepts) each.sums = torch::Tensor();
  edits_->concepts = concepts_.get();
}

void BatchNoiseModel::set_regions(const Call& call) {
  if (!regions_ || call.again) return;
  regions_->rows = {call.count - pass_rows_, pass_rows_};
  regions_->contexts.clear();
  for (auto& contexts : region_contexts_) {
    regions_->contexts.push_back(contexts.at(run_.step.step));
  }
  edits_->regions = regions_.get();
}

void BatchNoiseModel::set_negative(const Call& call, bool perturbed) {
  const auto& added = guidance_.added;
  NegativeAttention negative{
      negative_->at(run_.step.step), {}, added.nag_scale, added.nag_tau, added.nag_alpha};
  if (perturbed) negative.begins.push_back(concept_rows_ - call.first);
  const auto parts = std::max<std::size_t>(guidance_.part_weights.size(), 1);
  const int64_t conditional = contexts_.rows() - static_cast<int64_t>(parts) * pass_rows_;
  for (int64_t begin = std::max(conditional, call.first); begin < call.first + call.count;
       begin += pass_rows_) {
    negative.begins.push_back(begin - call.first);
  }
  if (!negative.begins.empty()) edits_->negative = std::move(negative);
}

void BatchNoiseModel::set_edits(const Call& call) {
  if (!edits_) return;
  auto& edits = *edits_;
  const auto& added = guidance_.added;
  edits = {};
  edits.divided = networks_->divide_rows();
  if (sharing_ && !call.again) edits.sharer = sharing_->sharer();
  set_concepts(call);
  set_regions(call);
  const bool perturbed = perturbs_ && call.first <= concept_rows_ && !call.again;
  const int64_t behind = concept_rows_ - call.first;  // of the concepts' rows in this call
  if (perturbed) {
    using Kind = AttentionPerturbation::Kind;
    edits.perturbation = {added.pag_scale != 0 ? Kind::kIdentity : Kind::kBlurred, added.seg_sigma,
                          perturbed_sites_, RowRange{behind, pass_rows_}};
  }
  if (added.freeu && added.freeu_interval.contains(run_.step.step, run_.step.num_steps)) {
    edits.freeu = {*added.freeu, added.freeu_version};
  }
  if (added.sag_scale != 0 && !call.again) {
    const int64_t first = std::max<int64_t>(behind, 0) + (perturbed ? pass_rows_ : 0);
    sums_->rows = {first, pass_rows_};
    edits.sums = sums_.get();
  }
  if (negative_) set_negative(call, perturbed);
  if (embedded_scales_.empty()) return;
  edits.time_condition = time_condition();
  if (embedded_scales_.size() == 1) return;
  // Rows have scales of their own: no layer may take them for equal.
  const auto samples = static_cast<int64_t>(embedded_scales_.size());
  edits.time_condition = edits.time_condition.repeat({call.count / samples, 1});
  run_.same_as.clear();
}

}  // namespace sd
