// The families beside Stable Diffusion v1 through the binary: found by their weights.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"
#include "support/family_model.h"

namespace sd {
namespace {

using test::Finished;
using test::image_lines;
using test::TinyFamily;
using Names = std::vector<std::string>;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class FamilyBinary : public ::testing::Test {
 protected:
  Finished command(const std::string& name, TinyFamily family, Names arguments) {
    const auto checkpoint = run.path("model.safetensors");
    write_family(family, checkpoint);
    const Names common = {"--ckpt",      checkpoint, "--H",      "64", "--W",        "64",
                          "--n_samples", "1",        "--n_iter", "1",  "--skip_grid"};
    arguments.insert(arguments.begin(), common.begin(), common.end());
    auto setup = run.setup(arguments);
    setup.arguments.front() = name;
    return test::run_program(setup);
  }
  std::string picture(const std::string& name, int64_t channels, int64_t white_from) const {
    Image image{64, 64, channels, {}};
    for (int64_t i = 0; i < 64 * 64 * channels; ++i) {
      image.pixels.push_back(i / channels % 64 < white_from ? 0 : 255);
    }
    const auto png = encode_png(image);
    return run.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  }

  test::TinyRun run;
};

TEST_F(FamilyBinary, SaysWhatItAssumesOfASecondGenerationModel) {
  const auto guessed = command("txt2img", TinyFamily::kV2Velocity, {"--json"});
  ASSERT_EQ(guessed.code, 0) << guessed.err;
  EXPECT_TRUE(contains(guessed.err, "v is assumed (--prediction eps")) << guessed.err;
  EXPECT_EQ(image_lines(guessed).at(0).at("prediction"), "v");
}

TEST_F(FamilyBinary, AGivenPredictionIsTaken) {
  const auto told = command("txt2img", TinyFamily::kV2Velocity, {"--json", "--prediction", "eps"});
  ASSERT_EQ(told.code, 0) << told.err;
  EXPECT_FALSE(contains(told.err, "assumed")) << told.err;
  EXPECT_EQ(image_lines(told).at(0).at("prediction"), "eps");
}

TEST_F(FamilyBinary, InpaintingKeepsEveryPixelOutsideTheMask) {
  const auto start = picture("start.png", 3, 20), mask = picture("mask.png", 1, 32);
  const auto finished = command("img2img", TinyFamily::kV1Inpainting,
                                {"--init-img", start, "--init-mask", mask, "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(image_lines(finished).at(0).at("input").at("strength"), 1.0);
  const auto before = read_image(start), after = run.sample("00000.png");
  bool changed = false;
  for (std::size_t i = 0; i < before.pixels.size(); ++i) {
    if (i / 3 % 64 < 32) {
      ASSERT_EQ(after.pixels[i], before.pixels[i]) << i;
    } else {
      changed = changed || after.pixels[i] != before.pixels[i];
    }
  }
  EXPECT_TRUE(changed);
}

TEST_F(FamilyBinary, InpaintingModelsDrawTextAlone) {
  EXPECT_EQ(command("txt2img", TinyFamily::kV1Inpainting, {}).code, 0);
}

TEST_F(FamilyBinary, SwapsOverAMaskedPicture) {
  const auto start = picture("start.png", 3, 20), mask = picture("mask.png", 1, 32);
  const auto finished =
      command("swap", TinyFamily::kV1Inpainting,
              {"--init-img", start, "--init-mask", mask, "--sprompt", "a red circle", "--prompt",
               "a blue circle", "--mode", "p2p", "--reweight", "blue=2"});
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(FamilyBinary, Pix2PixFollowsThePictureByImgScale) {
  const auto start = picture("start.png", 3, 20);
  const auto finished = command("img2img", TinyFamily::kPix2Pix,
                                {"--init-img", start, "--prompt", "make it blue", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto input = image_lines(finished).at(0).at("input");
  EXPECT_EQ(input.at("img_scale"), 1.5);
  EXPECT_EQ(input.at("strength"), 1.0);
}

TEST_F(FamilyBinary, Pix2PixSwapsWithAttentionMaps) {
  const auto finished =
      command("swap", TinyFamily::kPix2Pix,
              {"--init-img", picture("start.png", 3, 20), "--sprompt", "a red circle", "--prompt",
               "a blue circle", "--img-scale", "2", "--attn", run.path("maps").string()});
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(FamilyBinary, Pix2PixWithoutAPictureIsAUsageError) {
  const auto finished = command("txt2img", TinyFamily::kPix2Pix, {});
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "InstructPix2Pix")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "--init-img")) << finished.err;
}

TEST_F(FamilyBinary, InfoNamesFamilyAndPrediction) {
  const auto path = run.path("model.safetensors");
  const auto info = [&](TinyFamily family) {
    std::filesystem::remove(path);
    write_family(family, path);
    return nlohmann::json::parse(test::run_sd({"info", "--json", path}).out);
  };
  const auto inpainting = info(TinyFamily::kV1Inpainting);
  EXPECT_EQ(inpainting.at("family"), "Stable Diffusion v1 inpainting");
  EXPECT_TRUE(inpainting.at("problem").is_null());
  EXPECT_EQ(info(TinyFamily::kPix2Pix).at("family"), "InstructPix2Pix");
  const auto second = info(TinyFamily::kV2Velocity);
  EXPECT_EQ(second.at("family"), "Stable Diffusion v2");
  EXPECT_EQ(second.at("prediction"), "v");
  EXPECT_EQ(second.at("prediction_assumed"), true);
  EXPECT_TRUE(second.at("problem").is_null());
}

}  // namespace
}  // namespace sd
