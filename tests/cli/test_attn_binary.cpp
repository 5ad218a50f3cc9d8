#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "cli/tiny_run.h"
#include "sd/core/npy.h"
#include "sd/image/heatmap.h"

namespace sd {
namespace {

using test::image_lines;
using test::read_text;
using test::TinyRun;
using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

namespace fs = std::filesystem;

/// `sd txt2img --attn` of one picture, further arguments behind.
Arguments with_maps(const TinyRun& run, const Arguments& more = {}) {
  Arguments arguments = {"--n_samples", "1",      "--n_iter",      "1",
                         "--skip_grid", "--attn", run.path("maps")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Json index_of(const fs::path& folder) { return Json::parse(read_text(folder / "index.json")); }

/// The mean of some tokens' maps.
std::vector<float> mean_of(const NpyArray& maps, const std::vector<int64_t>& tokens) {
  const auto size = static_cast<std::size_t>(maps.shape[1] * maps.shape[2]);
  std::vector<float> mean(size);
  for (std::size_t i = 0; i < size; ++i) {
    double sum = 0;
    for (const auto token : tokens) sum += maps.values[static_cast<std::size_t>(token) * size + i];
    mean[i] = static_cast<float>(sum / static_cast<double>(tokens.size()));
  }
  return mean;
}

TEST(AttnBinary, ChangesNoPicture) {
  for (const Arguments& how : {Arguments{},
                               {"--plms", "--attn-kind", "applied"},
                               {"--ddim_eta", "0.5", "--is_get_attn"}}) {
    const TinyRun run;
    Arguments plain = {"--n_samples", "2", "--n_iter", "2", "--prompt", "a cat"};
    for (const auto& argument : how) {
      if (!argument.starts_with("--attn") && argument != "applied" && argument != "--is_get_attn") {
        plain.push_back(argument);
      }
    }
    ASSERT_EQ(run(plain).code, 0);
    auto observed = plain;
    observed.insert(observed.end(), {"--attn", run.path("maps")});
    observed.insert(observed.end(), how.begin(), how.end());
    const auto finished = run(observed);
    ASSERT_EQ(finished.code, 0) << finished.err;
    ASSERT_EQ(run.samples().size(), 8u);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(run.sample("0000" + std::to_string(i) + ".png").pixels,
                run.sample("0000" + std::to_string(i + 4) + ".png").pixels);
    }
    EXPECT_EQ(read_text(run.outdir() / "grid-0000.png"), read_text(run.outdir() / "grid-0001.png"));
    // Numbered as the pictures are.
    EXPECT_TRUE(fs::exists(run.path("maps") / "00004/index.json"));
    EXPECT_TRUE(fs::exists(run.path("maps") / "00007/index.json"));
  }
}

TEST(AttnBinary, WritesAFolderForEachPictureAndNothingTwice) {
  const TinyRun run;
  const auto arguments = with_maps(run, {"--prompt", "two cats, a cat on a snowy/../house"});
  const auto first = run(arguments);
  ASSERT_EQ(first.code, 0) << first.err;
  const fs::path folder = run.path("maps") / "00000";
  EXPECT_EQ(first.lines().back(), folder / "contact.png");
  for (const char* file : {"contact.png", "timeline.png", "layers.png", "words/01_two.png",
                           "grey/05_cat.png", "masks/05_cat.png", "words/08_snowy.png"}) {
    EXPECT_TRUE(fs::is_regular_file(folder / file)) << file;
  }
  EXPECT_EQ(read_image(folder / "words/01_two.png").width, 128);
  const auto before = read_text(folder / "index.json");
  ASSERT_EQ(run(arguments).code, 0);
  EXPECT_EQ(read_text(folder / "index.json"), before);
  EXPECT_TRUE(fs::exists(run.path("maps") / "00001/index.json"));
}

/// Takes the last line of a list's journal away, as if its process had been killed before it.
void forget_last_task(const std::filesystem::path& journal) {
  auto text = read_text(journal);
  text.resize(text.rfind('\n', text.size() - 2) + 1);
  test::write_text(journal, text);
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(AttnBinary, AResumedTaskMeetsItsMapsAndTakesNoOther) {
  const TinyRun run;
  const std::string task = "{\"prompt\": \"a cat\", \"seed\": 1}\n";  // both are equal
  const Arguments arguments = {"--from-file", run.file("list.jsonl", task + task), "--attn",
                               run.path("maps")};
  ASSERT_EQ(run(arguments).code, 0);
  const auto journal = run.outdir() / "tasks.jsonl";
  const std::vector<std::string> both = {"00000", "00001"};
  ASSERT_EQ(names_in(run.path("maps")), both);
  auto resumed = arguments;
  resumed.push_back("--resume");
  forget_last_task(journal);  // killed behind the maps
  ASSERT_EQ(run(resumed).code, 0);
  EXPECT_EQ(names_in(run.path("maps")), both);
  forget_last_task(journal);  // killed before them
  std::filesystem::remove_all(run.path("maps") / "00001");
  ASSERT_EQ(run(resumed).code, 0);
  EXPECT_EQ(names_in(run.path("maps")), both);
}

TEST(AttnBinary, MapsOfATokenSumToTheStepsOverAllTokens) {
  const TinyRun run;
  ASSERT_EQ(run(with_maps(run, {"--prompt", "a cat", "--attn-res", "16"})).code, 0);
  const fs::path folder = run.path("maps") / "00000";
  const auto maps = read_npy(folder / "maps.npy");
  ASSERT_EQ(maps.shape, (std::vector<int64_t>{77, 16, 16}));
  const auto steps = static_cast<double>(index_of(folder).at("timesteps").size());
  for (std::size_t pixel = 0; pixel < 256; ++pixel) {
    double sum = 0;
    for (std::size_t token = 0; token < 77; ++token) sum += maps.values[token * 256 + pixel];
    // The layers have the latents' size, so that nothing is resized: only float32 rounds.
    EXPECT_NEAR(sum, steps, 1e-4);
  }
}

TEST(AttnBinary, WidePicturesHaveWideMaps) {
  const TinyRun run;
  ASSERT_EQ(run(with_maps(run, {"--W", "192", "--prompt", "a cat", "--words", "cat"})).code, 0);
  const fs::path folder = run.path("maps") / "00000";
  EXPECT_EQ(read_npy(folder / "maps.npy").shape, (std::vector<int64_t>{77, 16, 24}));
  for (const char* file : {"words/02_cat.png", "grey/02_cat.png", "masks/02_cat.png"}) {
    const auto picture = read_image(folder / file);
    EXPECT_EQ(picture.width, 192) << file;
    EXPECT_EQ(picture.height, 128) << file;
  }
}

TEST(AttnBinary, TheIndexAgreesWithTheMaps) {
  const TinyRun run;
  const auto finished =
      run(with_maps(run, {"--prompt", "a cat, a tyrannosaurus and a cat", "--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const fs::path folder = run.path("maps") / "00000";
  const auto index = index_of(folder);
  const auto maps = read_npy(folder / "maps.npy");
  EXPECT_EQ(index.at("prompt"), "a cat, a tyrannosaurus and a cat");
  EXPECT_EQ(index.at("picture"), image_lines(finished).at(0).at("path"));
  EXPECT_EQ(index.at("words").size(), 4u);  // a, cat, tyrannosaurus, and
  EXPECT_EQ(index.at("tokens").at(2).at("text"), "cat");
  bool several = false;
  for (const auto& word : index.at("words")) {
    const auto tokens = word.at("tokens").get<std::vector<int64_t>>();
    several = several || tokens.size() > 1;
    const auto statistics = map_statistics(mean_of(maps, tokens), 16, 16);
    EXPECT_DOUBLE_EQ(word.at("min"), statistics.min);
    EXPECT_DOUBLE_EQ(word.at("max"), statistics.max);
    EXPECT_DOUBLE_EQ(word.at("mean"), statistics.mean);
    EXPECT_DOUBLE_EQ(word.at("centroid").at(0), statistics.centroid_x);
    const auto mask = read_image(folder / word.at("mask").get<std::string>());
    double inside = 0;
    for (const auto value : mask.pixels) inside += value == 255;
    EXPECT_DOUBLE_EQ(word.at("area"), inside / (128.0 * 128.0));
    EXPECT_TRUE(fs::exists(folder / word.at("overlay").get<std::string>()));
  }
  EXPECT_TRUE(several);
  EXPECT_EQ(index.at("iou").at(1).at(1), 1.0);
  EXPECT_EQ(index.at("iou").at(0).at(1), index.at("iou").at(1).at(0));
}

TEST(AttnBinary, KindsAreOneWhereNothingIsControlled) {
  const TinyRun run;
  ASSERT_EQ(run(with_maps(run, {"--prompt", "a cat"})).code, 0);
  ASSERT_EQ(run(with_maps(run, {"--prompt", "a cat", "--attn-kind", "applied"})).code, 0);
  ASSERT_EQ(run(with_maps(run, {"--prompt", "x y", "--negative-prompt", "a dog", "--attn-rows",
                                "uncond", "--words", "dog"}))
                .code,
            0);
  EXPECT_EQ(read_text(run.path("maps") / "00000/maps.npy"),
            read_text(run.path("maps") / "00001/maps.npy"));
  EXPECT_EQ(index_of(run.path("maps") / "00002").at("prompt"), "a dog");
}

TEST(AttnBinary, StretchesCoverTheWindowOnce) {
  const TinyRun run;
  ASSERT_EQ(
      run(with_maps(run, {"--prompt", "a cat", "--ddim_steps", "10", "--attn-steps", "0.3:1"}))
          .code,
      0);
  const auto index = index_of(run.path("maps") / "00000");
  EXPECT_EQ(index.at("timesteps").size(), 7u);
  EXPECT_EQ(index.at("timeline").size(), 5u);
  std::vector<double> all;
  for (const auto& stretch : index.at("timeline")) {
    for (const double t : stretch.at("timesteps")) all.push_back(t);
  }
  EXPECT_EQ(all, index.at("timesteps").get<std::vector<double>>());
}

TEST(AttnBinary, ALayersChoiceIsObeyed) {
  const TinyRun run;
  ASSERT_EQ(run(with_maps(run, {"--prompt", "a cat", "--attn-layers", "up,middle", "--attn-res",
                                "4,8", "--attn-heads", "0"}))
                .code,
            0);
  const auto index = index_of(run.path("maps") / "00000");
  for (const auto& layer : index.at("layers")) {
    EXPECT_NE(layer.at("part"), "down");
    EXPECT_LE(layer.at("resolution"), 8);
  }
}

TEST(AttnBinary, WrongChoicesAreUsageErrorsAndWriteNothing) {
  const TinyRun run;
  const struct {
    Arguments arguments;
    std::string_view says;
  } cases[] = {
      {{"--words", "dog"}, "'dog' is not in the prompt. Words: a, cat"},
      {{"--words", "cat,"}, "empty entry"},
      {{"--attn-steps", "0.8:0.2"}, "0 <= a < b <= 1"},
      {{"--attn-steps", "0.1:0.2"}, "holds none of 2 steps"},
      {{"--attn-layers", "left"}, "none of down, middle, up"},
      {{"--attn-res", "64"}, "--attn-res 64"},
      {{"--attn-heads", "3-1"}, "range of heads"},
      {{"--attn-heads", "200"}, "no head 200"},
      {{"--attn-kind", "source"}, "no source prompt"},
      {{"--attn-rows", "uncond"}, "no words"},
      {{"--attn-rows", "uncond", "--scale", "1"}, "--scale 1"},
      {{"--attn-norm", "loud"}, "none of shared"},
      {{"--attn-alpha", "2"}, "from 0 to 1"},
  };
  for (const auto& wrong : cases) {
    auto arguments = with_maps(run, {"--prompt", "a cat"});
    arguments.insert(arguments.end(), wrong.arguments.begin(), wrong.arguments.end());
    const auto finished = run(arguments);
    EXPECT_EQ(finished.code, 2) << wrong.says << finished.err;
    EXPECT_NE(finished.err.find(wrong.says), std::string::npos) << finished.err;
    EXPECT_FALSE(fs::exists(run.path("maps"))) << wrong.says;
    EXPECT_TRUE(run.samples().empty());
  }
  EXPECT_EQ(run({"--words", "cat", "--prompt", "a cat"}).code, 2);
}

TEST(AttnBinary, SavesTheForksFilesAndDrawsFromThem) {
  const TinyRun run;
  const fs::path saved = run.path("saved");
  const Arguments arguments = {"--n_samples", "2",     "--n_iter",      "1",
                               "--prompt",    "a cat", "--is_get_attn", "--save_attn_dir",
                               saved};
  ASSERT_EQ(run(arguments).code, 0);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(saved / "crossatt")) {
    names.push_back(entry.path().filename());
  }
  EXPECT_EQ(names.size(), 2u * 16u);  // steps, layers
  EXPECT_EQ(read_npy(saved / "crossatt/down_time0501_res016_num001.npy").shape,
            (std::vector<int64_t>{2, 16, 16, 77}));
  EXPECT_TRUE(fs::exists(saved / "crossatt/middle_time0001_res004.npy") ||
              fs::exists(saved / "crossatt/middle_time0001_res002.npy"));

  EXPECT_EQ(run(arguments).code, 5);  // there already

  const auto grid = run.outdir() / "grid-0000.png";
  test::ProcessSetup setup;
  setup.arguments = {"attn",
                     "--root",
                     saved,
                     "--img_path",
                     grid,
                     "--slevel",
                     "0",
                     "--elevel",
                     "2",
                     "--stime",
                     "0",
                     "--etime",
                     "1",
                     "--res",
                     "16",
                     "--token_idx",
                     "2",
                     "--save_dir",
                     run.path("drawn")};
  const auto drawn = run_program(setup);
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const std::string name = "_tokidx:2_res016_lev:0_2_tstep:0_1.png";
  EXPECT_EQ(drawn.lines(), (Arguments{run.path("drawn") / ("attmap0" + name),
                                      run.path("drawn") / ("attmap1" + name),
                                      run.path("drawn") / ("bundle_attmap" + name)}));
  EXPECT_EQ(read_image(drawn.lines().back()).width, read_image(grid).width);
  setup.arguments[4] = run.outdir() / "samples/00001.png";  // says which sample it is
  EXPECT_EQ(run_program(setup).err, "");
  setup.arguments[12] = "49";
  EXPECT_EQ(run_program(setup).code, 2);
}

TEST(AttnBinary, TheCommandDrawsOnePictureWithItsMaps) {
  const TinyRun run;
  auto setup = run.setup({"--prompt", "a cat", "--skip_grid"});
  setup.arguments[0] = "attn";
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples().size(), 1u);
  EXPECT_TRUE(fs::exists(run.outdir() / "attn/00000/contact.png"));
}

}  // namespace
}  // namespace sd
