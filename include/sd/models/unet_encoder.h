#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/nn/attention_controller.h"
#include "sd/nn/layers.h"
#include "sd/nn/spatial_transformer.h"

namespace sd {

/// Residual block with a time shift: GN-SiLU-conv, + W·SiLU(emb), GN-SiLU-conv, + skip.
class ResBlockImpl : public torch::nn::Module {
 public:
  ResBlockImpl(int64_t in_channels, int64_t embedding_width, int64_t out_channels,
               int64_t norm_groups);
  /// W·SiLU(emb): activated [R,E] = SiLU(time embedding) → [R,out].
  torch::Tensor time_shift(const torch::Tensor& activated) { return emb_proj->forward(activated); }
  /// x [R,in,h,w], shift [R,out] or [1,out] → [R,out,h,w]. `taken`: for each row, the row whose
  /// features behind the last convolution it has; empty: its own.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& shift,
                        const std::vector<int64_t>& taken = {});

 private:
  GroupNorm in_norm{nullptr}, out_norm{nullptr};
  Conv2d in_conv{nullptr}, out_conv{nullptr}, skip_{nullptr};
  Linear emb_proj{nullptr};
};
TORCH_MODULE(ResBlock);

/// The way down of a UNet with its middle and the embedding of the time: what a UNet and a
/// ControlNet have in common, under the names of ldm's UNetModel.
class UNetEncoderImpl : public torch::nn::Module {
 public:
  /// Fills a table with the shifts of all its timesteps, in `dtype`, on the device of `like`.
  /// `condition` is ForwardEdits' time_condition of all rows, [1,W].
  void fill(TimeTable& table, const torch::Tensor& like, torch::Dtype dtype,
            const torch::Tensor& condition = {});

  const UNetConfig& config() const { return config_; }

 protected:
  explicit UNetEncoderImpl(const UNetConfig& config);

  struct Stage {  // one entry of input_blocks, middle or output_blocks: what is absent is null
    Conv2d conv_in{nullptr};
    ResBlock res{nullptr};
    SpatialTransformer transformer{nullptr};
    Conv2d downsample{nullptr};
    Conv2d upsample{nullptr};
    std::optional<int64_t> output_block;  // its number, of output blocks
  };
  /// Where the residual blocks have the shift for the time from.
  struct Time {
    const TimeTable* table = nullptr;
    int64_t row = 0;          // of the table
    torch::Tensor activated;  // without a table: SiLU(time embedding), [R,E] or [1,E]

    torch::Tensor shift(ResBlock& block) const;
  };
  Time time_of(const torch::Tensor& t, torch::Dtype dtype, const ForwardContext& run);

  torch::Tensor apply(Stage& stage, torch::Tensor h, const Time& time, const torch::Tensor& context,
                      const ForwardContext& run);
  /// The middle block over what the last input block made, of all rows.
  torch::Tensor apply_middle(const torch::Tensor& h, const Time& time, const torch::Tensor& context,
                             const ForwardContext& run);
  /// Whether an input block is the last of its level's.
  bool ends_level(std::size_t input_block) const;

  /// Of the stages that a derived class adds.
  virtual std::vector<Stage*> further_stages() { return {}; }
  SpatialTransformer make_transformer(UNetPart part, int64_t block, int64_t downsampling,
                                      int64_t channels) const;
  bool attends_at(int64_t downsampling) const;

  UNetConfig config_;
  std::vector<Stage> input_stages_;
  std::vector<int64_t> skip_channels_;  // of what each of them makes

 private:
  /// SiLU(time embedding) of t [T] → [T,E], or [R,E] with a condition of each row.
  torch::Tensor activated_time(const torch::Tensor& t, torch::Dtype dtype,
                               const torch::Tensor& condition);
  void build_input_blocks();
  void build_middle_block(int64_t channels);

  Linear time_in_{nullptr}, time_out_{nullptr}, time_condition_{nullptr};
  ResBlock middle_first_{nullptr}, middle_last_{nullptr};
  SpatialTransformer middle_transformer_{nullptr};
};

}  // namespace sd
