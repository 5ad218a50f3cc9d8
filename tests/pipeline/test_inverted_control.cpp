// Control nets and pictures that are followed along an inversion, against a ControlNet of diffusers
// (tests/data/families/inverted-control.safetensors, by
// tests/tools/make_inverted_control_values.py).
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/inverted_picture.h"
#include "sd/core/error.h"
#include "sd/pipeline/image_prompt.h"
#include "support/control_net_files.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/ip_adapter_files.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::drawn;
using test::edit_along;
using test::expect_error;
using test::Golden;
using test::inversion_request;
using test::inverted;
using test::relative_difference;
using enum InversionMethod;

constexpr double kTolerance = 1e-4;  // of the largest latent
constexpr double kSame = 1e-5;       // of rows that differ in what is computed beside them
constexpr ControlStrength kSome = {.weight = 0.7, .begin = 0, .end = 0.8};
constexpr ControlStrength kAll = {.weight = 0.7};

void expect_value(const torch::Tensor& found, const std::string& name) {
  const auto expected = Golden("families/inverted-control.safetensors")[name];
  ASSERT_EQ(found.numel(), expected.numel()) << name;
  EXPECT_LT(relative_difference(found, expected.view_as(found)), kTolerance) << name;
}

std::vector<ControlUse> nets(ControlStrength strength = kSome) {
  static const auto net = test::load_tensors(
      test::TinyFamily::kV1Deep, test::net_tensors(test::TinyFamily::kV1Deep, "first."));
  return {{net, (test::ramps() + 1) / 2, strength}};
}

Inversion inverted_with(std::vector<ControlUse> controls, InversionMethod method = kDdim) {
  auto request = inversion_request(method);
  if (method == kEditFriendly) request.depth = 0.6;
  request.controls = std::move(controls);
  return inverted(request);
}

torch::Tensor drawn_with(const Inversion& inversion, std::vector<ControlUse> controls,
                         InversionMethod method) {
  auto request = edit_along(inversion, method);
  request.controls = std::move(controls);
  return drawn(request).latents;
}

const Inversion& plain() {
  static const auto inversion = inverted_with({});
  return inversion;
}

TEST(InvertedControl, APathMadeWithANetIsDrawnWithItInAllRows) {
  auto inversion = inverted_with(nets());
  EXPECT_EQ(inversion.controls.size(), 1u);
  expect_value(inversion.path, "path");
  const auto ddim = drawn_with(inversion, nets(), kDdim);
  expect_value(ddim[0], "ddim");
  expect_value(ddim[1], "ddim_source");
  inversion.proximal = 0;
  expect_value(drawn_with(inversion, nets(), kNegativePrompt)[0], "npi");
  const auto friendly = inverted_with(nets(kAll), kEditFriendly);
  const auto latents = drawn_with(friendly, nets(kAll), kEditFriendly);
  expect_value(latents[0], "edit_friendly");
  EXPECT_LT(relative_difference(latents[1], friendly.picture_latents()), kTolerance);
}

TEST(InvertedControl, AlongAPathMadeWithoutANetItActsInTargetsAlone) {
  auto inversion = plain();
  inversion.proximal = 0;
  const auto ddim = drawn_with(inversion, nets(), kDdim);
  expect_value(ddim[0], "plain_ddim");
  EXPECT_LT(relative_difference(ddim[1], drawn_with(inversion, {}, kDdim)[1]), kSame);
  expect_value(drawn_with(inversion, nets(), kNegativePrompt)[0], "plain_npi");
  const auto friendly = inverted_with({}, kEditFriendly);
  const auto latents = drawn_with(friendly, nets(kAll), kEditFriendly);
  expect_value(latents[0], "plain_edit_friendly");
  EXPECT_LT(relative_difference(latents[1], friendly.picture_latents()), kTolerance);
}

TEST(InvertedControl, OfDirectInversionTheSourceIsThePictureWhateverActsInIt) {
  const auto latents = drawn_with(plain(), nets(), kDirect);
  EXPECT_TRUE(latents[1].equal(plain().picture_latents()));
  EXPECT_GT(relative_difference(latents[0], drawn_with(plain(), {}, kDirect)[0]), 1e-3);
}

TEST(InvertedControl, ANullTextPathIsDrawnAlongWithNetsInTargets) {
  auto inversion = plain();
  inversion.guidance = 7.5;
  inversion.unconditional = inversion.context.unsqueeze(0).repeat({5, 1, 1}) * 0.9;
  const auto without = drawn_with(inversion, {}, kNullText);
  const auto latents = drawn_with(inversion, nets(), kNullText);
  EXPECT_LT(relative_difference(latents[1], without[1]), kSame);
  EXPECT_GT(relative_difference(latents[0], without[0]), 1e-3);
}

TEST(InvertedControl, ConsistentEditsHaveNetsInTargets) {
  auto request = inversion_request(kDdcm, 4);
  request.sampler = SamplerKind::kLcm;
  const auto picture = consistent_inversion(test::deep_model(), request);
  const auto latents = drawn_with(picture, nets(), kDdcm);
  EXPECT_LT(relative_difference(latents[1], picture.picture_latents()), kTolerance);
  EXPECT_GT(relative_difference(latents[0], drawn_with(picture, {}, kDdcm)[0]), 1e-3);
}

TEST(InvertedControl, NetsThatOnlyTellPromptsRowsSpareTheSourceToo) {
  auto strength = kSome;
  strength.mode = ControlMode::kControl;
  const auto without = drawn_with(plain(), {}, kDdim);
  const auto latents = drawn_with(plain(), nets(strength), kDdim);
  EXPECT_LT(relative_difference(latents[1], without[1]), kSame);
  EXPECT_GT(relative_difference(latents[0], drawn_with(plain(), nets(), kDdim)[0]), 1e-3);
}

TEST(InvertedControl, ASourceThatIsItsOwnNegativeIsNotGuidedWhateverNetsItWasInvertedWith) {
  auto strength = kSome;
  strength.mode = ControlMode::kControl;  // of other methods the prompt's rows alone
  auto inversion = inverted_with(nets(strength));
  inversion.proximal = 0;
  auto request = edit_along(inversion, kNegativePrompt);
  request.controls = nets(strength);
  const auto guided = drawn(request).latents[1];
  request.guidance_scale = 1;
  EXPECT_LT(relative_difference(guided, drawn(request).latents[1]), kSame);
}

TEST(InvertedControl, ANetOfWeightZeroChangesNoBit) {
  for (const auto method : {kDdim, kNegativePrompt}) {
    EXPECT_TRUE(
        drawn_with(plain(), nets({.weight = 0}), method).equal(drawn_with(plain(), {}, method)));
  }
  EXPECT_TRUE(inverted_with(nets({.weight = 0})).path.equal(plain().path));
}

TEST(InvertedControl, AnotherNumberOfNetsThanItWasMadeWithIsRefused) {
  const auto inversion = inverted_with(nets());
  expect_error<UsageError>([&] { drawn_with(inversion, {}, kDdim); },
                           "inverted with 1 control nets, and this drawing has 0");
  EXPECT_TRUE(drawn_with(inversion, {}, kDirect)[1].equal(inversion.picture_latents()));
}

TEST(InvertedControl, NullTextOptimisationWithANetIsRefused) {
  expect_error<UsageError>([] { inverted_with(nets(), kNullText); }, "null-text",
                           "do not go through control nets");
}

/// A picture that is followed, on the tiny model that the adapters of the tests are made for.
class InvertedFollowing : public testing::Test {
 protected:
  InvertedFollowing() {
    test::write_tower(folder_.path());
    const auto adapter = folder_ / "plain.safetensors";
    test::write_text(adapter, test::weights_file(test::adapter_shapes("plain")));
    ImagePromptRequest request;
    request.adapter = adapter;
    request.picture = test::followed_picture();
    request.weight = 0.8;
    followed_ = std::make_shared<const ImagePrompt>(test::tiny_model(), request);
  }

  Inversion inverted(bool follows, InversionMethod method = kDdim) const {
    auto request = inversion_request(method, 4);
    if (follows) request.image_prompts = {followed_};
    SeededNoise noise(9, RngChoice::kCpu, test::device());
    return invert(test::tiny_model(), request, noise).inversion;
  }
  torch::Tensor drawn(const Inversion& inversion, bool follows, double guidance = 7.5) const {
    auto request = edit_along(inversion, inversion.method);
    request.guidance_scale = guidance;
    if (follows) request.image_prompts = {followed_};
    SeededNoise noise(0, RngChoice::kCpu, test::device());
    return draw(test::tiny_model(), request, noise).latents;
  }

 private:
  test::TempFolder folder_;
  std::shared_ptr<const ImagePrompt> followed_;
};

TEST_F(InvertedFollowing, AlongAPathMadeWithoutItOnlyTargetsFollowAPicture) {
  for (const auto method : {kDdim, kNegativePrompt, kEditFriendly}) {
    const auto inversion = inverted(false, method);
    const auto without = drawn(inversion, false), latents = drawn(inversion, true);
    EXPECT_LT(relative_difference(latents[1], without[1]), kSame) << name_of(method);
    EXPECT_GT(relative_difference(latents[0], without[0]), 1e-3) << name_of(method);
  }
}

TEST_F(InvertedFollowing, ASourceThatIsItsOwnNegativeIsNotGuidedWhateverItFollows) {
  const auto inversion = inverted(true, kNegativePrompt);
  EXPECT_LT(relative_difference(drawn(inversion, true)[1], drawn(inversion, true, 1)[1]), kSame);
}

TEST_F(InvertedFollowing, APathMadeWithItIsDrawnAlongWithItInAllRows) {
  const auto inversion = inverted(true, kEditFriendly);
  ASSERT_EQ(inversion.image_prompts.size(), 1u);
  EXPECT_GT(relative_difference(inversion.noises, inverted(false, kEditFriendly).noises), 1e-3);
  EXPECT_LT(relative_difference(drawn(inversion, true)[1], inversion.picture_latents()),
            kTolerance);
  expect_error<UsageError>([&] { drawn(inversion, false); }, "inverted with 1 pictures");
  expect_error<UsageError>([&] { inverted(true, kNullText); }, "pictures that are followed");
}

}  // namespace
}  // namespace sd
