// Rows that look at other rows' keys and values: against the formulas, and all ways against each
// other.
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "nn/shared_rows.h"
#include "sd/core/error.h"
#include "sd/nn/attention.h"
#include "sd/nn/forward_edits.h"
#include "support/expect_error.h"
#include "support/plain_gpu.h"

namespace sd {
namespace {

constexpr int64_t kRows = 4, kHeight = 3, kWidth = 5, kPixels = kHeight * kWidth, kHeads = 2,
                  kSize = 4;
const AttentionSite kSite{AttentionKind::kSelf, UNetPart::kUp, 4, 0, 2};

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

torch::Tensor probabilities(const torch::Tensor& q, const torch::Tensor& k,
                            const torch::Tensor& bias = {}) {
  const auto heads = [](const torch::Tensor& x) { return split_heads(x.unsqueeze(0), kHeads); };
  auto logits = at::matmul(heads(q), heads(k).transpose(2, 3)) / std::sqrt(double{kSize});
  if (bias.defined()) logits = logits + bias;
  return at::softmax(logits, -1);
}

/// probs [1,heads,Q,K] times v [K,C]: [Q,C].
torch::Tensor weighed(const torch::Tensor& probs, const torch::Tensor& v) {
  return merge_heads(at::matmul(probs, split_heads(v.unsqueeze(0), kHeads)))[0];
}

class SharedAttention : public ::testing::Test {
 protected:
  SharedAttention() {
    at::manual_seed(5);
    const at::IntArrayRef shape = {kRows, kPixels, kHeads * kSize};
    made_ = {at::randn(shape), at::randn(shape), at::randn(shape), nullptr, kHeads};
  }
  torch::Tensor mixed(const std::vector<SharedRow>& rows,
                      AttentionController* controller = nullptr) {
    return attention_of_rows(made_, rows, controller, call_);
  }
  torch::Tensor q(int64_t row) const { return made_.q[row]; }
  torch::Tensor k(int64_t row) const { return made_.k[row]; }
  torch::Tensor v(int64_t row) const { return made_.v[row]; }
  torch::Tensor plain(int64_t row) const { return weighed(probabilities(q(row), k(row)), v(row)); }

  SharedProjections made_;
  StepInfo step_;
  std::vector<RowGroup> groups_ = {{.begin = 0, .count = kRows}};
  AttentionCall call_{kSite, step_, groups_, kHeight, kWidth};
};

/// Asks for probabilities and gives them back.
class Asker final : public AttentionController {
 public:
  explicit Asker(AttentionUse use) : use_(use) {}
  AttentionUse use(const AttentionCall&) const override { return use_; }
  void observe(const torch::Tensor& probs, const RowGroup&, const AttentionCall&) override {
    seen = probs.clone();
  }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall&) override {
    seen = probs.clone();
    return probs;
  }
  torch::Tensor seen;

 private:
  AttentionUse use_;
};

constexpr double kNear = 1e-5;

TEST_F(SharedAttention, ARowLooksAtAnothersKeysAndValues) {
  const auto found = mixed({{2, 2, {{0, 0}}}});
  EXPECT_LT(distance(found[2], weighed(probabilities(q(2), k(0)), v(0))), kNear);
  EXPECT_LT(distance(found[1], plain(1)), kNear);
}

TEST_F(SharedAttention, KeysStandOneBehindTheOther) {
  const auto found = mixed({{1, 1, {{1, 1}, {3, 3}}}, {2, 2, {{0, 0}}}});
  const auto expected = weighed(probabilities(q(1), at::cat({k(1), k(3)})), at::cat({v(1), v(3)}));
  EXPECT_LT(distance(found[1], expected), kNear);
  EXPECT_LT(distance(found[2], weighed(probabilities(q(2), k(0)), v(0))), kNear);
  EXPECT_LT(distance(found[0], plain(0)), kNear);
}

TEST_F(SharedAttention, QueriesAndKeysMayBeAnothersAndValuesItsOwn) {
  const auto found = mixed({{1, 3, {{3, 1}}}});
  EXPECT_LT(distance(found[1], weighed(probabilities(q(3), k(3)), v(1))), kNear);
}

TEST_F(SharedAttention, LooksAreAddedUpQueryByQuery) {
  const auto share = at::rand({kPixels});
  auto inside = at::zeros({kPixels});
  inside.narrow(0, 4, 11).fill_(-std::numeric_limits<float>::infinity());
  const auto bias = at::randn({kPixels});
  SharedRow row{0, 0, {{2, 2}}};
  row.looks = {{inside, share}, {bias, {}, 0.25}};
  const auto expected = weighed(probabilities(q(0), k(2), inside), v(2)) * share.unsqueeze(1) +
                        weighed(probabilities(q(0), k(2), bias), v(2)) * 0.25;
  EXPECT_LT(distance(mixed({row})[0], expected), kNear);
}

TEST_F(SharedAttention, ALookThatSeesNoKeySeesAll) {
  SharedRow row{0, 0, {{2, 2}}};
  row.looks = {{at::full({kPixels}, -std::numeric_limits<float>::infinity())}};
  const auto expected = weighed(probabilities(q(0), k(2)), v(2));
  EXPECT_LT(distance(mixed({row})[0], expected), kNear);
  Asker asker(AttentionUse::kChange);
  EXPECT_LT(distance(mixed({row}, &asker)[0], expected), kNear);
}

TEST_F(SharedAttention, AStyleGivesItsMeanAndDeviation) {
  SharedRow row{3, 3, {{3, 3}, {0, 0}}};
  row.style = 0;
  const auto styled = [](const torch::Tensor& x, const torch::Tensor& style) {
    const auto deviation = [](const torch::Tensor& of) { return (of.var(0) + 1e-5).sqrt(); };
    return (x - x.mean(0)) / deviation(x) * deviation(style) + style.mean(0);
  };
  const auto keys = at::cat({styled(k(3), k(0)), k(0)});
  const auto expected = weighed(probabilities(styled(q(3), q(0)), keys), at::cat({v(3), v(0)}));
  const auto found = mixed({row});
  EXPECT_LT(distance(found[3], expected), kNear);
  EXPECT_LT(distance(found[0], plain(0)), kNear);
}

TEST_F(SharedAttention, ContrastGoesAwayFromTheMeanAndIsCut) {
  SharedRow row{1, 1, {{0, 0}}};
  row.contrast = 4;
  const double mean = 1.0 / kPixels;
  const auto sharper = ((probabilities(q(1), k(0)) - mean) * 4 + mean).clamp(0, 1);
  EXPECT_LT(distance(mixed({row})[1], weighed(sharper, v(0))), kNear);
}

TEST_F(SharedAttention, NotedKeysAreThoseOfAnotherCall) {
  const KeyNotes::Layer noted{at::randn_like(made_.k), at::randn_like(made_.v)};
  const std::vector<SharedRow> rows = {{1, 1, {{1, 1}, {1, 1, true}}}};
  test::expect_error<UsageError>([&] { mixed(rows); }, "noted");
  made_.noted = &noted;
  const auto expected = weighed(probabilities(q(1), at::cat({k(1), noted.keys[1]})),
                                at::cat({v(1), noted.values[1]}));
  EXPECT_LT(distance(mixed(rows)[1], expected), kNear);
}

/// One row of each kind.
std::vector<SharedRow> all_kinds() {
  SharedRow masked{1, 1, {{0, 0}}};
  auto seen = at::zeros({kPixels});
  seen.narrow(0, 0, 6).fill_(-std::numeric_limits<float>::infinity());
  masked.looks = {{seen, at::rand({kPixels})}, {{}, {}, 0.5}};
  SharedRow styled{2, 2, {{2, 2}, {0, 0}}};
  styled.style = 0;
  SharedRow sharper{3, 3, {{0, 0}}};
  sharper.contrast = 1.67;
  return {{0, 2, {{2, 0}}}, masked, styled, sharper};
}

TEST_F(SharedAttention, AControllerSeesTheProbabilitiesThatAreUsed) {
  const auto rows = all_kinds();
  const auto fused = mixed(rows);
  Asker changes(AttentionUse::kChange), observes(AttentionUse::kObserve);
  EXPECT_LT(distance(mixed(rows, &changes), fused), kNear);
  EXPECT_TRUE(mixed(rows, &observes).equal(fused));
  EXPECT_TRUE(observes.seen.equal(changes.seen));
  ASSERT_EQ(changes.seen.sizes(), at::IntArrayRef({kRows, kHeads, kPixels, 2 * kPixels}));
  // Rows with fewer keys pay nothing to those that they lack.
  EXPECT_EQ(changes.seen.select(0, 0).narrow(-1, kPixels, kPixels).abs().max().item<float>(), 0);
  EXPECT_LT(distance(changes.seen.select(0, 0).sum(-1), at::full({kHeads, kPixels}, 1)), kNear);
}

TEST_F(SharedAttention, TheKernelsGiveWhatLibTorchGives) {
  const auto rows = all_kinds();
  const auto plain = mixed(rows);
  const c10::InferenceMode inference;  // in which the kernels run
  EXPECT_LT(distance(mixed(rows), plain), kNear);
}

/// Row 1 looks at row 0, in layers of a part.
class OneRow final : public RowSharer {
 public:
  bool acts(const AttentionSite& site, const StepInfo&,
            const std::vector<RowGroup>&) const override {
    return site.part == UNetPart::kUp;
  }
  std::vector<SharedRow> rows(const AttentionCall&) const override { return {{1, 1, {{0, 0}}}}; }
};

Attention self_attention(UNetPart part, torch::Dtype dtype) {
  at::manual_seed(6);
  Attention attention(AttentionSite{AttentionKind::kSelf, part, 4, 0, 2}, 16, 16, 4, 4);
  for (auto& slot : parameter_slots(*attention)) slot.bind(at::randn(slot.shape).to(dtype));
  return attention;
}

torch::Tensor attended(Attention& attention, const torch::Tensor& x, const RowSharer* sharer) {
  ForwardEdits edits;
  edits.sharer = sharer;
  ForwardContext run;
  run.edits = &edits;
  return attention->forward(x, x, run, 3, 4);
}

TEST_F(SharedAttention, HowMuchSharingMovedIsOfTheRowsThatShareAlone) {
  const std::vector<SharedRow> rows = {{1, 1, {{0, 0}}}, {3, 3, {{3, 3}}}};
  const auto with = weighed(probabilities(q(1), k(0)), v(0));
  const auto length = at::cat({plain(1), plain(3)}).norm().item<double>();
  const double expected = (with - plain(1)).norm().item<double>() / length;
  EXPECT_NEAR(moved_by_sharing(made_, rows, {}), expected, 1e-5);
  EXPECT_NEAR(moved_by_sharing(made_, rows, mixed(rows)), expected, 1e-5);
  EXPECT_EQ(moved_by_sharing(made_, {{2, 2, {{2, 2}}}}, {}), 0);
}

/// As OneRow; remembers what it is told.
class Curious final : public RowSharer {
 public:
  bool acts(const AttentionSite&, const StepInfo&, const std::vector<RowGroup>&) const override {
    return true;
  }
  std::vector<SharedRow> rows(const AttentionCall&) const override { return {{1, 1, {{0, 0}}}}; }
  bool asks(const AttentionCall&) const override { return true; }
  void told(const AttentionCall& call, double moved) const override {
    EXPECT_EQ(call.site.block, 4);
    moves.push_back(moved);
  }
  mutable std::vector<double> moves;
};

TEST(SharedAttentionLayers, ALayerTellsWhoAsksAndFindsTheSameToTheBit) {
  const c10::InferenceMode inference;
  auto up = self_attention(UNetPart::kUp, at::kFloat);
  const auto x = at::randn({2, 12, 16});
  const Curious curious;
  const OneRow silent;
  EXPECT_TRUE(attended(up, x, &curious).equal(attended(up, x, &silent)));
  ASSERT_EQ(curious.moves.size(), 1u);
  EXPECT_GT(curious.moves.front(), 0.01);
}

TEST(SharedAttentionLayers, LayersElsewhereAreLeftAloneToTheBit) {
  const c10::InferenceMode inference;
  auto down = self_attention(UNetPart::kDown, at::kFloat);
  const auto x = at::randn({2, 12, 16});
  const OneRow sharer;
  EXPECT_TRUE(attended(down, x, &sharer).equal(attended(down, x, nullptr)));
}

TEST(SharedAttentionLayers, ARowThatLooksAtItsEqualFindsTheSame) {
  const c10::InferenceMode inference;
  auto up = self_attention(UNetPart::kUp, at::kFloat);
  const auto x = at::randn({1, 12, 16}).repeat({2, 1, 1});
  const OneRow sharer;
  const auto found = attended(up, x, &sharer);
  EXPECT_TRUE(found[1].equal(found[0]));
  EXPECT_TRUE(found[0].equal(attended(up, x, nullptr)[0]));
}

TEST(SharedAttentionLayers, OnAGpuTheyFindWhatTheKernelsFind) {
  const c10::InferenceMode inference;
  const OneRow sharer;
  auto exact = self_attention(UNetPart::kUp, at::kFloat),
       half = self_attention(UNetPart::kUp, at::kHalf);
  const auto x = at::randn({2, 12, 16}) / 4;
  const auto expected = attended(exact, x, &sharer);
  const test::PlainGpu gpu;
  gpu::set_backend(&gpu, at::kCPU);
  const auto found = attended(half, x.to(at::kHalf), &sharer);
  gpu::set_backend(nullptr);
  EXPECT_LT(distance(found, expected) / expected.abs().max().item<double>(), 1e-2);
}

}  // namespace
}  // namespace sd
