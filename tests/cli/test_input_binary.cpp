// Masks as painting programs write them, and strengths that draw nothing, through the binary on the
// tiny model.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"

namespace sd {
namespace {

using test::contains;
using test::Finished;
using test::TinyRun;
using Names = std::vector<std::string>;

constexpr int kSide = 128;

std::string write(const TinyRun& run, const char* name, const Image& image) {
  const auto png = encode_png(image);
  return run.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
}

bool in_square(int i) { return i % kSide < 64 && i / kSide < 64; }

Image picture() {
  Image image{kSide, kSide, 3, {}};
  for (int i = 0; i < kSide * kSide * 3; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 7 % 251));
  return image;
}

Image grey_mask(uint8_t inside, uint8_t outside) {
  Image image{kSide, kSide, 1, {}};
  for (int i = 0; i < kSide * kSide; ++i) image.pixels.push_back(in_square(i) ? inside : outside);
  return image;
}

/// `colours`, a pixel's three, with this mask as alpha.
Image with_alpha(const Image& colours, const Image& mask) {
  Image image{kSide, kSide, 4, {}};
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) image.pixels.push_back(colours.pixels[3 * i + c]);
    image.pixels.push_back(mask.pixels[i]);
  }
  return image;
}

Image solid(uint8_t value) {
  return {kSide, kSide, 3, std::vector<uint8_t>(kSide * kSide * 3, value)};
}

Finished draw(const TinyRun& run, const std::string& command, Names arguments) {
  const Names all = {"--prompt", "a cat", "--n_samples", "1", "--n_iter", "1", "--skip_grid"};
  arguments.insert(arguments.begin(), all.begin(), all.end());
  auto setup = run.setup(arguments);
  setup.arguments.front() = command;
  auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 0) << finished.err;
  return finished;
}

/// Each of them draws the same picture.
void expect_equal_pictures(const TinyRun& run) {
  const auto names = run.samples();
  ASSERT_GT(names.size(), 1U);
  const auto first = run.sample(names.front());
  for (const auto& name : names) EXPECT_EQ(run.sample(name).pixels, first.pixels) << name;
}

TEST(MaskBinary, AlphaIsTheMaskOfWhatIsPaintedAndOfWhatIsErased) {
  const TinyRun run;
  const auto start = write(run, "start.png", picture());
  const auto edit = [&](const std::string& mask) {
    return draw(run, "img2img", {"--init-img", start, "--init-mask", mask, "--strength", "1"}).err;
  };
  const auto plain = edit(write(run, "square.png", grey_mask(255, 0)));
  const auto painted = edit(write(run, "painted.png", with_alpha(solid(0), grey_mask(255, 0))));
  const auto erased = edit(write(run, "erased.png", with_alpha(picture(), grey_mask(0, 255))));
  EXPECT_FALSE(contains(plain, "--init-mask")) << plain;
  EXPECT_TRUE(contains(painted, "--init-mask: its alpha channel is the mask: what is painted"))
      << painted;
  EXPECT_TRUE(contains(erased, "--init-mask: its alpha channel is the mask: what is erased"))
      << erased;
  expect_equal_pictures(run);
}

TEST(MaskBinary, InvertingTurnsAroundWhatWasTaken) {
  const TinyRun run;
  const auto start = write(run, "start.png", picture());
  const auto edit = [&](const std::string& mask) {
    return draw(run, "img2img", {"--init-img", start, "--init-mask", mask, "--invert-mask"}).err;
  };
  edit(write(run, "square.png", grey_mask(255, 0)));
  const auto said = edit(write(run, "painted.png", with_alpha(solid(9), grey_mask(255, 0))));
  EXPECT_TRUE(contains(said, "--invert-mask turns that around")) << said;
  expect_equal_pictures(run);
}

TEST(MaskBinary, ABlendMaskIsReadAlike) {
  const TinyRun run;
  const auto blend = [&](const std::string& mask) {
    return draw(run, "swap", {"--sprompt", "a dog", "--mode", "p2p", "--blend-mask", mask}).err;
  };
  blend(write(run, "square.png", grey_mask(255, 0)));
  const auto said = blend(write(run, "painted.png", with_alpha(solid(200), grey_mask(255, 0))));
  EXPECT_TRUE(contains(said, "--blend-mask: its alpha channel is the mask")) << said;
  expect_equal_pictures(run);
}

TEST(MaskBinary, ZerosAndOnesAreSaidToBeHardlyWhite) {
  const TinyRun run;
  const auto start = write(run, "start.png", picture());
  const auto mask = write(run, "ones.png", grey_mask(1, 0));
  const auto finished = draw(run, "img2img", {"--init-img", start, "--init-mask", mask});
  EXPECT_TRUE(contains(finished.err, "--init-mask: hardly any white in it")) << finished.err;
}

TEST(StrengthBinary, ThatDrawsNoStepIsSaid) {
  const TinyRun run;
  const auto start = write(run, "start.png", picture());
  const Names few = {"--init-img", start, "--steps", "10", "--strength", "0.05"};
  for (const char* command : {"img2img", "swap"}) {
    const auto finished = draw(run, command, few);
    EXPECT_TRUE(contains(finished.err, "int(0.05 * 10) = 0 steps")) << command << finished.err;
  }
  // The default of 0.75 of a single step is none as well; 0 was asked for.
  EXPECT_TRUE(
      contains(draw(run, "img2img", {"--init-img", start, "--steps", "1"}).err, "= 0 steps"));
  const auto none = draw(run, "img2img", {"--init-img", start, "--strength", "0"});
  EXPECT_FALSE(contains(none.err, "= 0 steps")) << none.err;
}

TEST(StrengthBinary, TheShortestPartOfAThousandStepsIsDrawn) {
  const TinyRun run;
  const auto start = write(run, "start.png", picture());
  draw(run, "img2img",
       {"--init-img", start, "--sampler", "dpm2", "--steps", "1000", "--strength", "0.002"});
  EXPECT_EQ(run.samples().size(), 1U);
}

}  // namespace
}  // namespace sd
