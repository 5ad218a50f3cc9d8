// What guidance tells of concepts and of proximal guidance, beside what it computes.
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "sd/diffusion/denoiser.h"

namespace sd {
namespace {

struct Told {
  std::size_t edit = 0;
  int64_t step = 0, num_steps = 0;
  double share = 0, moved = 0;
};

class Listener final : public GuidanceWatch {
 public:
  explicit Listener(bool asks) : asks_(asks) {}
  bool asks_of_concept(std::size_t) const override { return asks_; }
  void concept_added(std::size_t edit, int64_t step, int64_t num_steps, double share,
                     double moved) override {
    told.push_back({edit, step, num_steps, share, moved});
  }
  bool asks_of_proximal() const override { return asks_; }
  void differences_dropped(int64_t step, int64_t num_steps, double share) override {
    told.push_back({0, step, num_steps, share, 0});
  }
  std::vector<Told> told;

 private:
  bool asks_;
};

constexpr int64_t kRows = 2, kSide = 8;  // of a pass

/// ε of each row of all passes, whatever is asked.
torch::Tensor predictions(int64_t passes) {
  at::manual_seed(3);
  return at::randn({passes * kRows, 4, kSide, kSide}).add_(0.1);
}

torch::Tensor denoised(const Guidance& guidance, const torch::Tensor& predicted,
                       const torch::Tensor& attention = {}) {
  GuidedDenoiser denoiser([&](const torch::Tensor&, double, int64_t) { return predicted; },
                          guidance, 10, {}, [&](std::size_t) { return attention; });
  return denoiser.eps(at::randn({kRows, 4, kSide, kSide}), 900, 4);
}

TEST(GuidanceWatch, OfAConceptTheShareOfItsMaskAndWhatItAddsInRowsThatCount) {
  Guidance guidance;
  guidance.guidance_scale = 7.5;
  guidance.edits = {{"a crown", 3, 0.75, {}}};
  guidance.edited_rows = {1, 0};
  const auto predicted = predictions(3);  // the concept, unconditional, conditional
  const auto attention = at::randn({kRows, kSide, kSide});
  const auto silent = denoised(guidance, predicted, attention);
  const auto listener = std::make_shared<Listener>(true);
  guidance.watch = listener;
  const auto found = denoised(guidance, predicted, attention);
  EXPECT_TRUE(found.equal(silent));
  ASSERT_EQ(listener->told.size(), 1u);
  const auto& told = listener->told.front();
  EXPECT_EQ(told.step, 4);
  EXPECT_EQ(told.num_steps, 10);
  // Above timestep 800 the attention's mask is the only one: a quarter of the pixels.
  EXPECT_NEAR(told.share, 0.25, 1e-6);
  auto without = guidance;
  without.edits.clear();
  without.edited_rows.clear();
  const auto plain = denoised(without, predicted.narrow(0, kRows, 2 * kRows));
  const double added = (found - plain).norm().item<double>();
  EXPECT_NEAR(told.moved, added / predicted[kRows].norm().item<double>(), 1e-5);
}

TEST(GuidanceWatch, OfProximalGuidanceTheShareOfDifferencesThatCountNothing) {
  Guidance guidance;
  guidance.guidance_scale = 7.5;
  guidance.proximal = ProximalGuidance{0.7};
  auto predicted = predictions(2);
  predicted[1].copy_(predicted[3]);  // a row without any difference
  const auto silent = denoised(guidance, predicted);
  const auto listener = std::make_shared<Listener>(true);
  guidance.watch = listener;
  const auto found = denoised(guidance, predicted);
  EXPECT_TRUE(found.equal(silent));
  ASSERT_EQ(listener->told.size(), 1u);
  const auto kept = (found - predicted.narrow(0, 0, kRows))[0].count_nonzero().item<int64_t>();
  EXPECT_NEAR(listener->told.front().share, 1 - static_cast<double>(kept) / (4 * kSide * kSide),
              1e-6);
}

TEST(GuidanceWatch, NothingIsMeasuredForWhoDoesNotAsk) {
  Guidance guidance;
  guidance.guidance_scale = 7.5;
  guidance.proximal = ProximalGuidance{};
  const auto listener = std::make_shared<Listener>(false);
  guidance.watch = listener;
  denoised(guidance, predictions(2));
  EXPECT_TRUE(listener->told.empty());
}

}  // namespace
}  // namespace sd
