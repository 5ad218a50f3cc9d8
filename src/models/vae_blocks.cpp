#include "models/vae_blocks.h"

#include <limits>
#include <string>
#include <utility>

#include "nn/kept_memory.h"
#include "nn/layer_profile.h"
#include "sd/nn/attention.h"

namespace sd {
namespace {

constexpr double kNormEps = 1e-6;
// Bytes; above what blocks of 512×512 pixels need, whose memory is kept from picture to picture.
constexpr int64_t kReleasedFrom = 600'000'000;

/// How the blocks of a picture are computed, in order.
class PlannedBlocks {
 public:
  PlannedBlocks(std::vector<BlockMaps> blocks, const VaeMemory& memory, bool can_band)
      : blocks_(std::move(blocks)),
        most_(can_band ? memory.most : std::numeric_limits<int64_t>::max()) {}

  /// A block that needs more than those before does not find its memory among what is kept of
  /// them, which would stay beside it.
  BlockPlan next() {
    const auto& block = blocks_.at(next_++);
    const auto plan = block.plan(most_);
    if (const int64_t bytes = block.bytes(plan); bytes > needed_) {
      if (bytes > kReleasedFrom) release_kept_memory();
      needed_ = bytes;
    }
    return plan;
  }

 private:
  std::vector<BlockMaps> blocks_;
  int64_t most_;
  int64_t needed_ = 0;
  std::size_t next_ = 0;
};

}  // namespace

VaeResBlockImpl::VaeResBlockImpl(int64_t in_channels, int64_t out_channels, int64_t norm_groups) {
  layers_.norm1 = register_module("norm1", GroupNorm(norm_groups, in_channels, kNormEps));
  layers_.conv1 = register_module("conv1", Conv2d(in_channels, out_channels, 3, 1, 1));
  layers_.norm2 = register_module("norm2", GroupNorm(norm_groups, out_channels, kNormEps));
  layers_.conv2 = register_module("conv2", Conv2d(out_channels, out_channels, 3, 1, 1));
  if (in_channels != out_channels) {
    layers_.shortcut = register_module("nin_shortcut", Conv2d(in_channels, out_channels, 1));
  }
}

torch::Tensor VaeResBlockImpl::forward(VaeMaps maps, BlockPlan plan, int64_t band_rows) {
  if (plan != BlockPlan::kWhole) return block_in_bands(layers_, std::move(maps), plan, band_rows);
  const auto& x = maps.whole();
  const auto h = layers_.conv1->forward(x, {.norm = layers_.norm1.get()});
  return layers_.conv2->forward(h, {.norm = layers_.norm2.get(),
                                    .residual = layers_.shortcut ? layers_.shortcut->forward(x) : x,
                                    .in_residual = true});
}

VaeAttentionImpl::VaeAttentionImpl(int64_t channels, int64_t norm_groups) {
  norm = register_module("norm", GroupNorm(norm_groups, channels, kNormEps));
  q = register_module("q", Conv2d(channels, channels, 1));
  k = register_module("k", Conv2d(channels, channels, 1));
  v = register_module("v", Conv2d(channels, channels, 1));
  proj_out = register_module("proj_out", Conv2d(channels, channels, 1));
}

torch::Tensor VaeAttentionImpl::forward(const torch::Tensor& x) {
  const TimedLayer timed(*this, "attention", x, [&] {
    return 4.0 * static_cast<double>(x.numel() * x.size(2) * x.size(3));
  });
  const auto normed = norm->forward(x);
  const auto sequence = [](const torch::Tensor& map) { return map.flatten(2).transpose(1, 2); };
  const auto mixed = attention_of_projections(
      sequence(q->forward(normed)), sequence(k->forward(normed)), sequence(v->forward(normed)),
      /*heads=*/1);  // [N,h·w,C]
  return proj_out->forward(mixed.transpose(1, 2).unflatten(2, {x.size(2), x.size(3)}),
                           {.residual = x});
}

VaeMiddleImpl::VaeMiddleImpl(int64_t channels, int64_t norm_groups) {
  block_1 = register_module("block_1", VaeResBlock(channels, channels, norm_groups));
  attn_1 = register_module("attn_1", VaeAttention(channels, norm_groups));
  block_2 = register_module("block_2", VaeResBlock(channels, channels, norm_groups));
}

torch::Tensor VaeMiddleImpl::forward(const torch::Tensor& x) {
  return block_2->forward({attn_1->forward(block_1->forward({x}))});
}

VaeEncoderImpl::VaeEncoderImpl(const VaeConfig& config) : config_(config) {
  int64_t channels = config.channels;
  conv_in = register_module("conv_in", Conv2d(config.in_channels, channels, 3, 1, 1));
  auto down = register_module("down", Group());
  const int64_t count = static_cast<int64_t>(config.channel_mult.size());
  for (int64_t i = 0; i < count; ++i) {
    auto level_module = down->put(std::to_string(i), Group());
    auto block_list = level_module->put("block", Group());
    const int64_t out = config.channels * config.channel_mult[i];
    VaeLevel level;
    for (int64_t j = 0; j < config.num_res_blocks; ++j) {
      level.blocks.push_back(
          block_list->put(std::to_string(j), VaeResBlock(channels, out, config.norm_groups)));
      channels = out;
    }
    if (i + 1 < count) {
      // The original pads below and to the right only.
      level.resample =
          level_module->put("downsample", Group())
              ->put("conv", Conv2d(channels, channels, 3,
                                   Conv2dOptions{.stride = 2, .padding = 1, .padding_before = 0}));
    }
    levels_.push_back(level);
  }
  mid = register_module("mid", VaeMiddle(channels, config.norm_groups));
  norm_out = register_module("norm_out", GroupNorm(config.norm_groups, channels, kNormEps));
  conv_out = register_module("conv_out", Conv2d(channels, 2 * config.z_channels, 3, 1, 1));
}

torch::Tensor VaeEncoderImpl::forward(const torch::Tensor& pictures, const VaeMemory& memory) {
  PlannedBlocks plans(
      encoder_blocks(config_, pictures.size(2), pictures.size(3), pictures.element_size()), memory,
      conv_in->makes_rows(pictures));
  auto h = conv_in->forward(pictures);
  for (auto& level : levels_) {
    for (auto& block : level.blocks) {
      const auto plan = plans.next();
      h = block->forward({std::exchange(h, {})}, plan, memory.band_rows);
    }
    if (level.resample) h = level.resample->forward(h);
  }
  h = mid->forward(h);
  return conv_out->forward(h, {.norm = norm_out.get()});
}

VaeDecoderImpl::VaeDecoderImpl(const VaeConfig& config) : config_(config) {
  const int64_t count = static_cast<int64_t>(config.channel_mult.size());
  int64_t channels = config.channels * config.channel_mult.back();
  conv_in = register_module("conv_in", Conv2d(config.z_channels, channels, 3, 1, 1));
  mid = register_module("mid", VaeMiddle(channels, config.norm_groups));
  auto up = register_module("up", Group());
  levels_.resize(count);
  for (int64_t i = count - 1; i >= 0; --i) {
    auto level_module = up->put(std::to_string(i), Group());
    auto block_list = level_module->put("block", Group());
    const int64_t out = config.channels * config.channel_mult[i];
    for (int64_t j = 0; j <= config.num_res_blocks; ++j) {
      levels_[i].blocks.push_back(
          block_list->put(std::to_string(j), VaeResBlock(channels, out, config.norm_groups)));
      channels = out;
    }
    if (i > 0) {
      levels_[i].resample =
          level_module->put("upsample", Group())->put("conv", Conv2d(channels, channels, 3, 1, 1));
    }
  }
  norm_out = register_module("norm_out", GroupNorm(config.norm_groups, channels, kNormEps));
  conv_out = register_module("conv_out", Conv2d(channels, config.out_channels, 3, 1, 1));
}

torch::Tensor VaeDecoderImpl::forward(const torch::Tensor& z, const VaeMemory& memory) {
  PlannedBlocks plans(decoder_blocks(config_, z.size(2), z.size(3), z.element_size()), memory,
                      conv_in->makes_rows(z));
  auto h = mid->forward(conv_in->forward(z));
  Conv2d upsample{nullptr};  // of the level before
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    for (auto& block : level->blocks) {
      const auto plan = plans.next();
      h = block->forward({std::exchange(h, {}), std::exchange(upsample, nullptr)}, plan,
                         memory.band_rows);
    }
    upsample = level->resample;
  }
  return conv_out->forward(h, {.norm = norm_out.get()});
}

}  // namespace sd
