// What guidance does inside of the UNet: of a run, and of each call.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "pipeline/named_layers.h"
#include "pipeline/noise_model.h"

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
  const bool inside = perturbs_ || added.sag_scale != 0 || added.freeu || negative_ ||
                      !embedded_scales_.empty() || sharing_;
  if (inside) edits_ = std::make_shared<ForwardEdits>();
  run_.edits = edits_.get();
}

void BatchNoiseModel::set_edits(const Call& call) {
  if (!edits_) return;
  auto& edits = *edits_;
  const auto& added = guidance_.added;
  edits = {};
  edits.divided = networks_->divide_rows();
  if (sharing_ && !call.again) edits.sharer = sharing_->sharer();
  const bool perturbed = perturbs_ && call.first == 0 && !call.again;
  if (perturbed) {
    using Kind = AttentionPerturbation::Kind;
    edits.perturbation = {added.pag_scale != 0 ? Kind::kIdentity : Kind::kBlurred, added.seg_sigma,
                          perturbed_sites_, RowRange{0, pass_rows_}};
  }
  if (added.freeu && added.freeu_interval.contains(run_.step.step, run_.step.num_steps)) {
    edits.freeu = {*added.freeu, added.freeu_version};
  }
  if (added.sag_scale != 0 && !call.again) {
    sums_->rows = {perturbed ? pass_rows_ : 0, pass_rows_};
    edits.sums = sums_.get();
  }
  if (negative_) {
    NegativeAttention negative{
        negative_->at(run_.step.step), {}, added.nag_scale, added.nag_tau, added.nag_alpha};
    if (perturbed) negative.begins.push_back(0);
    const auto parts = std::max<std::size_t>(guidance_.part_weights.size(), 1);
    const int64_t conditional = contexts_.rows() - static_cast<int64_t>(parts) * pass_rows_;
    for (int64_t begin = std::max(conditional, call.first); begin < call.first + call.count;
         begin += pass_rows_) {
      negative.begins.push_back(begin - call.first);
    }
    if (!negative.begins.empty()) edits.negative = std::move(negative);
  }
  if (embedded_scales_.empty()) return;
  edits.time_condition = time_condition();
  if (embedded_scales_.size() == 1) return;
  // Rows have scales of their own: no layer may take them for equal.
  const auto samples = static_cast<int64_t>(embedded_scales_.size());
  edits.time_condition = edits.time_condition.repeat({call.count / samples, 1});
  run_.same_as.clear();
}

}  // namespace sd
