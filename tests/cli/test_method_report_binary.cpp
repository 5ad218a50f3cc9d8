// What methods of editing tell of themselves: `--dry-run`, `-v`, `--json`, and a word of those that
// did nothing. On the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"
#include "sd/image/write.h"
#include "support/ip_adapter_files.h"

namespace sd {
namespace {

using test::contains;
using test::Finished;
using test::TinyRun;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class MethodRun : public TinyRun {
 public:
  MethodRun() {
    const auto png = encode_png(test::followed_picture());
    file("cat.png", {reinterpret_cast<const char*>(png.data()), png.size()});
  }

  Finished draw(const std::string& command, const Words& given) const {
    const Words small = {"--n_samples", "1",  "--n_iter", "1", "--skip_grid", "--W", "64",
                         "--H",         "64", "--steps",  "5"};
    auto setup = this->setup(joined(small, given));
    setup.arguments.front() = command;
    return test::run_program(setup);
  }
  Finished txt2img(const Words& more) const {
    return draw("txt2img", joined({"--prompt", "a cat and a dog"}, more));
  }
  Finished swap(const Words& more) const {
    return draw("swap", joined({"--sprompt", "a red cat", "--prompt", "a red dog"}, more));
  }
  /// Both commands that the same words could go to.
  Finished either(bool swaps, const Words& more) const {
    return swaps ? swap(more) : txt2img(more);
  }
  std::string cat() const { return path("cat.png").string(); }
};

/// The lines of kind "control", by their control; of several of one the last.
std::map<std::string, Json> control_lines(const Finished& finished) {
  std::map<std::string, Json> lines;
  std::istringstream out(finished.out);
  for (std::string line; std::getline(out, line);) {
    const auto json = Json::parse(line);
    if (json.at("kind") == "control") lines[json.at("control")] = json;
  }
  return lines;
}

struct Method {
  const char* control;
  bool swaps;
  Words given;
};

std::vector<Method> sharing(const MethodRun& run) {
  return {{"masactrl", true, {"--masactrl"}},
          {"pnp", true, {"--pnp"}},
          {"appearance", true, {"--appearance"}},
          {"reference", false, {"--reference", run.cat(), "--reference-weight", "0.5"}},
          {"style-aligned", false, {"--style-aligned", "--n_samples", "2"}}};
}

std::vector<Method> guides() {
  return {{"excite", false, {"--excite", "cat,dog"}},
          {"box", false, {"--box", "cat=0,0,0.5,1", "--box", "dog=0.5,0,1,1"}}};
}

TEST(MethodReport, RowsThatLookAtOthersTellStepsLayersAndHowMuchTheyFoundOtherwise) {
  const MethodRun run;
  for (const auto& [control, swaps, given] : sharing(run)) {
    const auto finished = run.either(swaps, joined(given, {"--json"}));
    ASSERT_EQ(finished.code, 0) << finished.err;
    const auto line = control_lines(finished).at(control);
    EXPECT_EQ(line.at("num_steps"), 5) << line;
    EXPECT_FALSE(line.at("steps").empty()) << line;
    EXPECT_EQ(line.at("layers").size(), line.at("planned_layers")) << line;
    EXPECT_GT(line.at("moved"), 0.001) << line;
    EXPECT_GT(line.at("most"), line.at("moved")) << line;
    EXPECT_TRUE(line.at("most_at").contains("block")) << line;
  }
}

TEST(MethodReport, ADryRunPlansWhatARunThenDoes) {
  const MethodRun run;
  for (const auto& [control, swaps, given] : sharing(run)) {
    const auto planned = run.either(swaps, joined(given, {"--json", "--dry-run"}));
    ASSERT_EQ(planned.code, 0) << planned.err;
    const auto line = control_lines(planned).at(control);
    EXPECT_GT(line.at("planned_layers"), 0) << line;
    EXPECT_FALSE(line.contains("steps")) << line;
    const auto text = run.either(swaps, joined(given, {"--dry-run"}));
    EXPECT_TRUE(contains(text.out, " of " + line.at("model_layers").dump() + " layers"))
        << text.out;
    EXPECT_TRUE(run.samples().empty());
  }
}

TEST(MethodReport, MasaCtrlsMaskTellsItsWordsAndHowMuchIsTheObject) {
  const MethodRun run;
  const Words given = {"--masactrl", "--masactrl-mask", "cat", "--masactrl-mask",
                       "dog",        "--masactrl-res",  "64"};
  const auto finished = run.swap(joined(given, {"--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = control_lines(finished).at("masactrl-mask");
  ASSERT_EQ(line.at("words").size(), 2u) << line;
  EXPECT_EQ(line.at("words").at(0).at("branch"), "source");
  EXPECT_EQ(line.at("words").at(1).at("branch"), "target");
  EXPECT_EQ(line.at("words").at(1).at("tokens"), Json({3}));
  EXPECT_GT(line.at("covers"), 0);
  EXPECT_LT(line.at("covers"), 1);
  const auto all = run.swap(joined(given, {"--masactrl-threshold", "0"}));
  EXPECT_TRUE(contains(all.err, "all of the source is the object")) << all.err;
}

TEST(MethodReport, PlugAndPlaysFeaturesAreToldOfTheirOwn) {
  const MethodRun run;
  const auto finished = run.swap({"--pnp", "--json"});
  const auto line = control_lines(finished).at("pnp-features");
  EXPECT_EQ(line.at("steps"), Json({0, 1, 2, 3}));
  EXPECT_EQ(control_lines(finished).at("pnp").at("steps"), Json({0, 1}));
  EXPECT_TRUE(line.at("moved").is_null());
}

TEST(MethodReport, SharingThatChangedNothingIsNamed) {
  const MethodRun run;
  const auto expect = [](const Finished& finished, const char* part) {
    ASSERT_EQ(finished.code, 0) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  expect(run.swap({"--masactrl", "--masactrl-steps", "0:0.1"}),
         "--masactrl: changed nothing: 0:0.1 of so few steps is none");
  expect(run.draw("swap", {"--masactrl", "--sprompt", "a cat", "--prompt", "a cat"}),
         "they find in themselves");
  expect(run.txt2img({"--style-aligned"}), "drawn alone has no other to follow");
  expect(run.txt2img({"--reference", run.cat(), "--reference-weight", "0"}), "leave it no layer");
}

TEST(MethodReport, VerboseSaysWhatSharingDid) {
  const MethodRun run;
  const auto finished = run.swap({"--masactrl", "-v"});
  EXPECT_TRUE(contains(finished.err, "--masactrl: changed steps 1 to 5 of 5, ")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "changed what layers find by ")) << finished.err;
  const auto quiet = run.swap({"--masactrl"});
  EXPECT_FALSE(contains(quiet.err, "--masactrl")) << quiet.err;
}

TEST(MethodReport, GuidesTellWordsStepsHowFarLatentsMovedAndTheirLoss) {
  const MethodRun run;
  for (const auto& [control, swaps, given] : guides()) {
    const auto finished = run.txt2img(joined(given, {"--json"}));
    ASSERT_EQ(finished.code, 0) << finished.err;
    const auto line = control_lines(finished).at(control);
    EXPECT_EQ(line.at("words").at(0).at("tokens"), Json({2})) << line;
    EXPECT_EQ(line.at("num_steps"), 5) << line;
    EXPECT_EQ(line.at("steps").at(0), 0) << line;
    EXPECT_LT(line.at("steps").size(), 5u) << line;
    EXPECT_GT(line.at("moved"), 0) << line;
    EXPECT_GT(line.at("planned_layers"), 0) << line;
    EXPECT_GT(line.at("loss").at("first"), 0) << line;
    EXPECT_NE(line.at("loss").at("first"), line.at("loss").at("last")) << line;
    const auto planned = run.txt2img(joined(given, {"--dry-run"}));
    EXPECT_TRUE(contains(planned.out, "cat (token 2)")) << planned.out;
    EXPECT_TRUE(contains(planned.out, "looks at ")) << planned.out;
    const auto told = run.txt2img(joined(given, {"-v"}));
    EXPECT_TRUE(contains(told.err, "; moved latents by ")) << told.err;
    EXPECT_TRUE(contains(told.err, "; its loss went from ")) << told.err;
  }
}

TEST(MethodReport, GuidesCountTheirEvaluationsOfEveryPicture) {
  const MethodRun run;
  // Five rounds before the first of five steps.
  const Words given = {"--box", "cat=0,0,0.5,1", "--box-method", "backward"};
  for (const int64_t pictures : {1, 2}) {
    const auto finished =
        run.txt2img(joined(given, {"--json", "--n_samples", std::to_string(pictures)}));
    ASSERT_EQ(finished.code, 0) << finished.err;
    EXPECT_EQ(control_lines(finished).at("box").at("evaluations"), 5 * pictures);
  }
  const auto told = run.txt2img(joined(given, {"-v"}));
  EXPECT_TRUE(contains(told.err, " in 5 evaluations")) << told.err;
  EXPECT_TRUE(control_lines(run.txt2img({"--edit", "+red hat", "--json"}))
                  .at("concept")
                  .at("evaluations")
                  .is_null());
}

TEST(MethodReport, GuidesThatMovedNothingAreNamed) {
  const MethodRun run;
  const auto none = run.txt2img({"--excite", "cat", "--excite-scale", "0"});
  EXPECT_TRUE(contains(none.err, "--excite cat (token 2): changed nothing: latents were the same"))
      << none.err;
  const auto few =
      run.txt2img({"--box", "cat=0,0,0.5,1", "--box-method", "backward", "--steps", "4"});
  EXPECT_TRUE(contains(few.err, "--box cat (token 2): changed nothing: 0:0.2 of so few steps"))
      << few.err;
}

TEST(MethodReport, RegionsTellTheirShareAndNameThoseThatCoverNothing) {
  const MethodRun run;
  const Words given = {"--region", "0,0,0.5,1:a cat", "--region", "0.5,0.5,0.501,0.501:a dog"};
  const auto finished = run.txt2img(joined(given, {"--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  std::map<std::string, Json> regions;
  for (const auto& line : finished.lines()) {
    const auto json = Json::parse(line);
    if (json.at("kind") == "control") regions[json.at("subject")] = json;
  }
  ASSERT_EQ(regions.size(), 2u) << finished.out;
  EXPECT_EQ(regions.at("a cat").at("covers"), 0.5);
  EXPECT_EQ(regions.at("a dog").at("covers"), 0);
  EXPECT_TRUE(contains(finished.err, "--region \"a dog\": covers no pixel")) << finished.err;
  const auto planned = run.txt2img(joined(given, {"--dry-run"}));
  EXPECT_TRUE(contains(planned.out, "--region \"a cat\": 50.0 % of the picture")) << planned.out;
  const auto told = run.txt2img(joined(given, {"-v"}));
  EXPECT_TRUE(contains(told.err, "--region \"a cat\": covers 50.0 % of the picture")) << told.err;
}

TEST(MethodReport, ConceptsTellTokensStepsAndTheShareInTheirMasks) {
  const MethodRun run;
  const Words given = {"--edit", "+red hat:5:0.5:0.4:1", "--edit", "-dog:0"};
  const auto finished = run.txt2img(joined(given, {"--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = control_lines(finished).at("concept");
  EXPECT_EQ(line.at("subject"), "+");
  EXPECT_EQ(line.at("words").at(0).at("branch"), "itself");
  EXPECT_EQ(line.at("words").at(0).at("tokens"), Json({1, 2}));
  EXPECT_EQ(line.at("steps"), Json({2, 3, 4}));
  EXPECT_GT(line.at("editable"), 0);
  EXPECT_LT(line.at("editable"), 0.6);
  EXPECT_GT(line.at("moved"), 0);
  const auto planned = run.txt2img(joined(given, {"--dry-run"}));
  EXPECT_TRUE(
      contains(planned.out, "--edit +red hat (tokens 1, 2): 0.4 to 1 of the steps, looks at"))
      << planned.out;
  const auto told = run.txt2img(joined(given, {"-v"}));
  EXPECT_TRUE(contains(told.err, "; moved the prediction by ")) << told.err;
  const auto idle = run.txt2img({"--edit", "+red hat:5:0.5:0:0.1"});
  EXPECT_TRUE(contains(idle.err, "(tokens 1, 2): changed nothing: 0:0.1 of so few steps is none"))
      << idle.err;
}

TEST(MethodReport, MasksTellTheShareThatMayChange) {
  const MethodRun run;
  const auto mask = run.path("mask.png").string();
  Image half{64, 64, 1, std::vector<uint8_t>(64 * 64, 0)};
  std::fill(half.pixels.begin(), half.pixels.begin() + 64 * 32, uint8_t{255});
  write_picture(mask, half);
  const Words given = {"--edit-mask", mask};
  const auto finished = run.swap(joined(given, {"--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = control_lines(finished).at("mask");
  EXPECT_EQ(line.at("subject"), "mask.png");
  EXPECT_EQ(line.at("editable"), 0.5);
  EXPECT_TRUE(contains(run.swap(joined(given, {"--dry-run"})).out, "--edit-mask mask.png: 50.0 %"));
  const auto told = run.swap(joined(given, {"-v"}));
  EXPECT_TRUE(contains(told.err, "--edit-mask mask.png: 50.0 % of the picture may change"))
      << told.err;
  std::ranges::fill(half.pixels, uint8_t{255});
  write_picture(mask, half);
  const auto all = run.draw("img2img", {"--prompt", "a cat", "--init-img", run.cat(), "--strength",
                                        "0.6", "--init-mask", mask});
  EXPECT_TRUE(contains(all.err, "--init-mask mask.png: every pixel may change")) << all.err;
  const auto made = run.draw("img2img", {"--prompt", "a cat", "--init-img", run.cat(), "--strength",
                                         "0.6", "--auto-mask", "--json"});
  const auto of_made = control_lines(made).at("mask");
  EXPECT_EQ(of_made.at("option"), "--auto-mask");
  EXPECT_GT(of_made.at("editable"), 0);
}

TEST(MethodReport, InversionsTellHowFarTheSourceWasFromItsPath) {
  const MethodRun run;
  const Words picture = {"--init-img", run.cat(), "--mode", "p2p", "--self-steps", "0:0"};
  const auto direct = run.swap(joined(picture, {"--invert", "direct", "--json"}));
  ASSERT_EQ(direct.code, 0) << direct.err;
  const auto line = control_lines(direct).at("inversion");
  EXPECT_EQ(line.at("option"), "--invert");
  EXPECT_EQ(line.at("subject"), "direct");
  EXPECT_EQ(line.at("num_steps"), 5);
  EXPECT_GT(line.at("moved"), 0);
  EXPECT_GT(line.at("most"), line.at("moved"));
  EXPECT_TRUE(contains(run.swap(joined(picture, {"--dry-run"})).out, "--init-img direct: all"));
  const auto told = run.swap(joined(picture, {"-v"}));
  EXPECT_TRUE(contains(told.err, "and was put back")) << told.err;
  // Guided without being put back, it strays further and further.
  const auto ddim = run.swap(joined(picture, {"--invert", "ddim", "--json"}));
  EXPECT_GT(control_lines(ddim).at("inversion").at("moved"), line.at("moved"));
}

TEST(MethodReport, ProximalGuidanceTellsWhatItDropped) {
  const MethodRun run;
  const Words given = {"--init-img", run.cat(), "--mode",     "p2p",
                       "--invert",   "npi",     "--proximal", "0.6"};
  const auto finished = run.swap(joined(given, {"--json"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = control_lines(finished).at("proximal");
  EXPECT_NEAR(line.at("dropped"), 0.6, 0.01);
  EXPECT_EQ(line.at("steps").size(), 5u);
  EXPECT_TRUE(contains(run.swap(joined(given, {"--dry-run"})).out, "--proximal: all steps"));
  const auto told = run.swap(joined(given, {"-v"}));
  EXPECT_TRUE(contains(told.err, "--proximal: changed steps 1 to 5 of 5; dropped 60")) << told.err;
  const auto none = run.swap(
      {"--init-img", run.cat(), "--mode", "p2p", "--invert", "npi", "--proximal", "0", "--json"});
  EXPECT_FALSE(control_lines(none).contains("proximal"));
  const auto alone = run.swap(joined(given, {"--scale", "1"}));
  EXPECT_TRUE(contains(alone.err, "--proximal: changed nothing")) << alone.err;
}

/// Bytes of the file, so metadata too.
TEST(MethodReport, WatchingChangesNoByte) {
  const MethodRun run;
  auto methods = sharing(run);
  for (auto& guide : guides()) methods.push_back(guide);
  methods.push_back({"region", false, {"--region", "0,0,0.5,1:a cat"}});
  methods.push_back({"concept", false, {"--edit", "+red hat"}});
  for (const char* method : {"direct", "ddim", "npi"})
    methods.push_back(
        {method, true, {"--init-img", run.cat(), "--mode", "p2p", "--invert", method}});
  for (const auto& [name, swaps, given] : methods) {
    const auto before = run.samples().size();
    ASSERT_EQ(run.either(swaps, given).code, 0) << name;
    const auto each = run.samples().size() - before;
    ASSERT_EQ(run.either(swaps, joined(given, {"-v", "--json"})).code, 0) << name;
    const auto last = run.samples().size() - 1;
    EXPECT_EQ(test::read_text(run.sample_path(last)), test::read_text(run.sample_path(last - each)))
        << name;
  }
}

TEST(MethodReport, ADryRunOfPromptsAloneSaysSoAndTakesNoList) {
  const MethodRun run;
  for (const char* command : {"txt2img", "attn"}) {
    const auto finished = run.draw(command, {"--prompt", "a cat", "--dry-run"});
    EXPECT_EQ(finished.code, 0) << finished.err;
    EXPECT_TRUE(contains(finished.out, "no control is asked for")) << finished.out;
  }
  const auto list = run.file("list.txt", "a cat\n");
  const auto refused = run.draw("txt2img", {"--from-file", list, "--dry-run"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(contains(refused.err, "leave --from-file out")) << refused.err;
}

}  // namespace
}  // namespace sd
