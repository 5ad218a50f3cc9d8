// What is computed in half precision on a GPU: the kernels beside LibTorch's operators in float32,
// and what is built around them. Without a GPU (SD_TEST_DEVICE) a stand-in has the kernels' place.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <limits>

#include "nn/gpu.h"
#include "nn/group_norm.h"
#include "pipeline/step_watch.h"
#include "sd/core/error.h"
#include "sd/nn/layers.h"
#include "support/gpu_fixture.h"

namespace sd {
namespace {

using test::Gpu;
using test::on_gpu;

/// Both in float64, of the larger one's greatest value.
double difference(const torch::Tensor& found, const torch::Tensor& expected) {
  return test::relative_difference(found, expected);
}

// Results are rounded to 11 bits, values and weights before them.
constexpr double kHalfTolerance = 2e-3;
constexpr double kBrainTolerance = 1.6e-2;
constexpr double kFloatTolerance = 2e-6;

struct NormCase {
  std::vector<int64_t> shape;
  torch::Dtype dtype;
  double tolerance;
};

class GpuNorm : public Gpu, public testing::WithParamInterface<NormCase> {};

TEST_P(GpuNorm, EqualsLibTorchsInFloat64) {
  const auto& [shape, dtype, tolerance] = GetParam();
  const auto x = on_gpu(at::randn(shape) * 2 + 0.7, dtype);
  const auto weight = on_gpu(at::randn({shape[1]}) * 0.5 + 1, dtype);
  const auto bias = on_gpu(at::randn({shape[1]}), dtype);
  const auto channels = on_gpu(at::randn({shape[1]}), dtype);
  const auto offset = on_gpu(at::randn({shape[0], shape[1]}), dtype);
  const auto wide = [](const torch::Tensor& t) { return t.cpu().to(at::kDouble); };
  for (const bool silu : {false, true}) {
    for (const bool moved : {false, true}) {
      const GroupNormOptions options{32, weight, bias, 1e-5, silu};
      const auto maps = x.contiguous(at::MemoryFormat::ChannelsLast);
      ASSERT_TRUE(gpu::norms(maps, options));
      const auto found =
          gpu::group_norm(maps, options, moved ? gpu::Offset{channels, offset} : gpu::Offset{});
      auto given = wide(x);
      if (moved) {
        given = given + wide(offset).unsqueeze(-1).unsqueeze(-1) +
                wide(channels).unsqueeze(-1).unsqueeze(-1);
      }
      auto expected = at::group_norm(given, 32, wide(weight), wide(bias), 1e-5);
      if (silu) expected = at::silu(expected);
      EXPECT_LT(difference(found, expected), tolerance) << silu << moved;
      EXPECT_EQ(found.scalar_type(), dtype);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OfSizes, GpuNorm,
                         testing::Values(NormCase{{2, 320, 16, 16}, at::kHalf, kHalfTolerance},
                                         NormCase{{1, 128, 96, 64}, at::kHalf, kHalfTolerance},
                                         NormCase{{3, 1280, 2, 2}, at::kHalf, kHalfTolerance},
                                         NormCase{{1, 2560, 4, 4}, at::kHalf, kHalfTolerance},
                                         NormCase{{2, 32, 5, 7}, at::kHalf, kHalfTolerance},
                                         NormCase{{2, 640, 8, 8}, at::kBFloat16, kBrainTolerance},
                                         NormCase{{2, 320, 16, 16}, at::kFloat, kFloatTolerance},
                                         NormCase{{1, 2560, 3, 3}, at::kFloat, kFloatTolerance}));

TEST_F(Gpu, GroupsFarFromZeroKeepTheirDeviations) {
  // A mean of 30 deviations: what a sum of squares loses shows.
  const auto x = (at::randn({1, 64, 64, 64}) + 30).contiguous(at::MemoryFormat::ChannelsLast);
  const auto one = at::ones({64}), none = at::zeros({64});
  const auto found = gpu::group_norm(on_gpu(x, at::kFloat),
                                     {32, on_gpu(one, at::kFloat), on_gpu(none, at::kFloat)});
  const auto expected =
      at::group_norm(x.to(at::kDouble), 32, one.to(at::kDouble), none.to(at::kDouble));
  EXPECT_LT(difference(found, expected), 1e-4);
}

TEST_F(Gpu, AddsToMapsInPlace) {
  auto x = on_gpu(at::randn({2, 48, 6, 5})).contiguous(at::MemoryFormat::ChannelsLast);
  const auto before = x.cpu().to(at::kFloat);
  const auto bias = on_gpu(at::randn({48})), offset = on_gpu(at::randn({1, 48}));
  const auto residual = on_gpu(at::randn({2, 48, 6, 5}));
  const auto* memory = x.const_data_ptr();
  const auto found = gpu::add(x, {bias, offset}, residual);
  EXPECT_EQ(found.const_data_ptr(), memory);
  const auto maps = [](const torch::Tensor& t) {
    return t.cpu().to(at::kFloat).reshape({1, -1, 1, 1});
  };
  EXPECT_LT(difference(found, before + maps(bias) + maps(offset) + residual.cpu().to(at::kFloat)),
            1e-3);
}

TEST_F(Gpu, AddsChannelsThatItsKernelsDoNotTake) {
  auto x = on_gpu(at::randn({2, 3, 4, 4})).contiguous(at::MemoryFormat::ChannelsLast);
  const auto before = x.cpu().to(at::kFloat);
  const auto bias = on_gpu(at::randn({3}));
  const auto found = gpu::add(x, {bias, {}}, {});
  EXPECT_LT(difference(found, before + bias.cpu().to(at::kFloat).reshape({1, 3, 1, 1})), 1e-3);
}

TEST_F(Gpu, GatesRows) {
  const auto x = on_gpu(at::randn({2, 77, 640}));
  const auto halves = x.cpu().to(at::kFloat).chunk(2, -1);
  EXPECT_LT(difference(gpu::gate(x), halves[0] * at::gelu(halves[1])), 1e-3);
}

TEST_F(Gpu, UploadsWhatItIsGiven) {
  const auto large = at::randn({3, 1 << 20});  // several pieces
  const auto turned = at::randn({7, 5}).t(), nothing = at::empty({0, 4});
  for (const auto& values : {large, turned, nothing, torch::Tensor(at::randn({3}).to(at::kHalf))}) {
    const auto there = gpu::uploaded(values, test::device());
    EXPECT_EQ(there.device().type(), test::device().type());
    EXPECT_TRUE(there.cpu().equal(values));
  }
}

TEST_F(Gpu, NotesTheFirstStepThatIsNotFinite) {
  auto first = at::full({1}, -1, at::TensorOptions().dtype(at::kInt).device(test::device()));
  auto x = on_gpu(at::randn({1, 4, 64, 64}), at::kFloat);
  gpu::note_nonfinite(x, 0, first);
  EXPECT_EQ(first.item<int>(), -1);
  x.view({-1}).narrow(0, 16383, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  gpu::note_nonfinite(x, 3, first);
  gpu::note_nonfinite(x, 4, first);
  EXPECT_EQ(first.item<int>(), 3);
}

TEST_F(Gpu, AStepThatWentWrongIsToldAtTheEnd) {
  StepWatch watch;
  const auto good = on_gpu(at::randn({1, 4, 8, 8}), at::kFloat);
  const auto bad = good / 0;
  const auto show = [&](int64_t step, const torch::Tensor& x) {
    watch.after({step, 4, 900.0 - 100 * static_cast<double>(step), x, x});
  };
  show(0, good);
  EXPECT_NO_THROW(watch.finish());
  for (const int64_t step : {1, 2, 3}) show(step, bad);
  try {
    watch.finish();
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("after step 2 of 4 (t = 800)"), std::string::npos)
        << error.what();
  }
}

/// A layer's weights, in float32 and as a GPU holds them.
template <typename Layer>
Layer with_weights(Layer reference, Layer layer) {
  for (auto& item : parameter_slots(*reference)) {
    const auto value = torch::Tensor(at::randn(item.shape) * 0.1).to(at::kHalf);
    item.bind(value.to(at::kFloat));
    for (auto& slot : parameter_slots(*layer)) {
      if (slot.name == item.name) slot.bind(value.to(test::device()));
    }
  }
  return layer;
}

TEST_F(Gpu, ConvolutionsEqualThoseInFloat32) {
  const auto x = torch::Tensor(at::randn({2, 32, 8, 6})).to(at::kHalf);
  for (const int64_t kernel : {1, 3}) {
    Conv2d reference(32, 64, kernel, 1, kernel / 2);
    auto layer = with_weights(reference, Conv2d(32, 64, kernel, 1, kernel / 2));
    const auto offset = torch::Tensor(at::randn({1, 64})).to(at::kHalf);
    for (const bool upsampled : {false, true}) {
      const int64_t scale = upsampled ? 2 : 1;
      const auto residual = torch::Tensor(at::randn({2, 64, 8 * scale, 6 * scale})).to(at::kHalf);
      for (const bool adds : {false, true}) {
        ConvExtras given{.upsampled = upsampled}, wanted{.upsampled = upsampled};
        if (adds) {
          given.offset = on_gpu(offset);
          given.residual = on_gpu(residual);
          wanted.offset = offset.to(at::kFloat);
          wanted.residual = residual.to(at::kFloat);
        }
        const auto found = layer->forward(on_gpu(x), given);
        EXPECT_TRUE(found.is_contiguous(at::MemoryFormat::ChannelsLast));
        EXPECT_LT(difference(found, reference->forward(x.to(at::kFloat), wanted)), kHalfTolerance)
            << kernel << upsampled << adds;
      }
    }
  }
}

TEST_F(Gpu, AConvolutionPadsOnOneSide) {
  const Conv2dOptions options{.stride = 2, .padding = 1, .padding_before = 0};
  Conv2d reference(16, 16, 3, options);
  auto layer = with_weights(reference, Conv2d(16, 16, 3, options));
  const auto x = torch::Tensor(at::randn({1, 16, 8, 8})).to(at::kHalf);
  EXPECT_LT(difference(layer->forward(on_gpu(x)), reference->forward(x.to(at::kFloat))),
            kHalfTolerance);
}

TEST_F(Gpu, LinearLayersGateAndAddInPlace) {
  Linear reference(32, 128), layer = with_weights(reference, Linear(32, 128));
  const auto x = torch::Tensor(at::randn({2, 9, 32})).to(at::kHalf);
  const auto residual = torch::Tensor(at::randn({2, 9, 64})).to(at::kHalf);
  const auto kept = on_gpu(residual);
  const auto found =
      layer->forward(on_gpu(x), {.activation = LayerFinish::Activation::kGated, .residual = kept});
  const auto wanted = reference->forward(
      x.to(at::kFloat),
      {.activation = LayerFinish::Activation::kGated, .residual = residual.to(at::kFloat)});
  EXPECT_LT(difference(found, wanted), kHalfTolerance);
  EXPECT_TRUE(kept.cpu().equal(residual));
}

TEST_F(Gpu, JoinedLayersAreOneProductWhoseWeightsLieTogether) {
  Linear q(32, 64, false), k(32, 64, false), v(32, 64, false);
  for (auto* layer : {&q, &k, &v}) {
    (*layer)->bind("weight", on_gpu(at::randn({64, 32}) * 0.1));
  }
  const auto x = on_gpu(at::randn({2, 9, 32}));
  const auto apart = std::vector{q->forward(x), k->forward(x), v->forward(x)};
  for (int call = 0; call < 2; ++call) {
    const auto parts = joined_linear(x, {q.get(), k.get(), v.get()}).chunk(3, -1);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(difference(parts[i], apart[i]), 2e-3);
  }
  EXPECT_TRUE(q->weight.is_alias_of(v->weight));
  EXPECT_LT(difference(k->forward(x), apart[1]), 2e-3);
}

TEST_F(Gpu, JoinedLayersAddTheirBiases) {
  Linear q(32, 64), k(32, 64);
  for (auto* layer : {&q, &k}) {
    (*layer)->bind("weight", on_gpu(at::randn({64, 32}) * 0.1));
    (*layer)->bind("bias", on_gpu(at::randn({64})));
  }
  const auto x = on_gpu(at::randn({2, 9, 32}));
  const auto apart = std::vector{q->forward(x), k->forward(x)};
  const auto parts = joined_linear(x, {q.get(), k.get()}).chunk(2, -1);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_LT(difference(parts[i], apart[i]), 2e-3);
}

}  // namespace
}  // namespace sd
