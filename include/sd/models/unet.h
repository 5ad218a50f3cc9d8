#pragma once

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
  /// x [R,in,h,w], shift [R,out] or [1,out] → [R,out,h,w].
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& shift);

 private:
  GroupNorm in_norm{nullptr}, out_norm{nullptr};
  Conv2d in_conv{nullptr}, out_conv{nullptr}, skip_{nullptr};
  Linear emb_proj{nullptr};
};
TORCH_MODULE(ResBlock);

/// The denoising UNet of latent diffusion; parameters carry the names of
/// ldm.modules.diffusionmodules.openaimodel.UNetModel.
class UNetImpl : public torch::nn::Module {
 public:
  explicit UNetImpl(const UNetConfig& config);

  /// Predicts the noise in x [R,C,h,w] at timesteps t [R], or [1] where they are the same (float32
  /// or int64), given context [R,K,D] → [R,C_out,h,w] float32. With `run.same_as`, t is [1]; with
  /// `run.time_row` it is not looked at. h and w must be multiples of 2^(levels-1).
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t,
                        const torch::Tensor& context, const ForwardContext& run);

  /// Fills a table with the shifts of all its timesteps, in `dtype`, on the device of `like`.
  /// `condition` is ForwardEdits' time_condition of all rows, [1,W].
  void fill(TimeTable& table, const torch::Tensor& like, torch::Dtype dtype,
            const torch::Tensor& condition = {});

  const UNetConfig& config() const { return config_; }

 private:
  struct Stage {  // one entry of input_blocks, middle or output_blocks: what is absent is null
    Conv2d conv_in{nullptr};
    ResBlock res{nullptr};
    SpatialTransformer transformer{nullptr};
    Conv2d downsample{nullptr};
    Conv2d upsample{nullptr};
  };
  /// Where the residual blocks have the shift for the time from.
  struct Time {
    const TimeTable* table = nullptr;
    int64_t row = 0;          // of the table
    torch::Tensor activated;  // without a table: SiLU(time embedding), [R,E] or [1,E]

    torch::Tensor shift(ResBlock& block) const;
  };
  /// SiLU(time embedding) of t [T] → [T,E], or [R,E] with a condition of each row.
  torch::Tensor activated_time(const torch::Tensor& t, torch::Dtype dtype,
                               const torch::Tensor& condition);
  Time time_of(const torch::Tensor& t, torch::Dtype dtype, const ForwardContext& run);

  /// What output block number `stage` starts from.
  torch::Tensor joined(std::size_t stage, torch::Tensor h, torch::Tensor skip,
                       const ForwardContext& run) const;
  torch::Tensor middle(torch::Tensor h, const Time& time, const torch::Tensor& context,
                       const ForwardContext& run);
  torch::Tensor apply(Stage& stage, torch::Tensor h, const Time& time, const torch::Tensor& context,
                      const ForwardContext& run);
  /// All layers but the first convolution, whose output h is, the last output block and the output:
  /// what the last output block is given beside h.
  torch::Tensor deep_features(torch::Tensor h, const Time& time, const torch::Tensor& context,
                              const ForwardContext& run);
  SpatialTransformer make_transformer(UNetPart part, int64_t block, int64_t downsampling,
                                      int64_t channels) const;
  void build_input_blocks(std::vector<int64_t>& skip_channels);
  void build_middle_block(int64_t channels);
  void build_output_blocks(std::vector<int64_t> skip_channels);
  bool attends_at(int64_t downsampling) const;

  UNetConfig config_;
  Linear time_in_{nullptr}, time_out_{nullptr}, time_condition_{nullptr};
  std::vector<Stage> input_stages_, output_stages_;
  ResBlock middle_first_{nullptr}, middle_last_{nullptr};
  SpatialTransformer middle_transformer_{nullptr};
  GroupNorm norm_out_{nullptr};
  Conv2d conv_out_{nullptr};
};
TORCH_MODULE(UNet);

}  // namespace sd
