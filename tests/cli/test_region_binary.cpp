// Regions, masks and concepts through the binary, on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/image/png.h"

namespace sd {
namespace {

using test::contains;
using test::Finished;
using test::TinyRun;
using Names = std::vector<std::string>;

/// A picture of 128x128 with a soft pattern.
Image soft_pattern() {
  Image image{128, 128, 3, {}};
  for (int i = 0; i < 128 * 128 * 3; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i / 3 % 128 + i / (3 * 128) / 2));
  return image;
}

/// `left` in the left half, `right` in the right one.
Image halves(uint8_t left, uint8_t right) {
  Image mask{128, 128, 1, {}};
  for (int i = 0; i < 128 * 128; ++i) mask.pixels.push_back(i % 128 < 64 ? left : right);
  return mask;
}

class RegionBinary : public ::testing::Test {
 protected:
  std::string picture(const std::string& name, const Image& image) const {
    const auto png = encode_png(image);
    return run.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  }
  Finished command(const std::string& name, const Names& arguments) const {
    auto setup = run.setup({"--n_samples", "1", "--n_iter", "1", "--skip_grid"});
    setup.arguments.front() = name;
    setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
    return test::run_program(setup);
  }
  /// The pixels of the picture that such a command draws.
  std::vector<uint8_t> drawn(const std::string& name, const Names& arguments) const {
    const auto before = run.samples().size();
    const auto finished = command(name, arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    if (run.samples().size() == before) return {};
    return read_image(run.sample_path(before)).pixels;
  }
  void expect_refused(const std::string& name, const Names& arguments, int code,
                      const Names& said) const {
    const auto finished = command(name, arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    for (const auto& what : said) EXPECT_TRUE(contains(finished.err, what)) << finished.err;
  }
  /// Draws a picture again by what its metadata say, and compares the files.
  void expect_repeated(std::size_t number) const {
    const auto asked = test::run_sd({"info", "--as-args", run.sample_path(number).string()});
    ASSERT_EQ(asked.code, 0) << asked.err;
    test::ProcessSetup shell;
    shell.binary = "/bin/sh";
    shell.arguments = {"-c", "PATH=\"$SD_FOLDER:$PATH\"; cd " + run.path("").string() + "; " +
                                 asked.out.substr(0, asked.out.find('\n')) + " --outdir again"};
    shell.environment = {{"XDG_CACHE_HOME", run.path("cache").string()},
                         {"SD_FOLDER", std::filesystem::path(SD_BINARY).parent_path().string()}};
    const auto again = test::run_program(shell);
    ASSERT_EQ(again.code, 0) << again.err << asked.out;
    EXPECT_EQ(test::read_text(run.path("again/samples/00000.png")),
              test::read_text(run.sample_path(number)));
  }

  static bool same_columns(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, int from,
                           int to) {
    for (int y = 0; y < 128; ++y) {
      const auto first = (y * 128 + from) * 3, last = (y * 128 + to) * 3;
      if (!std::equal(a.begin() + first, a.begin() + last, b.begin() + first)) return false;
    }
    return true;
  }

  TinyRun run;
};

constexpr const char* kRightCat = "0.5,0,1,1:a red cat";

TEST_F(RegionBinary, ARegionHasAPromptOfItsOwnAndIsToldAndRepeated) {
  const auto plain = drawn("txt2img", {"--prompt", "a house"});
  const auto mask = picture("right.png", halves(0, 255));
  for (const Names& region :
       {Names{"--region", kRightCat},
        Names{"--region", mask + ":a red cat", "--region-feather", "4"},
        Names{"--region", kRightCat, "--region-mode", "attention", "--region-base", "0.5"}}) {
    Names arguments = {"--prompt", "a house"};
    arguments.insert(arguments.end(), region.begin(), region.end());
    EXPECT_NE(drawn("txt2img", arguments), plain);
    expect_repeated(run.samples().size() - 1);
    std::filesystem::remove_all(run.path("again"));
  }
  const auto told =
      nlohmann::json::parse(test::run_sd({"info", "--json", run.sample_path(3).string()}).out);
  const auto& settings = told.at("texts").at("sd");
  EXPECT_EQ(settings.at("prompt"), "a house");
  EXPECT_EQ(settings.at("region").dump(), R"([{"prompt":"a red cat","where":[0.5,0.0,1.0,1.0]}])");
  EXPECT_EQ(settings.at("region_mode"), "attention");
  EXPECT_EQ(settings.at("region_base"), 0.5);
}

TEST_F(RegionBinary, ARegionThatCoversNothingChangesNothing) {
  const auto black = picture("black.png", halves(0, 0));
  const auto plain = drawn("txt2img", {"--prompt", "a house"});
  for (const char* base : {"0", "0.2"}) {
    const auto finished = command("txt2img", {"--prompt", "a house", "--region",
                                              black + ":a red cat", "--region-base", base});
    ASSERT_EQ(finished.code, 0) << finished.err;
    EXPECT_TRUE(contains(finished.err, "black everywhere")) << finished.err;
  }
  EXPECT_EQ(run.sample("00001.png").pixels, plain);
  EXPECT_EQ(run.sample("00002.png").pixels, plain);
}

TEST_F(RegionBinary, ARegionThatIsAllOfThePictureIsItsOwnPrompt) {
  const auto plain = drawn("txt2img", {"--prompt", "a red cat"});
  const auto white = picture("white.png", halves(255, 255));
  for (const auto& where : {std::string("0,0,1,1"), white}) {
    EXPECT_EQ(drawn("txt2img", {"--prompt", "a house", "--region", where + ":a red cat",
                                "--region-base", "0"}),
              plain);
  }
}

TEST_F(RegionBinary, WordsOfRegionsCanBeWeighedAndShown) {
  const Names common = {"--prompt", "a house", "--region", kRightCat};
  const auto plain = drawn("txt2img", common);
  auto weighed = common;
  weighed.insert(weighed.end(), {"--reweight", "red=5"});
  EXPECT_NE(drawn("txt2img", weighed), plain);
  auto shown = common;
  shown.insert(shown.end(), {"--attn", run.path("maps").string(), "--words", "cat,house"});
  EXPECT_EQ(drawn("txt2img", shown), plain);
  // Attention that is weighed itself is that of the prompt alone.
  shown.insert(shown.end(), {"--region-mode", "attention"});
  expect_refused("txt2img", shown, 2, {"cat"});
}

TEST_F(RegionBinary, TargetsOfASwapHaveRegions) {
  for (const char* mode : {"fork", "p2p"}) {
    const Names swap = {"--mode", mode, "--sprompt", "a blue house", "--prompt", "a red house"};
    const auto plain = drawn("swap", swap);
    const auto number = run.samples().size() - 1;
    auto regional = swap;
    regional.insert(regional.end(), {"--region", kRightCat, "--reweight", "cat=2"});
    EXPECT_NE(drawn("swap", regional), plain);
    expect_repeated(number + 1);
    std::filesystem::remove_all(run.path("again"));
    const auto source = [&](std::size_t i) {
      return read_image(run.outdir() / "source" / run.samples().at(i)).pixels;
    };
    EXPECT_EQ(source(number + 1).size(), source(number).size());
  }
}

int most_apart(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  int most = a.size() == b.size() ? 0 : 256;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  return most;
}

TEST_F(RegionBinary, WordsOfASwapWithRegionsAreWeighedWhileTheyFollowTheSource) {
  for (const char* region_mode : {"latent", "attention"}) {
    for (const auto& [steps, word, weighs] :
         {std::tuple("0:0", "red", false), {"0:1", "red", true}, {"0:0", "cat", false}}) {
      if (std::string(region_mode) == "attention" && std::string(word) == "cat") continue;
      Names swap = {"--mode",        "p2p",         "--sprompt",     "a blue house",
                    "--prompt",      "a red house", "--region",      kRightCat,
                    "--region-mode", region_mode,   "--cross-steps", steps};
      const auto plain = drawn("swap", swap);
      swap.insert(swap.end(), {"--reweight", std::string(word) + "=5"});
      // Attention that is looked at is computed apart, which rounds otherwise.
      EXPECT_EQ(most_apart(drawn("swap", swap), plain) > 1, weighs) << region_mode << " " << word;
    }
  }
}

TEST_F(RegionBinary, RegionsThatDoNotFitAreRefused) {
  expect_refused("txt2img", {"--region", "0,0,0.5,1:a cat", "--region-base", "0"}, 2,
                 {"leave 50.0 % of the picture without a prompt", "0.53,0.03"});
  expect_refused("txt2img", {"--region", "0.5,0,1.5,1:a cat"}, 2, {"outside of the picture"});
  expect_refused("txt2img", {"--region", "0.5,0,0.2,1:a cat"}, 2, {"--region"});
  expect_refused("txt2img", {"--region", "0.5,0,1:a cat"}, 2, {"3 numbers"});
  expect_refused("txt2img", {"--region", "0,0,1,1: "}, 2, {"MASK:PROMPT"});
  expect_refused("txt2img", {"--region", "nowhere.png:a cat"}, 5, {"nowhere.png does not exist"});
  const auto text = run.file("text.png", "no picture");
  expect_refused("txt2img", {"--region", text + ":a cat"}, 5, {"text.png"});
  expect_refused("txt2img", {"--region-base", "1"}, 2, {"belongs to --region"});
  expect_refused("txt2img", {"--region", kRightCat, "--pag", "3"}, 2, {"--region", "--pag"});
  expect_refused("txt2img", {"--region", kRightCat, "--prompt-syntax", "plain"}, 2, {"--region"});
  expect_refused("swap",
                 {"--sprompt", "a cat", "--prompt", "a dog", "--region", "0,0,1,1:a fox",
                  "--region-base", "0"},
                 2, {"--region-base"});
}

TEST_F(RegionBinary, AGradedMaskOfBlackAndWhiteIsAPlainOne) {
  const auto start = picture("start.png", soft_pattern());
  const auto mask = picture("mask.png", halves(0, 255));
  const Names common = {"--init-img", start, "--init-mask", mask, "--ddim_steps", "4"};
  auto plain = common, graded = common;
  plain.insert(plain.end(), {"--strength", "1"});
  graded.insert(graded.end(), {"--mask-mode", "graded"});
  EXPECT_EQ(drawn("img2img", graded), drawn("img2img", plain));
  expect_repeated(0);
}

TEST_F(RegionBinary, GreysOfAGradedMaskSayHowMuchMayChange) {
  const auto original = soft_pattern();
  const auto start = picture("start.png", original);
  const auto mask = picture("mask.png", halves(0, 128));
  const auto graded = drawn("img2img", {"--init-img", start, "--init-mask", mask, "--ddim_steps",
                                        "4", "--mask-mode", "graded"});
  EXPECT_TRUE(same_columns(graded, original.pixels, 0, 64));
  EXPECT_FALSE(same_columns(graded, original.pixels, 64, 128));
}

TEST_F(RegionBinary, OutsideOfAnEditMaskPixelsAreTheSourcesToTheByte) {
  const auto mask = picture("mask.png", halves(0, 255));
  for (const char* mode : {"fork", "p2p"}) {
    const Names swap = {"--mode",   mode,         "--sprompt",   "a red cat",
                        "--prompt", "a blue dog", "--edit-mask", mask};
    const auto target = drawn("swap", swap);
    const auto number = run.samples().size() - 1;
    const auto source = read_image(run.outdir() / "source" / run.samples().at(number)).pixels;
    EXPECT_TRUE(same_columns(target, source, 0, 64)) << mode;
    EXPECT_FALSE(same_columns(target, source, 64, 128)) << mode;
    expect_repeated(number);
    std::filesystem::remove_all(run.path("again"));
  }
}

TEST_F(RegionBinary, AnEditMaskIsNarrowedSoftenedAndWritten) {
  const auto mask = picture("mask.png", halves(0, 255));
  const auto saved = run.path("saved.png").string();
  const Names swap = {"--sprompt",   "a red cat", "--prompt",    "a blue dog",
                      "--edit-mask", mask,        "--mask-grow", "-16",
                      "--mask-blur", "2",         "--save-mask", saved};
  drawn("swap", swap);
  const auto found = read_image(saved);
  ASSERT_EQ(found.channels, 1);
  EXPECT_EQ(found.pixels[70], 0);
  EXPECT_EQ(found.pixels[100], 255);
  EXPECT_GT(found.pixels[80], 0);
  EXPECT_LT(found.pixels[80], 255);
  expect_refused("swap", swap, 5, {"saved.png is there already"});
}

TEST_F(RegionBinary, AnEditMaskOverAPictureKeepsItsPixels) {
  const auto original = soft_pattern();
  const auto start = picture("start.png", original);
  const auto mask = picture("mask.png", halves(0, 255));
  const auto target = drawn("swap", {"--init-img", start, "--sprompt", "a red cat", "--prompt",
                                     "a blue dog", "--edit-mask", mask});
  EXPECT_TRUE(same_columns(target, original.pixels, 0, 64));
  EXPECT_FALSE(same_columns(target, original.pixels, 64, 128));
}

TEST_F(RegionBinary, MasksHoldOverAnInvertedPicture) {
  const auto original = soft_pattern();
  const auto start = picture("start.png", original);
  const auto mask = picture("mask.png", halves(0, 255));
  const Names swap = {"--init-img", start,       "--mode",    "p2p",      "--invert",
                      "direct",     "--sprompt", "a red cat", "--prompt", "a blue dog"};
  const auto with = [&](const Names& more) {
    auto all = swap;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const auto folder = run.path("latents").string();
  drawn("swap", with({"--no-paste", "--edit-mask", mask, "--save-latents", folder}));
  const auto target = read_npy(folder + "/latents.npy").values;
  const auto source = read_npy(folder + "/source_latents.npy").values;
  ASSERT_EQ(target.size(), 4u * 16 * 16);
  int differing[2] = {0, 0};  // in the left half, in the right one
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] != source[i]) ++differing[i % 16 < 8 ? 0 : 1];
  }
  EXPECT_EQ(differing[0], 0);
  EXPECT_GT(differing[1], 0);
  const auto edited = drawn("swap", with({"--edit-mask", mask}));
  EXPECT_TRUE(same_columns(edited, original.pixels, 0, 64));
  EXPECT_FALSE(same_columns(edited, original.pixels, 64, 128));
  const auto free = drawn("swap", swap);
  EXPECT_NE(drawn("swap", with({"--auto-mask"})), free);
  EXPECT_NE(drawn("swap", with({"--edit", "snow:5:0.5"})), free);
  const auto grey = picture("grey.png", halves(0, 128));
  const auto graded = drawn("swap", with({"--edit-mask", grey, "--mask-mode", "graded"}));
  EXPECT_TRUE(same_columns(graded, original.pixels, 0, 64));
  EXPECT_FALSE(same_columns(graded, original.pixels, 64, 128));
  EXPECT_NE(graded, drawn("swap", with({"--edit-mask", grey})));
  expect_refused("swap", with({"--init-mask", mask}), 2,
                 {"--init-mask", "Give the mask as --edit-mask"});
}

TEST_F(RegionBinary, MasksThatDoNotFitAreRefused) {
  const auto start = picture("start.png", soft_pattern());
  const auto mask = picture("mask.png", halves(0, 255)), black = picture("b.png", halves(0, 0));
  const Names swap = {"--sprompt", "a red cat", "--prompt", "a blue dog"};
  const auto with = [&](Names more) {
    more.insert(more.begin(), swap.begin(), swap.end());
    return more;
  };
  expect_refused("swap", with({"--edit-mask", black}), 2, {"--edit-mask", "the mask is empty"});
  expect_refused("swap", with({"--edit-mask", mask, "--mask-grow", "-100"}), 2,
                 {"narrowed by 100 pixels"});
  expect_refused("swap", with({"--edit-mask", "nowhere.png"}), 5, {"nowhere.png does not exist"});
  expect_refused("swap", {"--prompt", "a dog", "--edit-mask", mask}, 2, {"--edit-mask"});
  expect_refused("swap", with({"--init-img", start, "--edit-mask", mask, "--init-mask", mask}), 2,
                 {"--edit-mask", "--init-mask"});
  expect_refused("swap", with({"--mode", "p2p", "--edit-mask", mask, "--blend-mask", mask}), 2,
                 {"--blend-mask"});
  expect_refused("img2img", {"--init-img", start, "--mask-mode", "graded"}, 2, {"--mask-mode"});
  expect_refused("img2img", {"--init-img", start, "--save-mask", "m.png"}, 2, {"--save-mask"});
  expect_refused("img2img", {"--init-img", start, "--auto-mask", "--save-mask", "m.jpg"}, 2,
                 {"--save-mask"});
  expect_refused("swap", with({"--auto-mask"}), 2, {"--auto-mask", "--init-img"});
  expect_refused("img2img", {"--init-img", start, "--auto-mask-from", "a cat"}, 2,
                 {"belongs to --auto-mask"});
}

TEST_F(RegionBinary, AnAutoMaskSaysWhereThePictureChanges) {
  const auto original = soft_pattern();
  const auto start = picture("start.png", original);
  const auto saved = run.path("auto.png").string();
  const Names swap = {"--init-img", start,      "--strength", "0.5",        "--sprompt",
                      "a red cat",  "--prompt", "a blue dog", "--auto-mask"};
  auto saving = swap;
  saving.insert(saving.end(), {"--save-mask", saved});
  const auto target = drawn("swap", saving);
  expect_repeated(0);
  const auto mask = read_image(saved);
  int64_t kept = 0, changed = 0;
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    const bool same =
        std::equal(&target[3 * i], &target[3 * i] + 3, original.pixels.begin() + 3 * i);
    if (mask.pixels[i] == 0) {
      EXPECT_TRUE(same) << i;
      ++kept;
    } else {
      changed += same ? 0 : 1;
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(changed, 0);
  // The seed alone says what it is looked at with: more samples change nothing in the first.
  auto more = swap;
  more.insert(more.end(), {"--auto-mask-threshold", "0.7"});
  EXPECT_NE(drawn("swap", more), target);
  expect_refused(
      "img2img",
      {"--init-img", start, "--prompt", "a cat", "--auto-mask", "--auto-mask-from", "a cat"}, 2,
      {"nothing to change"});
}

TEST_F(RegionBinary, ConceptsAreAddedAndTakenOut) {
  const Names plain = {"--prompt", "a house"};
  const auto before = drawn("txt2img", plain);
  const auto with = [&](const Names& more) {
    auto all = plain;
    all.insert(all.end(), more.begin(), more.end());
    return drawn("txt2img", all);
  };
  EXPECT_EQ(with({"--edit", "+snow:0"}), before);
  const auto added = with({"--edit", "+snow:5:0.5"});
  EXPECT_NE(added, before);
  const auto both = with({"--edit", "snow:5:0.5", "--edit", "-a red roof:3:0.5:0.2:1"});
  EXPECT_NE(both, added);
  expect_repeated(3);
  const auto told =
      nlohmann::json::parse(test::run_sd({"info", "--json", run.sample_path(3).string()}).out);
  EXPECT_EQ(told.at("texts").at("sd").at("edit").dump(),
            R"([{"concept":"snow","scale":5.0,"steps":[0.0,1.0],"threshold":0.5},)"
            R"({"concept":"a red roof","scale":-3.0,"steps":[0.2,1.0],"threshold":0.5}])");
}

TEST_F(RegionBinary, ConceptsThatDoNotFitAreRefused) {
  expect_refused("txt2img", {"--edit", "+"}, 2, {"CONCEPT"});
  expect_refused("txt2img", {"--edit", "snow:many"}, 2, {"--edit", "many"});
  expect_refused("txt2img", {"--edit", "snow:5:2"}, 2, {"--edit"});
  expect_refused("txt2img", {"--edit", "snow:5:0.9:0.8:0.2"}, 2, {"no step"});
  expect_refused("txt2img", {"--edit", "snow", "--deepcache", "3"}, 2, {"--deepcache"});
}

}  // namespace
}  // namespace sd
