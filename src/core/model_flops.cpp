#include "core/model_flops.h"

#include <algorithm>
#include <vector>

namespace sd {
namespace {

/// [pixels,in] by [in,out], or a convolution with that many weights a pixel and channel.
double product(int64_t pixels, int64_t in, int64_t out, int64_t taps = 1) {
  return 2.0 * static_cast<double>(pixels) * static_cast<double>(in) * static_cast<double>(out) *
         static_cast<double>(taps);
}

/// A 3x3 convolution.
double convolution(int64_t pixels, int64_t in, int64_t out) { return product(pixels, in, out, 9); }

/// q kᵀ and p v, all heads together `width` wide.
double attention(int64_t queries, int64_t keys, int64_t width) {
  return 2 * product(queries, width, keys);
}

/// One row through the UNet.
class UNetSum {
 public:
  UNetSum(const UNetConfig& config, int64_t height, int64_t width, int64_t tokens)
      : config_(config), height_(height), width_(width), tokens_(tokens) {}

  double total() {
    const int64_t base = config_.model_channels;
    sum_ = product(1, base, 4 * base) + product(1, 4 * base, 4 * base);
    sum_ += convolution(pixels(), config_.in_channels, base);
    channels_ = base;
    skips_ = {base};
    encoder();
    if (config_.middle != UNetMiddle::kNone) res_block(channels_);
    if (config_.middle == UNetMiddle::kFull) {
      transformer();
      res_block(channels_);
    }
    decoder();
    return sum_ + convolution(pixels(), channels_, config_.out_channels);
  }

 private:
  int64_t pixels() const { return height_ * width_; }
  int64_t levels() const { return static_cast<int64_t>(config_.channel_mult.size()); }
  int64_t channels_of(int64_t level) const {
    return config_.channel_mult[static_cast<std::size_t>(level)] * config_.model_channels;
  }

  void encoder() {
    for (int64_t level = 0; level < levels(); ++level) {
      for (int64_t i = 0; i < config_.num_res_blocks; ++i) {
        res_block(channels_of(level));
        if (attends()) transformer();
        skips_.push_back(channels_);
      }
      if (level + 1 == levels()) break;
      height_ = (height_ + 1) / 2;
      width_ = (width_ + 1) / 2;
      downsampling_ *= 2;
      sum_ += convolution(pixels(), channels_, channels_);
      skips_.push_back(channels_);
    }
  }

  void decoder() {
    for (int64_t level = levels() - 1; level >= 0; --level) {
      for (int64_t i = 0; i <= config_.num_res_blocks; ++i) {
        channels_ += skips_.back();
        skips_.pop_back();
        res_block(channels_of(level));
        if (attends()) transformer();
      }
      if (level == 0) break;
      height_ *= 2;
      width_ *= 2;
      downsampling_ /= 2;
      sum_ += convolution(pixels(), channels_, channels_);
    }
  }

  void res_block(int64_t out) {
    sum_ += convolution(pixels(), channels_, out) + convolution(pixels(), out, out) +
            product(1, 4 * config_.model_channels, out);
    if (channels_ != out) sum_ += product(pixels(), channels_, out);
    channels_ = out;
  }

  bool attends() const {
    const auto& at = config_.attention_resolutions;
    return std::find(at.begin(), at.end(), downsampling_) != at.end();
  }

  void transformer() {
    const int64_t heads =
        config_.num_head_channels > 0 ? channels_ / config_.num_head_channels : config_.num_heads;
    const int64_t width = heads * (channels_ / heads);
    double block = 4 * product(pixels(), width, width) + attention(pixels(), pixels(), width);
    block += 2 * product(pixels(), width, width) +
             2 * product(tokens_, config_.context_dim, width) + attention(pixels(), tokens_, width);
    block += product(pixels(), width, 8 * width) + product(pixels(), 4 * width, width);
    sum_ += 2 * product(pixels(), channels_, width) +
            static_cast<double>(config_.transformer_depth) * block;
  }

  const UNetConfig& config_;
  int64_t height_, width_, tokens_;
  int64_t channels_ = 0;
  int64_t downsampling_ = 1;
  std::vector<int64_t> skips_;
  double sum_ = 0;
};

}  // namespace

double unet_flops(const UNetConfig& config, int64_t rows, int64_t height, int64_t width,
                  int64_t tokens) {
  return static_cast<double>(rows) * UNetSum(config, height, width, tokens).total();
}

double decoder_flops(const VaeConfig& config, int64_t height, int64_t width) {
  int64_t pixels = height * width;
  int64_t channels = config.channels * config.channel_mult.back();
  double sum = product(pixels, config.embed_dim, config.z_channels) +
               convolution(pixels, config.z_channels, channels);
  const auto res_block = [&](int64_t out) {
    sum += convolution(pixels, channels, out) + convolution(pixels, out, out);
    if (channels != out) sum += product(pixels, channels, out);
    channels = out;
  };
  res_block(channels);
  sum += 4 * product(pixels, channels, channels) + attention(pixels, pixels, channels);
  res_block(channels);
  for (std::size_t level = config.channel_mult.size(); level-- > 0;) {
    for (int64_t i = 0; i <= config.num_res_blocks; ++i) {
      res_block(config.channels * config.channel_mult[level]);
    }
    if (level == 0) break;
    pixels *= 4;
    sum += convolution(pixels, channels, channels);
  }
  return sum + convolution(pixels, channels, config.out_channels);
}

double text_flops(const TextConfig& config, int64_t tokens) {
  const int64_t inner =
      config.encoder == TextEncoderKind::kBert ? config.heads * config.head_width : config.width;
  const double layer = 4 * product(tokens, config.width, inner) + attention(tokens, tokens, inner) +
                       2 * product(tokens, config.width, config.feed_forward);
  return static_cast<double>(config.layers) * layer;
}

}  // namespace sd
