#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "sd/nn/attention.h"

namespace sd {
namespace {

const AttentionSite kSite{AttentionKind::kCross, UNetPart::kUp, 4, 0};

Attention random_attention() {
  Attention attention(kSite, 16, 24, 4, 4);
  for (auto& slot : parameter_slots(*attention)) slot.bind(at::randn(slot.shape));
  return attention;
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// Records the call it is shown; wants it or not.
class Witness final : public AttentionController {
 public:
  explicit Witness(bool wants) : wants_(wants) {}
  bool wants(const AttentionCall& call) const override {
    asked_block = call.site.block;
    asked_height = call.height;
    return wants_;
  }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall&) override {
    seen = probs;
    return replace.defined() ? replace : probs;
  }
  mutable int64_t asked_block = -1;
  mutable int64_t asked_height = -1;
  torch::Tensor seen, replace;

 private:
  bool wants_;
};

TEST(Attention, ExplicitProbabilitiesGiveWhatTheFusedKernelGives) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  const auto x = at::randn({2, 12, 16}), context = at::randn({2, 7, 24});
  Witness witness(true);
  ForwardContext run;
  const auto fused = attention->forward(x, context, run, 3, 4);
  run.controller = &witness;
  // Sums of 7 products in another order: a few units of float32's last place of values below 100.
  EXPECT_LT(distance(attention->forward(x, context, run, 3, 4), fused), 1e-4);
}

TEST(Attention, AControllerSeesProbabilitiesPlaceAndGrid) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  Witness witness(true);
  ForwardContext run;
  run.controller = &witness;
  attention->forward(at::randn({2, 12, 16}), at::randn({2, 7, 24}), run, 3, 4);
  EXPECT_EQ(witness.asked_block, 4);
  EXPECT_EQ(witness.asked_height, 3);
  ASSERT_EQ(witness.seen.sizes(), at::IntArrayRef({2, 4, 12, 7}));
  EXPECT_LT(distance(witness.seen.sum(-1), at::ones({2, 4, 12})), 1e-5);
}

TEST(Attention, WhatTheControllerReturnsIsUsed) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  const auto x = at::randn({2, 12, 16}), context = at::randn({2, 7, 24});
  Witness witness(true);
  ForwardContext run;
  const auto plain = attention->forward(x, context, run, 3, 4);
  run.controller = &witness;
  witness.replace = at::ones({2, 4, 12, 7});
  EXPECT_GT(distance(attention->forward(x, context, run, 3, 4), plain), 0.1);
}

TEST(Attention, AControllerThatDoesNotWantTheLayerChangesNoBit) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  const auto x = at::randn({2, 12, 16}), context = at::randn({2, 7, 24});
  Witness witness(false);
  ForwardContext run;
  const auto plain = attention->forward(x, context, run, 3, 4);
  run.controller = &witness;
  EXPECT_TRUE(attention->forward(x, context, run, 3, 4).equal(plain));
  EXPECT_FALSE(witness.seen.defined());
}

}  // namespace
}  // namespace sd
