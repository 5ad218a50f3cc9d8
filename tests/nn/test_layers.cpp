#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

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
