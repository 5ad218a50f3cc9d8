// What stays as it was beside an edit: margins of blends and masks, through the binary on the tiny
// model.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"

namespace sd {
namespace {

using test::TinyRun;
using Names = std::vector<std::string>;

/// A picture of 128x128 with a soft pattern.
Image soft_pattern() {
  Image image{128, 128, 3, {}};
  for (int i = 0; i < 128 * 128 * 3; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i / 3 % 128 + i / (3 * 128) / 2));
  return image;
}

/// White in the right half.
Image right_half() {
  Image mask{128, 128, 1, {}};
  for (int i = 0; i < 128 * 128; ++i) mask.pixels.push_back(i % 128 < 64 ? 0 : 255);
  return mask;
}

/// Whether pictures of 128x128 differ between two columns.
bool differs(const Image& a, const Image& b, int64_t left, int64_t right) {
  for (int64_t y = 0; y < 128; ++y) {
    const auto from = static_cast<std::ptrdiff_t>((y * 128 + left) * 3);
    const auto to = static_cast<std::ptrdiff_t>((y * 128 + right) * 3);
    if (!std::equal(a.pixels.begin() + from, a.pixels.begin() + to, b.pixels.begin() + from))
      return true;
  }
  return false;
}

class EditMargins : public ::testing::Test {
 protected:
  std::string picture(const std::string& name, const Image& image) const {
    const auto png = encode_png(image);
    return run.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  }
  test::Finished command(const std::string& name, const Names& arguments) const {
    auto setup = run.setup(arguments);
    setup.arguments.front() = name;
    return test::run_program(setup);
  }

  TinyRun run;
};

TEST_F(EditMargins, ABlendWithAMarginKeepsTheSourcesPixelsToTheByte) {
  const auto mask = picture("mask.png", right_half());  // white on the right
  for (const Names& margin : {Names{}, Names{"--blend-margin", "16"}}) {
    auto arguments =
        Names{"--mode",       "p2p", "--sprompt",   "a red cat", "--prompt",   "a blue dog",
              "--blend-mask", mask,  "--n_samples", "1",         "--skip_grid"};
    arguments.insert(arguments.end(), margin.begin(), margin.end());
    ASSERT_EQ(command("swap", arguments).code, 0);
  }
  const auto source = read_image(run.outdir() / "source/00000.png");
  EXPECT_TRUE(differs(run.sample("00000.png"), source, 0, 47));   // decoding spreads the edit
  EXPECT_FALSE(differs(run.sample("00001.png"), source, 0, 47));  // 16 pixels away from the middle
  EXPECT_TRUE(differs(run.sample("00001.png"), source, 64, 128));
}

/// Inverted at once, or along a file of it: what lies away from the blend is the picture's own, not
/// what the autoencoder makes of it.
TEST_F(EditMargins, ABlendWithAMarginKeepsAnInvertedPicturesPixelsToTheByte) {
  const auto original = soft_pattern();
  const auto start = picture("start.png", original);
  const auto mask = picture("mask.png", right_half());
  const auto file = (run.outdir().parent_path() / "start.inv.safetensors").string();
  auto inverts = run.setup({start, "--prompt", "a red cat", "-o", file});
  inverts.arguments.front() = "invert";
  std::erase_if(inverts.arguments, [outdir = false, this](const std::string& word) mutable {
    const bool drop = outdir || word == "--outdir";
    outdir = word == "--outdir";
    return drop;
  });
  ASSERT_EQ(test::run_program(inverts).code, 0);
  const Names edit = {"--mode",       "p2p", "--init-img",     start, "--prompt",    "a blue dog",
                      "--blend-mask", mask,  "--blend-margin", "16",  "--n_samples", "1",
                      "--skip_grid"};
  for (const Names& source : {Names{"--sprompt", "a red cat"}, Names{"--inversion", file}}) {
    auto arguments = edit;
    arguments.insert(arguments.end(), source.begin(), source.end());
    const auto done = command("swap", arguments);
    ASSERT_EQ(done.code, 0) << done.err;
  }
  for (const char* name : {"00000.png", "00001.png"}) {
    EXPECT_FALSE(differs(run.sample(name), original, 0, 47)) << name;
    EXPECT_TRUE(differs(run.sample(name), original, 64, 128)) << name;
  }
  const auto first = run.sample("00000.png"), again = run.sample("00001.png");
  EXPECT_EQ(first.pixels, again.pixels);
}

TEST_F(EditMargins, AMaskCanBeWidened) {
  const auto original = soft_pattern();
  const auto start = picture("start.png", original);
  const auto mask = picture("mask.png", right_half());
  ASSERT_EQ(command("img2img", {"--init-img", start, "--init-mask", mask, "--mask-grow", "32",
                                "--n_samples", "1"})
                .code,
            0);
  const auto drawn = run.sample("00000.png");
  const auto row = drawn.pixels.begin() + 64 * 128 * 3,
             before = original.pixels.begin() + 64 * 128 * 3;
  EXPECT_TRUE(std::equal(row, row + 32 * 3, before));
  EXPECT_FALSE(std::equal(row + 34 * 3, row + 62 * 3, before + 34 * 3));
}

}  // namespace
}  // namespace sd
