#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <cstring>

#include "nn/conv_rows.h"
#include "nn/kept_memory.h"
#include "sd/core/error.h"
#include "sd/nn/layers.h"
#include "sd/nn/timestep_embedding.h"
#include "support/expect_error.h"

namespace sd {
namespace {

TEST(Layers, StartWithoutMemory) {
  Linear layer(1'000'000, 1'000'000);  // 4 TB if it were allocated
  EXPECT_TRUE(layer->weight.is_meta());
}

TEST(Layers, BindRefusesAnotherShape) {
  Linear layer(4, 3);
  test::expect_error<Error>([&] { layer->bind("weight", at::randn({4, 3})); }, "[4,3]", "[3,4]");
}

TEST(Layers, BoundTensorsAreTheModulesParameters) {
  Linear layer(4, 3);
  layer->bind("weight", at::randn({3, 4}));
  EXPECT_TRUE(layer->named_parameters()["weight"].equal(layer->weight));
}

TEST(Layers, SlotsCarryTheDottedNames) {
  Group root;
  root->put("in_layers", Group())->put("2", Conv2d(3, 5, 3, 1, 1));
  const auto slots = parameter_slots(*root);
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots[0].name, "in_layers.2.weight");
  EXPECT_EQ(slots[0].shape, (std::vector<int64_t>{5, 3, 3, 3}));
  EXPECT_EQ(slots[1].name, "in_layers.2.bias");
}

TEST(Conv2d, KeepsItsValuesHoweverTheWeightIsPacked) {
  Conv2d layer(16, 24, 3, 2, 1);
  const auto weight = at::randn({24, 16, 3, 3}), bias = at::randn({24});
  layer->bind("weight", weight.clone());
  layer->bind("bias", bias);
  const c10::InferenceMode inference;  // packing is for inference only
  for (const auto& [height, width] : {std::pair{9, 7}, {32, 32}, {9, 7}}) {
    const auto x = at::randn({2, 16, height, width});
    const auto expected = at::conv2d(x, weight, bias, {2, 2}, {1, 1});
    // 144 products a value, summed in another order.
    EXPECT_LT((layer->forward(x) - expected).abs().max().item<double>(), 1e-4);
  }
}

/// What forward makes, and the same from rows [first,first + stored) of x alone, where it has rows
/// [begin,begin + count) of the output.
struct MadeRows {
  int64_t first, stored, begin, count;
};

void expect_rows(Conv2d layer, bool upsampled, const MadeRows& rows) {
  const c10::InferenceMode inference;
  layer->bind("weight", at::randn(layer->weight.sizes()));
  layer->bind("bias", at::randn(layer->bias.sizes()));
  const auto x = at::randn({1, 16, 24, 20}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto expected =
      layer->forward(x, {.upsampled = upsampled}).narrow(2, rows.begin, rows.count);
  auto out = at::empty_like(expected, at::MemoryFormat::ChannelsLast);
  layer->forward_rows({.x = x.narrow(2, rows.first, rows.stored),
                       .first = rows.first,
                       .upsampled = upsampled,
                       .out = out,
                       .begin = rows.begin});
  EXPECT_LT((out - expected).abs().max().item<double>(), 1e-4);
}

TEST(Conv2dRows, AtTheTopHaveZerosAbove) {
  expect_rows(Conv2d(16, 32, 3, 1, 1), false, {0, 9, 0, 8});
}

TEST(Conv2dRows, InTheMiddleTakeOnesOnBothSides) {
  expect_rows(Conv2d(16, 32, 3, 1, 1), false, {7, 10, 8, 8});
}

TEST(Conv2dRows, AtTheBottomHaveZerosBelow) {
  expect_rows(Conv2d(16, 32, 3, 1, 1), false, {12, 12, 13, 11});
}

TEST(Conv2dRows, TakeWhatTheyNeedOfAWholePicture) {
  expect_rows(Conv2d(16, 32, 3, 1, 1), false, {0, 24, 5, 9});
}

TEST(Conv2dRows, OfADoubledPictureMayBeginWithEitherHalf) {
  expect_rows(Conv2d(16, 32, 3, 1, 1), true, {2, 8, 6, 11});
  expect_rows(Conv2d(16, 32, 3, 1, 1), true, {3, 8, 7, 12});
}

TEST(Conv2dRows, OfEverySecondPixelPadBelowAlone) {
  const Conv2dOptions below{.stride = 2, .padding = 1, .padding_before = 0};
  expect_rows(Conv2d(16, 32, 3, below), false, {8, 16, 4, 8});
}

TEST(Conv2dRows, OfSinglePixelsAreThemselves) {
  expect_rows(Conv2d(16, 32, 1), false, {4, 8, 6, 5});
}

TEST(Conv2d, WritesOverTheResidualWhereItIsAskedTo) {
  const c10::InferenceMode inference;
  Conv2d layer(16, 32, 3, 1, 1);
  layer->bind("weight", at::randn({32, 16, 3, 3}));
  layer->bind("bias", at::randn({32}));
  const auto x = at::randn({1, 16, 9, 7});
  auto residual = at::randn({1, 32, 9, 7}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto expected = layer->forward(x, {.residual = residual});
  const auto out = layer->forward(x, {.residual = residual, .in_residual = true});
  EXPECT_EQ(out.data_ptr(), residual.data_ptr());
  EXPECT_TRUE(residual.equal(expected));
}

TEST(Conv2d, TrainsLikeAnyOther) {
  Conv2d layer(3, 5, 3, 1, 1);
  layer->bind("weight", at::randn({5, 3, 3, 3}).requires_grad_());
  layer->bind("bias", at::randn({5}).requires_grad_());
  {
    const c10::InferenceMode inference;  // a sample drawn between two training steps
    layer->forward(at::randn({1, 3, 8, 8}));
  }
  layer->forward(at::randn({1, 3, 8, 8})).sum().backward();
  EXPECT_TRUE(layer->weight.grad().defined());
}

TEST(Layers, AWeightMayWaitInItsFilesDtype) {
  const c10::InferenceMode inference;
  const auto weight = at::randn({24, 16}).to(at::kHalf), x = at::randn({3, 16});
  for (const auto held : {at::kFloat, at::kBFloat16}) {
    Linear late(16, 24, false), early(16, 24, false);
    late->bind_as(weight, held);
    early->bind("weight", weight.to(held));
    EXPECT_TRUE(late->forward(x).equal(early->forward(x)));
    EXPECT_TRUE(late->weight.is_meta());
  }
}

TEST(Layers, AWeightThatWaitsCountsAsItWillBeHeld) {
  Linear late(16, 24, false), early(16, 24, false);
  const auto weight = at::randn({24, 16}), x = at::randn({3, 16});
  late->bind_as(weight, at::kBFloat16);
  early->bind("weight", weight.to(at::kBFloat16));
  EXPECT_TRUE(late->forward(x).equal(early->forward(x)));  // with gradients: not packed
}

TEST(Layers, AWeightMayBeReadForEveryCall) {
  const c10::InferenceMode inference;
  Linear streamed(16, 24, false), kept(16, 24, false);
  const auto weight = at::randn({24, 16}), x = at::randn({3, 16});
  int reads = 0;
  streamed->bind_source(
      [&] {
        ++reads;
        return weight;
      },
      at::kFloat);
  kept->bind("weight", weight.clone());
  const auto expected = kept->forward(x);
  EXPECT_TRUE(streamed->forward(x).equal(expected));
  EXPECT_TRUE(streamed->forward(x).equal(expected));
  EXPECT_EQ(reads, 2);
}

TEST(Layers, WeightsOf8BitsAreOffByHalfAStepAtMost) {
  const c10::InferenceMode inference;
  const auto weight = at::randn({24, 64}), x = at::eye(64);  // shows each weight
  const auto steps = weight.abs().amax(1) / 127;             // [out]
  for (const auto input : {at::kFloat, at::kBFloat16}) {
    Linear layer(64, 24, false);
    layer->set({.int8_weights = true});
    layer->bind("weight", weight.clone());
    const auto off = (layer->forward(x.to(input)).to(at::kFloat) - weight.t()).abs();
    const double rounding = input == at::kFloat ? 1e-5 : 0x1p-8 * weight.abs().max().item<double>();
    EXPECT_TRUE(off.le(0.5 * steps + rounding).all().item<bool>());
    EXPECT_GT(off.max().item<double>(), 1e-4);
  }
}

TEST(Conv2d, IsExactWhereItIsAskedFor) {
  const c10::InferenceMode inference;
  const auto weight = at::randn({64, 64, 3, 3}), x = at::randn({1, 64, 32, 32});
  const auto expected = at::conv2d(x.to(at::kDouble), weight.to(at::kDouble), {}, 1, 1);
  const auto error = [&](bool exact) {
    Conv2d layer(64, 64, 3, Conv2dOptions{.padding = 1, .with_bias = false});
    layer->set({.exact_convolutions = exact});
    layer->bind("weight", weight.clone());
    return (layer->forward(x) - expected).abs().mean().item<double>();
  };
  EXPECT_LT(error(true), error(false));  // which is Winograd's
}

TEST(KeptMemory, GivesBackWhatNoTensorHolds) {
  keep_tensor_memory();
  const auto held = at::ones({1 << 20});
  { const auto gone = at::ones({64 << 20}); }
  EXPECT_GT(kept_memory().mapped, std::size_t{256} << 20U);
  release_kept_memory(std::size_t{32} << 20U);
  EXPECT_LT(kept_memory().mapped, std::size_t{72} << 20U);
  EXPECT_EQ(held.sum().item<double>(), 1 << 20);
}

TEST(KeptMemory, KeepsWhatTheNextTensorsMayTake) {
  keep_tensor_memory();
  { const auto gone = at::ones({1 << 20}); }
  const auto before = kept_memory().mapped;
  release_kept_memory();
  EXPECT_EQ(kept_memory().mapped, before);
}

TEST(KeptMemory, GoesWithoutATensorAroundItToo) {
  keep_tensor_memory();
  auto* const allocator = c10::GetCPUAllocator();
  const auto before = kept_memory().held;
  for (const std::size_t bytes : {std::size_t{100}, std::size_t{1} << 20U}) {
    void* const memory = allocator->raw_allocate(bytes);
    std::memset(memory, 1, bytes);
    allocator->raw_deallocate(memory);
    EXPECT_EQ(kept_memory().held, before) << bytes;
  }
}

TEST(Layers, WeightsHeldInBf16AreWidenedForFloat32Work) {
  const c10::InferenceMode inference;
  Linear layer(8, 4);
  const auto weight = at::randn({4, 8}).to(at::kBFloat16), bias = at::randn({4}).to(at::kBFloat16);
  layer->bind("weight", weight);
  layer->bind("bias", bias);
  const auto x = at::randn({2, 8});
  const auto y = layer->forward(x);
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_TRUE(y.allclose(x.matmul(weight.to(at::kFloat).t()) + bias.to(at::kFloat), 1e-5, 1e-5));
}

TEST(TimestepEmbedding, StartsWithCosinesAndEndsWithSines) {
  const auto embedding = timestep_embedding(at::ones({1}) * 2, 4);
  EXPECT_FLOAT_EQ(embedding[0][0].item<float>(), std::cos(2.0F));
  EXPECT_FLOAT_EQ(embedding[0][1].item<float>(), std::cos(0.02F));
  EXPECT_FLOAT_EQ(embedding[0][2].item<float>(), std::sin(2.0F));
}

}  // namespace
}  // namespace sd
