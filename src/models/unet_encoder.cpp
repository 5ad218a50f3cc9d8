#include "sd/models/unet_encoder.h"

#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "models/unet_norm.h"
#include "sd/nn/equal_rows.h"
#include "sd/nn/forward_edits.h"
#include "sd/nn/time_table.h"
#include "sd/nn/timestep_embedding.h"

namespace sd {

ResBlockImpl::ResBlockImpl(int64_t in_channels, int64_t embedding_width, int64_t out_channels,
                           int64_t norm_groups) {
  auto in_layers = register_module("in_layers", Group());
  in_norm = in_layers->put("0", GroupNorm(norm_groups, in_channels, kUNetNormEps));
  in_conv = in_layers->put("2", Conv2d(in_channels, out_channels, 3, 1, 1));
  auto emb_layers = register_module("emb_layers", Group());
  emb_proj = emb_layers->put("1", Linear(embedding_width, out_channels));
  auto out_layers = register_module("out_layers", Group());
  out_norm = out_layers->put("0", GroupNorm(norm_groups, out_channels, kUNetNormEps));
  out_conv = out_layers->put("3", Conv2d(out_channels, out_channels, 3, 1, 1));
  if (in_channels != out_channels) {
    skip_ = register_module("skip_connection", Conv2d(in_channels, out_channels, 1));
  }
}

torch::Tensor ResBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& shift,
                                    const std::vector<int64_t>& taken) {
  auto h = in_conv->forward(x, {.norm = in_norm.get(), .offset = shift});  // [R,out,h,w]
  // What follows goes row by row: the features of these rows are made from them.
  if (!taken.empty()) h = rows_at(h, taken);
  return out_conv->forward(h, {.norm = out_norm.get(), .residual = skip_ ? skip_->forward(x) : x});
}

UNetEncoderImpl::UNetEncoderImpl(const UNetConfig& config) : config_(config) {
  const int64_t width = config.model_channels;
  auto time_embed = register_module("time_embed", Group());
  time_in_ = time_embed->put("0", Linear(width, 4 * width));
  time_out_ = time_embed->put("2", Linear(4 * width, 4 * width));
  if (config.time_cond_width > 0) {
    time_condition_ =
        time_embed->put("cond_proj", Linear(config.time_cond_width, width, /*with_bias=*/false));
  }
  build_input_blocks();
  build_middle_block(skip_channels_.back());
}

bool UNetEncoderImpl::attends_at(int64_t downsampling) const {
  const auto& at = config_.attention_resolutions;
  return std::find(at.begin(), at.end(), downsampling) != at.end();
}

SpatialTransformer UNetEncoderImpl::make_transformer(UNetPart part, int64_t block,
                                                     int64_t downsampling, int64_t channels) const {
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

void UNetEncoderImpl::build_input_blocks() {
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
  skip_channels_ = {channels};

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
      skip_channels_.push_back(channels);
    }
    if (level + 1 == levels) break;
    add_block(block);
    Stage stage;
    stage.downsample = block->put("0", Group())->put("op", Conv2d(channels, channels, 3, 2, 1));
    input_stages_.push_back(stage);
    skip_channels_.push_back(channels);
    downsampling *= 2;
  }
}

void UNetEncoderImpl::build_middle_block(int64_t channels) {
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

torch::Tensor UNetEncoderImpl::Time::shift(ResBlock& block) const {
  return table != nullptr ? table->shift(block.get(), row) : block->time_shift(activated);
}

torch::Tensor UNetEncoderImpl::activated_time(const torch::Tensor& t, torch::Dtype dtype,
                                              const torch::Tensor& condition) {
  auto embedding = timestep_embedding(t, config_.model_channels);
  if (condition.defined()) embedding = embedding + time_condition_->forward(condition);
  const auto time = time_out_->forward(at::silu(time_in_->forward(embedding)));
  return at::silu(time).to(dtype);  // every residual block starts with this SiLU
}

void UNetEncoderImpl::fill(TimeTable& table, const torch::Tensor& like, torch::Dtype dtype,
                           const torch::Tensor& condition) {
  const auto all = at::tensor(table.timesteps(), at::kDouble).to(like.options());
  const auto activated = activated_time(all, dtype, condition);
  std::vector<std::pair<const void*, torch::Tensor>> shifts;
  const auto keep = [&](ResBlock& block) {
    shifts.emplace_back(block.get(), block->time_shift(activated));
  };
  auto stages = further_stages();
  for (auto& stage : input_stages_) stages.push_back(&stage);
  for (auto* stage : stages) {
    if (stage->res) keep(stage->res);
  }
  if (middle_first_) keep(middle_first_);
  if (middle_last_) keep(middle_last_);
  table.fill(shifts);
}

UNetEncoderImpl::Time UNetEncoderImpl::time_of(const torch::Tensor& t, torch::Dtype dtype,
                                               const ForwardContext& run) {
  const auto condition = run.edits != nullptr ? run.edits->time_condition : torch::Tensor();
  if (run.times == nullptr || !run.time_row) {
    return {.activated = activated_time(t, dtype, condition)};
  }
  if (!run.times->is_filled()) fill(*run.times, t, dtype, condition);
  return {.table = run.times, .row = *run.time_row, .activated = {}};
}

torch::Tensor UNetEncoderImpl::apply(Stage& stage, torch::Tensor h, const Time& time,
                                     const torch::Tensor& context, const ForwardContext& run) {
  if (stage.conv_in) return stage.conv_in->forward(h.to(at::kFloat)).to(context.scalar_type());
  if (stage.downsample) return stage.downsample->forward(h);
  std::vector<int64_t> taken;
  if (stage.output_block && run.edits != nullptr && run.edits->sharer != nullptr) {
    taken = run.edits->sharer->features(*stage.output_block, run.step, run.rows, h.size(0));
  }
  h = stage.res->forward(h, time.shift(stage.res), taken);
  if (stage.transformer) h = stage.transformer->forward(h, context, run);
  if (stage.upsample) h = stage.upsample->forward(h, {.upsampled = true});
  return h;
}

torch::Tensor UNetEncoderImpl::apply_middle(const torch::Tensor& h, const Time& time,
                                            const torch::Tensor& context,
                                            const ForwardContext& run) {
  auto deep = all_rows(h, run.same_as);
  if (middle_first_) deep = middle_first_->forward(deep, time.shift(middle_first_));
  if (middle_transformer_) deep = middle_transformer_->forward(deep, context, run);
  if (middle_last_) deep = middle_last_->forward(deep, time.shift(middle_last_));
  return deep;
}

bool UNetEncoderImpl::ends_level(std::size_t input_block) const {
  return input_block + 1 == input_stages_.size() || input_stages_[input_block + 1].downsample;
}

}  // namespace sd
