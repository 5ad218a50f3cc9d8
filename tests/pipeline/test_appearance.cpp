// What is drawn along a picture's path and looks like another picture, or changes by a graded mask,
// against the published formulas (tests/data/families/inverted-edit.safetensors, by
// tests/tools/make_inverted_edit_values.py), and what must hold whatever the model.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/control/masked_swap.h"
#include "sd/core/error.h"
#include "sd/pipeline/inversion.h"
#include "sd/pipeline/row_sharing.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"
#include "support/golden.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::expect_error;
using test::relative_difference;

constexpr double kTolerance = 1e-4;  // of the largest latent
constexpr int64_t kHeight = 64, kWidth = 128;
const std::string kSource = "a red circle above a blue square";
const std::string kTarget = "a red circle on a snowy mountain";
const std::string kAppearance = "a photo of a house";

const LoadedModel& model() { return test::family_model(test::TinyFamily::kV1Deep); }

void expect_value(const torch::Tensor& found, const std::string& name) {
  const auto expected = test::Golden("families/inverted-edit.safetensors")[name];
  ASSERT_EQ(found.numel(), expected.numel()) << name;
  EXPECT_LT(relative_difference(found, expected.view_as(found)), kTolerance) << name;
}

/// Ramps that differ by channel, [1,3,H,W] in [-1,1].
torch::Tensor ramps() {
  const auto rows = at::arange(kHeight).view({kHeight, 1}), columns = at::arange(kWidth);
  std::vector<torch::Tensor> channels;
  for (int64_t c = 0; c < 3; ++c) channels.push_back((4 * columns + 2 * rows * c).remainder(256));
  return (at::stack(channels).to(at::kFloat) / 127.5 - 1).unsqueeze(0);
}

Inversion inverted(const torch::Tensor& picture, const std::string& prompt,
                   SamplerKind sampler = SamplerKind::kDdim, int64_t steps = 5) {
  InversionRequest request;
  request.prompt = prompt;
  request.picture = picture;
  request.sampler = sampler;
  request.steps = steps;
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  return invert(model(), request, unused).inversion;
}

/// A swap along the structure's path.
DrawRequest edit_along(Inversion structure) {
  DrawRequest request;
  request.targets = {{kTarget}};
  request.source = {kSource};
  request.negative_prompt = "blurry";
  request.steps = structure.steps;
  request.sampler = structure.sampler;
  request.guidance_scale = 7.5;
  request.decode = false;
  request.inversion = std::make_shared<const Inversion>(std::move(structure));
  return request;
}

const Inversion& structure() {
  static const auto inversion = inverted(ramps(), kSource);
  return inversion;
}

RowSharing looks(SamplerKind sampler = SamplerKind::kDdim, int64_t steps = 5) {
  RowSharing sharing;
  sharing.appearance = AppearanceSettings{};
  sharing.appearance_picture =
      std::make_shared<const Inversion>(inverted(-ramps().flip({3}), kAppearance, sampler, steps));
  return sharing;
}

torch::Tensor drawn(DrawRequest request, RowSharing sharing) {
  request.sharing = std::make_shared<const RowSharing>(std::move(sharing));
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  return draw(model(), request, noise).latents;
}

TEST(Appearance, OfAPictureAlongAStructureIsThatOfThePaper) {
  auto alone = edit_along(structure());
  alone.guidance_scale = 1;
  expect_value(drawn(alone, looks()), "appearance_alone");
}

TEST(Appearance, ObjectsTakeOnTheStatisticsOfObjects) {
  auto sharing = looks();
  sharing.target_object = at::zeros({1, 1, 8, 16});
  sharing.target_object.narrow(3, 0, 9).fill_(1);
  sharing.appearance_object = at::zeros({1, 1, 8, 16});
  sharing.appearance_object.narrow(2, 2, 5).narrow(3, 4, 12).fill_(1);
  expect_value(drawn(edit_along(structure()), sharing), "appearance_masks");
}

TEST(Appearance, MasksOfEverythingAreAsNone) {
  auto sharing = looks();
  const auto without = drawn(edit_along(structure()), sharing);
  sharing.target_object = sharing.appearance_object = at::ones({1, 1, 8, 16});
  EXPECT_LT(relative_difference(drawn(edit_along(structure()), sharing), without), 1e-5);
}

TEST(Appearance, OfTheSourceObjectsMayHaveMasksToo) {
  RowSharing sharing;
  sharing.appearance = AppearanceSettings{};
  const auto without = drawn(edit_along(structure()), sharing);
  sharing.target_object = at::zeros({1, 1, 8, 16});
  sharing.target_object.narrow(3, 0, 9).fill_(1);
  const auto latents = drawn(edit_along(structure()), sharing);
  EXPECT_GT(relative_difference(latents[0], without[0]), 1e-3);
  EXPECT_TRUE(latents[1].equal(structure().picture_latents()));
}

TEST(Appearance, TheStructureStaysOnItsPathWithEverySamplerThatFollowsOne) {
  for (const auto sampler : test::all_sampler_kinds()) {
    if (!why_not_sampled(InversionMethod::kDirect, sampler).empty()) continue;
    const auto kept = inverted(ramps(), kSource, sampler, 4);
    const auto latents = drawn(edit_along(kept), looks(sampler, 4));
    EXPECT_TRUE(latents[1].equal(kept.picture_latents())) << info_of(sampler).name;
    EXPECT_TRUE(latents.isfinite().all().item<bool>()) << info_of(sampler).name;
    EXPECT_GT(relative_difference(latents[0], drawn(edit_along(kept), {})[0]), 1e-3)
        << info_of(sampler).name;
  }
}

TEST(Appearance, WhatDoesNotFitTheDrawingIsRefused) {
  const auto refused = [](auto change, std::string_view what) {
    auto sharing = looks();
    change(sharing);
    expect_error<UsageError>([&] { drawn(edit_along(structure()), sharing); }, what);
  };
  refused([](auto& sharing) { sharing = looks(SamplerKind::kDdim, 4); }, "latents [5,4,8,16]");
  refused(
      [](auto& sharing) {
        sharing.appearance_object = at::ones({1, 1, 8, 8});
      },
      "the mask of the appearance");
  refused([](auto& sharing) { sharing.target_object = at::zeros({1, 1, 8, 16}); }, "has 0 pixels");
  refused(
      [](auto& sharing) {
        sharing.appearance.reset();
        sharing.pnp = PlugAndPlaySettings{};
      },
      "are of appearance");
  auto damaged = *looks().appearance_picture;
  damaged.path = damaged.path.clone();
  damaged.path[1][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  expect_error<Error>(
      [&] {
        auto sharing = looks();
        sharing.appearance_picture = std::make_shared<const Inversion>(damaged);
        drawn(edit_along(structure()), sharing);
      },
      "the appearance's path");
}

TEST(GradedMaskAlongAnInversion, IsDifferentialDiffusionAlongThePath) {
  const auto strengths = at::arange(kWidth / 8).to(at::kFloat) / (kWidth / 8 - 1);
  MaskedSwap mask(strengths.view({1, 1, 1, kWidth / 8}).expand({1, 1, kHeight / 8, -1}),
                  /*graded=*/true);
  auto request = edit_along(structure());
  request.latent_edit = &mask;
  const auto latents = drawn(request, {});
  expect_value(latents[0], "graded");
  EXPECT_TRUE(latents[0].select(2, 0).equal(structure().picture_latents().select(2, 0)));
}

}  // namespace
}  // namespace sd
