#include "sd/models/unet.h"

#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "models/freeu.h"
#include "nn/join_channels.h"
#include "sd/models/feature_cache.h"
#include "sd/nn/equal_rows.h"
#include "sd/nn/forward_edits.h"
#include "sd/nn/time_table.h"
#include "sd/nn/timestep_embedding.h"

namespace sd {
namespace {

constexpr double kNormEps = 1e-5;  // GroupNorm32 of guided diffusion

}  // namespace

ResBlockImpl::ResBlockImpl(int64_t in_channels, int64_t embedding_width, int64_t out_channels,
                           int64_t norm_groups) {
  auto in_layers = register_module("in_layers", Group());
  in_norm = in_layers->put("0", GroupNorm(norm_groups, in_channels, kNormEps));
  in_conv = in_layers->put("2", Conv2d(in_channels, out_channels, 3, 1, 1));
  auto emb_layers = register_module("emb_layers", Group());
  emb_proj = emb_layers->put("1", Linear(embedding_width, out_channels));
  auto out_layers = register_module("out_layers", Group());
  out_norm = out_layers->put("0", GroupNorm(norm_groups, out_channels, kNormEps));
  out_conv = out_layers->put("3", Conv2d(out_channels, out_channels, 3, 1, 1));
  if (in_channels != out_channels) {
    skip_ = register_module("skip_connection", Conv2d(in_channels, out_channels, 1));
  }
}

torch::Tensor ResBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& shift) {
  const auto h = in_conv->forward(x, {.norm = in_norm.get(), .offset = shift});  // [R,out,h,w]
  return out_conv->forward(h, {.norm = out_norm.get(), .residual = skip_ ? skip_->forward(x) : x});
}

UNetImpl::UNetImpl(const UNetConfig& config) : config_(config) {
  const int64_t width = config.model_channels;
  auto time_embed = register_module("time_embed", Group());
  time_in_ = time_embed->put("0", Linear(width, 4 * width));
  time_out_ = time_embed->put("2", Linear(4 * width, 4 * width));
  if (config.time_cond_width > 0) {
    time_condition_ =
        time_embed->put("cond_proj", Linear(config.time_cond_width, width, /*with_bias=*/false));
  }

  std::vector<int64_t> skip_channels;
  build_input_blocks(skip_channels);
  build_middle_block(skip_channels.back());
  build_output_blocks(std::move(skip_channels));

  auto out = register_module("out", Group());
  const int64_t top = width * config.channel_mult.front();
  norm_out_ = out->put("0", GroupNorm(config.norm_groups, top, kNormEps));
  conv_out_ = out->put("2", Conv2d(top, config.out_channels, 3, 1, 1));
}

bool UNetImpl::attends_at(int64_t downsampling) const {
  const auto& at = config_.attention_resolutions;
  return std::find(at.begin(), at.end(), downsampling) != at.end();
}

SpatialTransformer UNetImpl::make_transformer(UNetPart part, int64_t block, int64_t downsampling,
                                              int64_t channels) const {
  const bool fixed_width = config_.num_head_channels > 0;
  const int64_t heads = fixed_width ? channels / config_.num_head_channels : config_.num_heads;
  return SpatialTransformer(SpatialTransformerOptions{
      .part = part,
      .block = block,
      .downsampling = downsampling,
      .channels = channels,
      .context_width = config_.context_dim,
      .heads = heads,
      .head_width = channels / heads,
      .depth = config_.transformer_depth,
      .norm_groups = config_.norm_groups,
      .linear_projection = config_.use_linear_in_transformer,
  });
}

void UNetImpl::build_input_blocks(std::vector<int64_t>& skip_channels) {
  auto list = register_module("input_blocks", Group());
  const auto add_block = [&](Group& block) {
    block = list->put(std::to_string(input_stages_.size()), Group());
  };
  Group block{nullptr};
  add_block(block);
  int64_t channels = config_.model_channels;
  Stage first;
  first.conv_in = block->put("0", Conv2d(config_.in_channels, channels, 3, 1, 1));
  input_stages_.push_back(first);
  skip_channels = {channels};

  const int64_t levels = static_cast<int64_t>(config_.channel_mult.size());
  int64_t downsampling = 1;
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t out = config_.channel_mult[level] * config_.model_channels;
    for (int64_t i = 0; i < config_.num_res_blocks; ++i) {
      add_block(block);
      Stage stage;
      stage.res =
          block->put("0", ResBlock(channels, 4 * config_.model_channels, out, config_.norm_groups));
      channels = out;
      if (attends_at(downsampling)) {
        stage.transformer = block->put(
            "1", make_transformer(UNetPart::kDown, static_cast<int64_t>(input_stages_.size()),
                                  downsampling, channels));
      }
      input_stages_.push_back(stage);
      skip_channels.push_back(channels);
    }
    if (level + 1 == levels) break;
    add_block(block);
    Stage stage;
    stage.downsample = block->put("0", Group())->put("op", Conv2d(channels, channels, 3, 2, 1));
    input_stages_.push_back(stage);
    skip_channels.push_back(channels);
    downsampling *= 2;
  }
}

void UNetImpl::build_middle_block(int64_t channels) {
  if (config_.middle == UNetMiddle::kNone) return;
  const int64_t downsampling = int64_t{1} << (config_.channel_mult.size() - 1);
  auto middle = register_module("middle_block", Group());
  const int64_t embedding = 4 * config_.model_channels;
  middle_first_ = middle->put("0", ResBlock(channels, embedding, channels, config_.norm_groups));
  if (config_.middle == UNetMiddle::kResidual) return;
  middle_transformer_ =
      middle->put("1", make_transformer(UNetPart::kMiddle, 1, downsampling, channels));
  middle_last_ = middle->put("2", ResBlock(channels, embedding, channels, config_.norm_groups));
}

void UNetImpl::build_output_blocks(std::vector<int64_t> skip_channels) {
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

torch::Tensor UNetImpl::Time::shift(ResBlock& block) const {
  return table != nullptr ? table->shift(block.get(), row) : block->time_shift(activated);
}

torch::Tensor UNetImpl::activated_time(const torch::Tensor& t, torch::Dtype dtype,
                                       const torch::Tensor& condition) {
  auto embedding = timestep_embedding(t, config_.model_channels);
  if (condition.defined()) embedding = embedding + time_condition_->forward(condition);
  const auto time = time_out_->forward(at::silu(time_in_->forward(embedding)));
  return at::silu(time).to(dtype);  // every residual block starts with this SiLU
}

void UNetImpl::fill(TimeTable& table, const torch::Tensor& like, torch::Dtype dtype,
                    const torch::Tensor& condition) {
  const auto all = at::tensor(table.timesteps(), at::kDouble).to(like.options());
  const auto activated = activated_time(all, dtype, condition);
  std::vector<std::pair<const void*, torch::Tensor>> shifts;
  const auto keep = [&](ResBlock& block) {
    shifts.emplace_back(block.get(), block->time_shift(activated));
  };
  for (auto* stages : {&input_stages_, &output_stages_}) {
    for (auto& stage : *stages) {
      if (stage.res) keep(stage.res);
    }
  }
  if (middle_first_) keep(middle_first_);
  if (middle_last_) keep(middle_last_);
  table.fill(shifts);
}

UNetImpl::Time UNetImpl::time_of(const torch::Tensor& t, torch::Dtype dtype,
                                 const ForwardContext& run) {
  const auto condition = run.edits != nullptr ? run.edits->time_condition : torch::Tensor();
  if (run.times == nullptr || !run.time_row) {
    return {.activated = activated_time(t, dtype, condition)};
  }
  if (!run.times->is_filled()) fill(*run.times, t, dtype, condition);
  return {.table = run.times, .row = *run.time_row, .activated = {}};
}

torch::Tensor UNetImpl::apply(Stage& stage, torch::Tensor h, const Time& time,
                              const torch::Tensor& context, const ForwardContext& run) {
  if (stage.conv_in) return stage.conv_in->forward(h.to(at::kFloat)).to(context.scalar_type());
  if (stage.downsample) return stage.downsample->forward(h);
  h = stage.res->forward(h, time.shift(stage.res));
  if (stage.transformer) h = stage.transformer->forward(h, context, run);
  if (stage.upsample) h = stage.upsample->forward(h, {.upsampled = true});
  return h;
}

torch::Tensor UNetImpl::joined(std::size_t stage, torch::Tensor h, torch::Tensor skip,
                               const ForwardContext& run) const {
  skip = all_rows(skip, run.same_as);
  if (run.edits != nullptr && run.edits->freeu) {
    apply_freeu(*run.edits->freeu, config_, static_cast<int64_t>(stage), h, skip);
  }
  return join_channels(h, skip);
}

torch::Tensor UNetImpl::middle(torch::Tensor h, const Time& time, const torch::Tensor& context,
                               const ForwardContext& run) {
  h = all_rows(h, run.same_as);
  if (middle_first_) h = middle_first_->forward(h, time.shift(middle_first_));
  if (middle_transformer_) h = middle_transformer_->forward(h, context, run);
  if (middle_last_) h = middle_last_->forward(h, time.shift(middle_last_));
  return h;
}

torch::Tensor UNetImpl::deep_features(torch::Tensor h, const Time& time,
                                      const torch::Tensor& context, const ForwardContext& run) {
  std::vector<torch::Tensor> skips;
  for (std::size_t i = 1; i < input_stages_.size(); ++i) {
    h = apply(input_stages_[i], h, time, context, run);
    skips.push_back(h);
  }
  h = middle(h, time, context, run);
  for (std::size_t i = 0; i + 1 < output_stages_.size(); ++i) {
    h = joined(i, h, skips.back(), run);
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
  auto h = joined(output_stages_.size() - 1, deep, first, run);
  h = apply(output_stages_.back(), std::move(h), time, context, run);
  return conv_out_->forward(h.to(at::kFloat), {.norm = norm_out_.get()});
}

}  // namespace sd
