// How pictures are written, named, shown meanwhile and told again, through the binary on the tiny
// model.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "cli/terminal_run.h"
#include "cli/tiny_run.h"
#include "sd/image/encode.h"
#include "sd/image/png.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::Finished;
using test::read_text;
using test::TinyRun;
using Names = std::vector<std::string>;

const Names kOfAnyPrompt = {"--n_samples", "1", "--n_iter", "1", "--skip_grid"};
const Names kOne = {"--prompt", "a red cat", "--n_samples", "1", "--n_iter", "1", "--skip_grid"};

Names joined(Names first, const Names& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::string write_picture(const TinyRun& run, const char* name, const Encoding& encoding,
                          const std::vector<PngText>& texts = {}) {
  Image image{128, 128, 3, {}};
  for (int i = 0; i < 128 * 128 * 3; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 7 % 251));
  const auto bytes = encode_picture(image, encoding, texts);
  return run.file(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Finished draw(const TinyRun& run, const std::string& command, const Names& arguments) {
  auto setup = run.setup(arguments);
  setup.arguments.front() = command;
  auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 0) << finished.err;
  return finished;
}

std::string command_for(const fs::path& picture) {
  const auto finished = test::run_sd({"info", "--as-args", picture});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.lines().size(), 1u);
  return finished.lines().empty() ? "" : finished.lines().front();
}

/// Lets bash run the command that `sd info` gives, with another folder to write to.
void expect_repeated(const TinyRun& run, const fs::path& picture) {
  const auto command = command_for(picture);
  const auto again = run.path("again");
  test::ProcessSetup setup;
  setup.binary = "/bin/bash";
  setup.arguments = {"-c",
                     "sd() { " SD_BINARY " \"$@\"; }\n" + command + " --outdir " + again.string()};
  setup.environment = {{"XDG_CACHE_HOME", run.path("cache").string()}};
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << command << finished.err;
  bool same = false;
  for (const auto& entry : fs::recursive_directory_iterator(again)) {
    same |= entry.is_regular_file() && read_text(entry.path()) == read_text(picture);
  }
  EXPECT_TRUE(same) << command << "\n" << finished.out;
  fs::remove_all(again);
}

TEST(AsArgs, DrawsAPictureOfABatchAgainToTheByte) {
  const TinyRun run;
  draw(run, "txt2img",
       {"--prompt", "a cat's \"red\" $HOME", "--negative-prompt", "", "--n_samples", "2",
        "--n_iter", "2", "--ddim_eta", "0.5", "--skip_grid"});
  for (const std::size_t i : {0, 3}) expect_repeated(run, run.sample_path(i));
  EXPECT_TRUE(contains(command_for(run.sample_path(3)), "--only 3"));
}

TEST(AsArgs, HoldsForJpegWeightsRandomSeedsAndClipSkip) {
  const TinyRun run;
  draw(run, "txt2img",
       joined(kOfAnyPrompt, {"--prompt",
                             "a (red:1.4) [cat] BREAK x",
                             "--prompt-syntax",
                             "a1111",
                             "--format",
                             "jpeg",
                             "--quality",
                             "80",
                             "--sampler",
                             "euler_a",
                             "--clip-skip",
                             "2",
                             "--seed",
                             "-1",
                             "--seed-mode",
                             "image",
                             "--n_samples",
                             "2",
                             "--variation",
                             "7:0.25",
                             "-q"}));
  ASSERT_EQ(run.samples(), (Names{"00000.jpg", "00001.jpg"}));
  expect_repeated(run, run.sample_path(1));
}

TEST(AsArgs, HoldsForFewStepsAndAddedGuidance) {
  const TinyRun run;
  draw(run, "txt2img",
       {"--prompt",
        "a cat",
        "--n_samples",
        "1",
        "--steps",
        "2",
        "--skip_grid",
        "--sampler",
        "euler",
        "--timesteps",
        "trailing",
        "--prediction",
        "v",
        "--zero-terminal-snr",
        "--pag",
        "2.5",
        "--pag-layers",
        "mid, up.0",
        "--sag",
        "0.5",
        "--freeu",
        "1.5,1.6,0.9,0.2",
        "--dynamic-threshold",
        "7:0.9",
        "--apg",
        "0.5:10:-0.5",
        "--nag",
        "2"});
  expect_repeated(run, run.sample_path(0));
}

TEST(AsArgs, HoldsForSwapsAndTheirSources) {
  const TinyRun run;
  draw(
      run, "swap",
      {"--sprompt", "a red cat", "--prompt", "a red dog", "--prompt", "a blue cat", "--mode", "p2p",
       "--n_samples", "1", "--cross-steps", "0:0.5", "--format", "webp", "--reweight", "red=2"});
  ASSERT_EQ(run.samples(), (Names{"00000.webp", "00001.webp"}));
  expect_repeated(run, run.sample_path(1));
  expect_repeated(run, run.outdir() / "source/00000.webp");
  expect_repeated(run, run.outdir() / "sheet-0000.webp");
}

TEST(AsArgs, HoldsForPicturesThatStartFromOne) {
  const TinyRun run;
  const auto start = write_picture(run, "start.webp", {FileFormat::kWebp, 100});
  const auto mask = write_picture(run, "mask.jpg", {FileFormat::kJpeg, 70});
  draw(run, "img2img",
       joined(kOne,
              {"--init-img",          start,   "--init-mask",  mask,          "--mask-blur", "2",
               "--strength",          "0.5",   "--format",     "webp",        "--quality",   "100",
               "--guidance-interval", "0.4:1", "--deepcache",  "2",           "--tome",      "0.5",
               "--weights",           "int8",  "--exact-conv", "--low-memory"}));
  expect_repeated(run, run.sample_path(0));

  write_picture(run, "start.webp", {FileFormat::kWebp, 50});
  fs::remove(mask);
  const auto changed = test::run_sd({"info", "--as-args", "--json", run.sample_path(0)});
  ASSERT_EQ(changed.code, 0);
  const auto notes = nlohmann::json::parse(changed.out).at("notes").dump();
  EXPECT_TRUE(contains(notes, "start.webp has changed since")) << notes;
  EXPECT_TRUE(contains(notes, "mask.jpg is not here")) << notes;
}

TEST(AsArgs, HoldsForListsMapsAndSettingsFromElsewhere) {
  const TinyRun run;
  auto setup = run.setup({"--from-file", run.file("list.txt", "a cat\na dog\n"), "--n_samples", "1",
                          "--n_iter", "1", "--skip_grid"});
  setup.environment.emplace_back("SD_SCALE", "3");
  setup.environment.emplace_back("SD_FORMAT", "jpeg");
  ASSERT_EQ(run_program(setup).code, 0);
  EXPECT_TRUE(contains(command_for(run.sample_path(1)), "--scale 3 "));
  expect_repeated(run, run.sample_path(1));

  const TinyRun maps;
  draw(maps, "attn", {"--prompt", "a red cat", "--skip_grid"});
  EXPECT_TRUE(command_for(maps.sample_path(0)).starts_with("sd attn --prompt 'a red cat' "));
  expect_repeated(maps, maps.sample_path(0));
}

TEST(AsArgs, OfOtherProgramsIsTheClosestCommandWithNotes) {
  const TinyRun run;
  const auto picture = write_picture(
      run, "webui.jpg", {FileFormat::kJpeg, 90},
      {{"parameters",
        "a (red:1.2) cat <lora:x:1>\nNegative prompt: dogs\nSteps: 2, Sampler: Euler a, CFG scale: "
        "7, "
        "Seed: 5, Size: 128x128, Model hash: 6ce0161689, Model: other, Hires upscale: 2"}});
  const auto finished = test::run_sd({"info", "--as-args", picture});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.out,
            "sd txt2img --prompt 'a (red:1.2) cat <lora:x:1>' --negative-prompt dogs "
            "--prompt-syntax a1111 "
            "--steps 2 --sampler euler_a --scale 7 --seed 5 --W 128 --H 128 --n_samples 1 "
            "--n_iter 1 "
            "--rng cuda\n");
  for (const char* part :
       {"other (hash 6ce0161689): add --ckpt", "not used: Hires upscale: 2", "<lora:name:1>"}) {
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  }
}

TEST(AsArgs, APictureWithoutMetadataIsAnError) {
  const TinyRun run;
  for (const auto format : {FileFormat::kPng, FileFormat::kJpeg, FileFormat::kWebp}) {
    const auto picture = write_picture(run, "bare", {format, 90});
    const auto finished = test::run_sd({"info", "--as-args", picture});
    EXPECT_EQ(finished.code, 5);
    EXPECT_EQ(finished.out, "");
    EXPECT_TRUE(contains(finished.err, "bare: the picture does not say how it was made"))
        << finished.err;
    EXPECT_TRUE(contains(finished.err, "take the file as it was written")) << finished.err;
  }
  EXPECT_EQ(test::run_sd({"info", "--as-args", run.file("x", "no picture")}).code, 5);
  EXPECT_EQ(test::run_sd({"info", "--as-args", run.path("absent")}).code, 5);
}

TEST(AsArgs, SpoiledSettingsFallBackToTheInfotext) {
  const TinyRun run;
  for (const char* settings :
       {"{", "[]", "{\"args\":7}", "{\"args\":[]}", "{\"args\":[\"rm\",\"-rf\"]}",
        "{\"args\":[\"txt2img\",1]}", "{\"args\":[\"txt2img\",\"x\"]}"}) {
    const auto picture = write_picture(
        run, "p.png", {}, {{"parameters", "x\nSteps: 2, Seed: 5, Size: 64x64"}, {"sd", settings}});
    EXPECT_TRUE(command_for(picture).starts_with("sd txt2img --prompt x ")) << settings;
  }
  const auto odd = write_picture(
      run, "p.png", {}, {{"sd", R"({"args":["txt2img"],"run":[],"model":1,"file_hashes":""})"}});
  EXPECT_EQ(command_for(odd), "sd txt2img --no-config");
}

TEST(PictureFormats, AllSayTheSameOfThemselves) {
  const std::vector<std::array<std::string, 3>> all = {{"png", ".png", "\x89PNG"},
                                                       {"jpeg", ".jpg", "\xFF\xD8\xFF"},
                                                       {"jpg", ".jpg", "\xFF\xD8\xFF"},
                                                       {"webp", ".webp", "RIFF"}};
  std::string first;
  for (const auto& [word, ending, magic] : all) {
    const TinyRun run;
    draw(run, "txt2img",
         {"--prompt", "ein süßer Apfel", "--n_samples", "2", "--n_iter", "1", "--format", word});
    ASSERT_EQ(run.samples(), (Names{"00000" + ending, "00001" + ending}));
    for (const auto& path : {run.sample_path(0), run.outdir() / ("grid-0000" + ending)}) {
      EXPECT_TRUE(read_text(path).starts_with(magic)) << path;
    }
    const auto finished = test::run_sd({"info", "--json", run.sample_path(1)});
    ASSERT_EQ(finished.code, 0) << finished.err;
    auto info = nlohmann::json::parse(finished.out);
    EXPECT_EQ(info.at("parameters").at("prompt"), "ein süßer Apfel");
    EXPECT_EQ(info.at("texts").at("sd").at("run").at("index"), 1);
    info["texts"]["sd"].erase("args");  // which hold the format
    const auto said = info.at("texts").dump() + info.at("parameters").dump();
    if (first.empty()) first = said;
    EXPECT_EQ(said, first) << word;
  }
}

TEST(PictureFormats, WebpOfQuality100IsThePictureItself) {
  const TinyRun png, webp;
  draw(png, "txt2img", kOne);
  draw(webp, "txt2img", joined(kOne, {"--format", "webp", "--quality", "100"}));
  EXPECT_EQ(read_image(webp.sample_path(0)).pixels, read_image(png.sample_path(0)).pixels);
}

TEST(PictureFormats, LongPromptsThatAJpegCannotHoldAreSaid) {
  const TinyRun run;
  std::string prompt = "a cat";
  for (int i = 0; i < 3000; ++i) prompt += " and a dog";
  const auto finished = draw(
      run, "txt2img",
      joined(kOfAnyPrompt, {"--prompt", prompt, "--prompt-syntax", "plain", "--format", "jpeg"}));
  EXPECT_TRUE(contains(finished.err, "a JPEG has no room for all settings")) << finished.err;
  EXPECT_EQ(run.samples().size(), 1u);
}

TEST(PictureNames, FollowTheTemplateAndNeverOverwrite) {
  const TinyRun run;
  const Names arguments = {"--prompt",    "a red/green cat", "--n_samples",
                           "2",           "--n_iter",        "1",
                           "--skip_grid", "--name",          "{seed}-{index}-{prompt}"};
  draw(run, "txt2img", arguments);
  EXPECT_EQ(run.samples(), (Names{"42-0-a_red_green_cat.png", "42-1-a_red_green_cat.png"}));
  const auto before = read_text(run.sample_path(0));
  draw(run, "txt2img", joined(arguments, {"--format", "webp", "--seed-mode", "image"}));
  EXPECT_EQ(run.samples(), (Names{"42-0-a_red_green_cat-0001.webp", "42-0-a_red_green_cat.png",
                                  "42-1-a_red_green_cat.png", "43-1-a_red_green_cat.webp"}));
  EXPECT_EQ(read_text(run.sample_path(1)), before);
}

TEST(PictureNames, MakeFoldersAndNameSources) {
  const TinyRun run;
  draw(run, "swap",
       {"--sprompt", "a cat", "--prompt", "a dog", "--n_samples", "1", "--name",
        "{source}/{number:03}-{target}"});
  EXPECT_TRUE(fs::exists(run.outdir() / "samples/a_cat/000-0.png"));
  EXPECT_TRUE(fs::exists(run.outdir() / "source/a_cat/000-0.png"));
}

TEST(Preview, IsAFileThatChangesNothing) {
  const TinyRun plain, run;
  draw(plain, "txt2img", joined(kOne, {"--steps", "4"}));
  draw(
      run, "txt2img",
      joined(kOne, {"--steps", "4", "--preview", run.path("preview.png"), "--preview-every", "3"}));
  EXPECT_EQ(read_text(run.sample_path(0)), read_text(plain.sample_path(0)));
  const auto preview = read_image(run.path("preview.png"));
  EXPECT_EQ(preview.width, 128);  // the picture's own size
  EXPECT_EQ(preview.height, 128);
  std::size_t files = 0;  // nothing is left beside it
  for (const auto& entry : fs::directory_iterator(run.path("preview.png").parent_path())) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 1u);
}

TEST(Preview, ShowsWhatIsDrawn) {
  const TinyRun run;
  draw(run, "txt2img", joined(kOne, {"--n_samples", "3", "--preview", run.path("preview.png")}));
  EXPECT_EQ(read_image(run.path("preview.png")).width, 3 * 128 + 4 * 2);  // the batch in a row
}

TEST(Preview, GoesToATerminalThatCanShowIt) {
  for (const auto& [word, start] :
       {std::pair{"kitty", "\x1b_Ga=T"}, {"iterm", "\x1b]1337;File="}, {"sixel", "\x1bP0;1;0q"}}) {
    const TinyRun run;
    const auto shown = run_on_terminal(
        run, "xterm", joined(kOne, {"--steps", "4", "--preview", word, "--preview-every", "2"}));
    std::size_t count = 0;
    for (auto at = shown.find(start); at != std::string::npos; at = shown.find(start, at + 1))
      ++count;
    EXPECT_EQ(count, 2u) << word;
    // 24 lines: half of them are made first, and the way up is as long.
    EXPECT_TRUE(contains(shown, "\x1b[12A")) << word;
  }
}

TEST(Preview, OneThatCannotBeWrittenEndsPreviewsOnly) {
  const TinyRun run;
  fs::create_directory(run.path("here"));
  auto setup = run.setup(joined(
      kOne, {"--steps", "400", "--preview", run.path("here") / "p.png", "--preview-every", "1"}));
  test::Process process(setup);
  ASSERT_TRUE(process.wait_until([&] { return fs::exists(run.path("here") / "p.png"); }));
  fs::remove_all(run.path("here"));
  const auto finished = process.wait();
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(contains(finished.err, "No more previews are shown.")) << finished.err;
  EXPECT_EQ(run.samples().size(), 1u);
}

TEST(PictureOptions, WhatDoesNotFitIsSaid) {
  const TinyRun run;
  const auto start = write_picture(run, "start.png", {});
  const std::vector<std::tuple<Names, int, std::string>> all = {
      {{"--format", "jepg"}, 2, "Did you mean 'jpeg'"},
      {{"--format", "gif"}, 2, "png, jpeg, webp"},
      {{"--quality", "80"}, 2, "--quality: PNG is lossless"},
      {{"--format", "jpeg", "--quality", "0"}, 2, "1 to 100"},
      {{"--name", "{sed}"}, 2, "Did you mean 'seed'"},
      {{"--name", "../{seed}"}, 2, "out of the folder"},
      {{"--name", "{source}"}, 2, "belong to sd swap"},
      {{"--preview", "kity"}, 2, "Did you mean 'kitty'"},
      {{"--preview", "kitty"}, 2, "no terminal"},
      {{"--preview", "sixel", "-q"}, 2, "contradicts -q"},
      {{"--preview", "absent/p.png"}, 5, "absent"},
      {{"--preview-every", "2"}, 2, "give --preview with it"}};
  for (const auto& [arguments, code, part] : all) {
    const auto finished = run(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
    EXPECT_TRUE(run.samples().empty());
  }
  auto setup = run.setup({"--init-img", start, "--preview", start});
  setup.arguments.front() = "img2img";
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "would be written over")) << finished.err;
}

}  // namespace
}  // namespace sd
