// Every command of docs/original.md, run as it stands there by a shell.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/image/encode.h"
#include "sd/image/png.h"
#include "support/write_bytes.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::Finished;
using test::read_text;
using test::TempFolder;

/// The page's blocks of commands, in their order.
std::vector<std::string> blocks_of(const fs::path& page) {
  std::istringstream text(read_text(page));
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("```")) {
      inside = line == "```sh";
      if (inside) blocks.emplace_back();
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

/// `sd` with few steps, and once where a line does not say how often.
constexpr const char* kShortDrawings = R"(sd() {
  local short="--ddim_steps 2 --device cpu --threads 1"
  case " $* " in
    *" --root "*|*" --compose "*) "$PROGRAM" "$@" ;;
    *" --n_iter "*) "$PROGRAM" "$@" $short ;;
    *) "$PROGRAM" "$@" $short --n_iter 1 ;;
  esac
}
)";

Image plain(int64_t width, int64_t height, uint8_t level) {
  return {width, height, 3,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * 3), level)};
}

/// A folder with what the page's lines read: pictures, maps of 50 timesteps as the fork saves them,
/// the fork's file of starts.
class OriginalPage : public ::testing::Test {
 protected:
  OriginalPage() {
    write_picture("sketch.jpg", plain(128, 128, 120), FileFormat::kJpeg);
    write_picture("man.jpg", plain(128, 128, 90), FileFormat::kJpeg);
    write_picture("man_mask.png", plain(128, 128, 255), FileFormat::kPng);
    write_maps(folder_ / "attenmaps_bear" / "crossatt");
    for (const char* same : {"attenmaps_person", "attenmaps_apples_swap_orig"}) {
      fs::create_directory_symlink("attenmaps_bear", folder_ / same);
    }
    const Image grid = make_grid(std::vector<Image>(3, plain(64, 64, 60)), 3);
    write_picture("outputs/swap-samples/A_basket_full_of_apples_tar.png", grid, FileFormat::kPng);
    // Three starts as in the fork's z_fixed.npy, for the demo model's pictures.
    const int64_t shape[] = {3, 4, 16, 16};
    std::vector<float> starts;
    for (int i = 0; i < 3 * 4 * 16 * 16; ++i) starts.push_back(std::sin(static_cast<float>(i)));
    test::write_bytes(folder_ / "z_fixed.npy", encode_npy(shape, starts));
  }

  void write_picture(const std::string& name, const Image& image, FileFormat format) const {
    const auto path = folder_ / name;
    fs::create_directories(path.parent_path());
    test::write_bytes(path, encode_picture(image, {format, kDefaultQuality}, {}));
  }

  static void write_maps(const fs::path& folder) {
    fs::create_directories(folder);
    const auto write = [&](const std::string& name, int64_t side) {
      const int64_t shape[] = {3, side, side, 6};
      test::write_bytes(
          folder / name,
          encode_npy(shape, std::vector<float>(static_cast<std::size_t>(18 * side * side), 0.25F)));
    };
    for (int t = 1; t < 1000; t += 20) {
      const std::string time = std::to_string(10000 + t).substr(1);
      write("middle_time" + time + "_res001.npy", 1);
      for (const int64_t side : {2, 4, 8}) {
        const auto place = "_time" + time + "_res00" + std::to_string(side);
        write("down" + place + "_num001.npy", side);
        write("up" + place + "_num003.npy", side);
      }
    }
  }

  /// Runs commands as a shell does, with short drawings, and ends at the first that fails.
  Finished shell(const std::string& commands) const {
    test::ProcessSetup setup;
    setup.binary = "/bin/bash";
    setup.arguments = {"-euc", std::string(kShortDrawings) + commands};
    setup.folder = folder_.path();
    setup.environment = {{"PROGRAM", SD_BINARY},
                         {"XDG_CACHE_HOME", (folder_ / "cache").string()},
                         {"XDG_CONFIG_HOME", (folder_ / "config").string()}};
    return test::run_program(setup);
  }

  bool exists(const std::string& name) const { return fs::exists(folder_ / name); }

  TempFolder folder_;
};

TEST_F(OriginalPage, EveryLineRunsAndWritesWhatTheOriginalWrote) {
  const auto blocks = blocks_of(SD_SOURCE_DIR "/docs/original.md");
  ASSERT_GE(blocks.size(), 8u);
  std::string said;
  for (const auto& block : blocks) {
    const auto finished = shell(block);
    ASSERT_EQ(finished.code, 0) << block << finished.err;
    said += finished.err;
  }
  const std::string drawn = "atten_A_basket_full_of_apples_tar_5/";
  for (const char* name :
       {"outputs/txt2img-samples/samples/00008.png", "outputs/txt2img-samples/grid-0002.png",
        "outputs/img2img-samples/samples/00007.png", "attenmaps_cat_load/crossatt",
        "attenmaps_redsuit/crossatt", "attenmaps_cake/crossatt",
        "outputs/swap-samples/a_cake_with_jelly_beans_decorations_tar.png",
        "outputs/swap-samples/a_cake_with_decorations_src.png",
        "outputs/swap-samples/source/00002.png",
        "atten_bear_visualization/attmap2_tokidx:3_res001_lev:1_1_tstep:0_49.png",
        "atten_bear_visualization/bundle_attmap_tokidx:3_res002_lev:0_2_tstep:0_49.png",
        "attenmaps_cats/batch-0001/crossatt"}) {
    EXPECT_TRUE(exists(name)) << name;
  }
  for (const char* name : {"attmap0_tokidx:5_res008_lev:0_2_tstep:0_49.png",
                           "bundle_attmap_tokidx:5_res001_lev:1_1_tstep:0_49.png",
                           "last_bundle_imgs_idx:5.png", "last_bundle_attnmaps_idx:5-0001.png"}) {
    EXPECT_TRUE(exists(drawn + name)) << name;
  }
  EXPECT_TRUE(contains(said, "--strength 0.99 changes nothing without --init-img")) << said;
  EXPECT_TRUE(contains(said, "grid-0001.png is taken")) << said;
}

TEST_F(OriginalPage, AShellScriptsBackslashesAndCommentsAreNoArguments) {
  const auto finished = shell(R"(sd swap\
    --prompt "a cat"\
    --n_samples 1\
    --strength 0.99\
    --sprompt "a dog"\
    --is-swap\
    #--fixed_code\
    # --is_get_attn\

true)");
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_FALSE(exists("outputs/swap-samples/attn_maps"));
}

TEST_F(OriginalPage, AllSamplesOfASwapStartFromTheFirstRowOfTheForksFile) {
  const auto finished = shell(
      "sd swap --prompt 'a cat' --n_samples 2 --fixed_code --init-latents z_fixed.npy --skip_grid\n"
      "sd txt2img --prompt 'a cat' --n_samples 2 --init-latents z_fixed.npy --skip_grid");
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto pixels = [&](const std::string& name) {
    return read_image(folder_ / ("outputs/" + name)).pixels;
  };
  const auto first = pixels("txt2img-samples/samples/00000.png");
  EXPECT_EQ(pixels("swap-samples/samples/00000.png"), first);
  EXPECT_EQ(pixels("swap-samples/samples/00001.png"), first);
  EXPECT_NE(pixels("txt2img-samples/samples/00001.png"), first);
}

TEST_F(OriginalPage, EachIterationsMapsAreKept) {
  const auto finished = shell(
      "sd txt2img --prompt 'a cat' --n_samples 1 --n_iter 3 --is_get_attn --save_attn_dir maps "
      "--skip_grid");
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto of = [&](const std::string& batch) {
    return read_npy(folder_ / ("maps/" + batch + "crossatt/middle_time0001_res004.npy")).values;
  };
  EXPECT_NE(of(""), of("batch-0001/"));
  EXPECT_NE(of("batch-0001/"), of("batch-0002/"));
}

TEST_F(OriginalPage, TheMiddleIsAFlagThatNamedLevelsOverrule) {
  const auto finished = shell(
      "sd attn --root attenmaps_bear --save_dir a --is_mid\n"
      "sd attn --root attenmaps_bear --save_dir b --is_mid --slevel 0 --elevel 2 --res 1");
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(exists("a/attmap0_tokidx:3_res001_lev:1_1_tstep:0_49.png")) << finished.out;
  EXPECT_TRUE(exists("b/attmap0_tokidx:3_res002_lev:0_2_tstep:0_49.png")) << finished.out;
}

TEST_F(OriginalPage, OptionsOfSavedMapsAreRefusedWhereNoneAreNamed) {
  const auto finished = shell("sd attn --token_idx 3 --prompt 'a cat'");
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "--token_idx: belongs to saved maps")) << finished.err;
}

}  // namespace
}  // namespace sd
