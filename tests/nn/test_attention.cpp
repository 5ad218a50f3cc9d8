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

/// Records the call it is shown.
class Witness final : public AttentionController {
 public:
  explicit Witness(AttentionUse use) : use_(use) {}
  AttentionUse use(const AttentionCall& call) const override {
    asked_block = call.site.block;
    asked_height = call.height;
    return use_;
  }
  void observe(const torch::Tensor& probs, const RowGroup& rows, const AttentionCall&) override {
    seen = probs;
    seen_rows.push_back(rows);
  }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall&) override {
    seen = probs;
    return replace.defined() ? replace : probs;
  }
  mutable int64_t asked_block = -1;
  mutable int64_t asked_height = -1;
  torch::Tensor seen, replace;
  std::vector<RowGroup> seen_rows;

 private:
  AttentionUse use_;
};

TEST(Attention, ExplicitProbabilitiesGiveWhatTheFusedKernelGives) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  const auto x = at::randn({2, 12, 16}), context = at::randn({2, 7, 24});
  Witness witness(AttentionUse::kChange);
  ForwardContext run;
  const auto fused = attention->forward(x, context, run, 3, 4);
  run.controller = &witness;
  // Sums of 7 products in another order: a few units of float32's last place of values below 100.
  EXPECT_LT(distance(attention->forward(x, context, run, 3, 4), fused), 1e-4);
}

TEST(Attention, AControllerSeesProbabilitiesPlaceAndGrid) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  Witness witness(AttentionUse::kChange);
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
  Witness witness(AttentionUse::kChange);
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
  Witness witness(AttentionUse::kNone);
  ForwardContext run;
  const auto plain = attention->forward(x, context, run, 3, 4);
  run.controller = &witness;
  EXPECT_TRUE(attention->forward(x, context, run, 3, 4).equal(plain));
  EXPECT_FALSE(witness.seen.defined());
}

TEST(Attention, AnObserverSeesItsRowsAndChangesNoBit) {
  const c10::InferenceMode inference;
  auto attention = random_attention();
  const auto x = at::randn({4, 12, 16}), context = at::randn({4, 7, 24});
  Witness changer(AttentionUse::kChange), observer(AttentionUse::kObserve);
  ForwardContext run;
  run.rows = {{RowGroup::Branch::kTarget, false, 0, 1, 0},
              {RowGroup::Branch::kTarget, true, 1, 2, 0},
              {RowGroup::Branch::kSource, true, 3, 1, 0}};
  const auto plain = attention->forward(x, context, run, 3, 4);
  run.controller = &changer;
  attention->forward(x, context, run, 3, 4);
  run.controller = &observer;
  EXPECT_TRUE(attention->forward(x, context, run, 3, 4).equal(plain));
  ASSERT_EQ(observer.seen_rows.size(), 2u);  // the conditional groups, unless it says otherwise
  EXPECT_EQ(observer.seen_rows[0].begin, 1);
  EXPECT_EQ(observer.seen_rows[1].branch, RowGroup::Branch::kSource);
  EXPECT_LT(distance(observer.seen, changer.seen.narrow(0, 3, 1)), 1e-6);
}

}  // namespace
}  // namespace sd
