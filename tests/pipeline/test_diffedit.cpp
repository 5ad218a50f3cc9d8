// DiffEdit whole, mask and edit, against the paper's steps on diffusers' modules
// (tests/data/families/diffedit.safetensors, by tests/tools/make_diffedit_values.py).
#include <gtest/gtest.h>

#include <utility>

#include "pipeline/inverted_picture.h"
#include "sd/control/masked_swap.h"
#include "sd/pipeline/auto_mask.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::Golden;

constexpr double kTolerance = 1e-4;  // of the largest latent
constexpr double kThreshold = 0.75;  // of the tiny model's differences: some pixels are kept

TEST(DiffEdit, ADirectInversionOfTheEmptyPromptUnderItsMaskIsThePapersEdit) {
  const Golden golden("families/diffedit.safetensors");
  AutoMaskRequest looking;
  looking.source = test::kSource;
  looking.target = test::kTarget;
  looking.init_image = test::ramps();
  looking.threshold = kThreshold;
  SeededNoise noise(8, RngChoice::kCpu, test::device());
  const auto mask = auto_mask(test::deep_model(), looking, noise);
  EXPECT_TRUE(mask.equal(golden["mask"]));
  EXPECT_GT(mask.mean().item<double>(), 0);
  EXPECT_LT(mask.mean().item<double>(), 1);

  auto encoding = test::inversion_request(InversionMethod::kDirect);
  encoding.prompt = "";
  encoding.depth = 0.8;
  auto request = test::edit_along(test::inverted(encoding), InversionMethod::kDirect);
  request.source = {""};
  MaskedSwap outside(mask);
  request.latent_edit = &outside;
  const auto edited = test::drawn(request).latents;
  EXPECT_LT(test::relative_difference(edited[0], golden["edited"][0]), kTolerance);
}

}  // namespace
}  // namespace sd
