#include "sd/models/unet.h"

#include <string>
#include <utility>
#include <vector>

#include "models/freeu.h"
#include "models/unet_norm.h"
#include "nn/join_channels.h"
#include "sd/models/control_residuals.h"
#include "sd/models/feature_cache.h"
#include "sd/nn/equal_rows.h"
#include "sd/nn/forward_edits.h"

namespace sd {
namespace {

/// What an input block made, of all rows, with what a ControlNet adds to it on its way up.
torch::Tensor with_skip_residual(const torch::Tensor& skip, std::size_t block,
                                 const ForwardContext& run) {
  auto all = all_rows(skip, run.same_as);
  if (run.residuals == nullptr || run.residuals->skips.empty()) return all;
  return all + all_rows(run.residuals->skips.at(block), run.same_as);
}

/// Likewise of the middle block.
torch::Tensor with_middle_residual(torch::Tensor h, const ForwardContext& run) {
  if (run.residuals == nullptr || !run.residuals->middle.defined()) return h;
  return h + all_rows(run.residuals->middle, run.same_as);
}

}  // namespace

UNetImpl::UNetImpl(const UNetConfig& config) : UNetEncoderImpl(config) {
  build_output_blocks();
  auto out = register_module("out", Group());
  const int64_t top = config.model_channels * config.channel_mult.front();
  norm_out_ = out->put("0", GroupNorm(config.norm_groups, top, kUNetNormEps));
  conv_out_ = out->put("2", Conv2d(top, config.out_channels, 3, 1, 1));
}

void UNetImpl::build_output_blocks() {
  auto skip_channels = skip_channels_;
  auto list = register_module("output_blocks", Group());
  const int64_t levels = static_cast<int64_t>(config_.channel_mult.size());
  int64_t channels = skip_channels.back();
  int64_t downsampling = int64_t{1} << (levels - 1);
  for (int64_t level = levels - 1; level >= 0; --level) {
    const int64_t out = config_.channel_mult[level] * config_.model_channels;
    for (int64_t i = 0; i <= config_.num_res_blocks; ++i) {
      const int64_t index = static_cast<int64_t>(output_stages_.size());
      auto block = list->put(std::to_string(index), Group());
      Stage stage;
      stage.output_block = index;
      stage.res = block->put("0", ResBlock(channels + skip_channels.back(),
                                           4 * config_.model_channels, out, config_.norm_groups));
      skip_channels.pop_back();
      channels = out;
      int64_t next = 1;
      if (attends_at(downsampling)) {
        stage.transformer =
            block->put("1", make_transformer(UNetPart::kUp, index, downsampling, channels));
        ++next;
      }
      if (level > 0 && i == config_.num_res_blocks) {
        stage.upsample = block->put(std::to_string(next), Group())
                             ->put("conv", Conv2d(channels, channels, 3, 1, 1));
      }
      output_stages_.push_back(stage);
    }
    downsampling /= 2;
  }
}

std::vector<UNetEncoderImpl::Stage*> UNetImpl::further_stages() {
  std::vector<Stage*> stages;
  for (auto& stage : output_stages_) stages.push_back(&stage);
  return stages;
}

torch::Tensor UNetImpl::joined(std::size_t stage, torch::Tensor h, torch::Tensor skip,
                               const ForwardContext& run) const {
  if (run.edits != nullptr && run.edits->freeu) {
    apply_freeu(*run.edits->freeu, config_, static_cast<int64_t>(stage), h, skip);
  }
  return join_channels(h, skip);
}

torch::Tensor UNetImpl::deep_features(torch::Tensor h, const Time& time,
                                      const torch::Tensor& context, const ForwardContext& run) {
  std::vector<torch::Tensor> skips;
  std::size_t level = 0;
  for (std::size_t i = 1; i < input_stages_.size(); ++i) {
    h = apply(input_stages_[i], h, time, context, run);
    if (run.residuals != nullptr && !run.residuals->levels.empty() && ends_level(i)) {
      const auto& feature = run.residuals->levels.at(level++);
      h = (feature.size(0) == 1 ? h : all_rows(h, run.same_as)) + feature;
    }
    skips.push_back(h);
  }
  h = with_middle_residual(apply_middle(h, time, context, run), run);
  for (std::size_t i = 0; i + 1 < output_stages_.size(); ++i) {
    h = joined(i, h, with_skip_residual(skips.back(), skips.size(), run), run);
    skips.pop_back();
    h = apply(output_stages_[i], h, time, context, run);
  }
  return h;
}

torch::Tensor UNetImpl::forward(const torch::Tensor& x, const torch::Tensor& t,
                                const torch::Tensor& context, const ForwardContext& run) {
  // Three things stay in float32: the first and the last convolution, and the embedding of the
  // time. Guidance multiplies the output and every layer sees the embedding, so rounding would
  // show. They cost next to nothing.
  const auto dtype = context.scalar_type();
  const auto time = time_of(t, dtype, run);
  const auto first = apply(input_stages_.front(), first_rows(x, run.same_as), time, context, run);
  auto deep = run.features != nullptr ? run.features->find(run.step, x.size(0)) : torch::Tensor();
  if (!deep.defined()) {
    deep = deep_features(first, time, context, run);
    if (run.features != nullptr) run.features->keep(deep);
  }
  auto h = joined(output_stages_.size() - 1, deep, with_skip_residual(first, 0, run), run);
  h = apply(output_stages_.back(), std::move(h), time, context, run);
  return conv_out_->forward(h.to(at::kFloat), {.norm = norm_out_.get()});
}

}  // namespace sd
