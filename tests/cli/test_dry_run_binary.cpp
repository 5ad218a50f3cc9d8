// What --dry-run says of each control beside what the run then reports of it: words and their
// tokens, steps, layers, shares of the picture. On the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
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

constexpr double kRounding = 1e-6;  // the run takes its means in float32

class PlannedRun : public TinyRun {
 public:
  PlannedRun() {
    const auto png = encode_png(test::followed_picture());
    file("cat.png", {reinterpret_cast<const char*>(png.data()), png.size()});
    // A quarter of it white, off the grid of latents.
    Image mask{48, 48, 1, std::vector<uint8_t>(48 * 48, 0)};
    for (int64_t y = 0; y < 24; ++y) std::fill_n(mask.pixels.begin() + y * 48, 24, uint8_t{255});
    write_picture(path("mask.png"), mask);
  }

  Finished draw(const Words& given, const Words& more) const {
    Words words = {"--n_samples", "1",  "--n_iter", "1", "--skip_grid", "--W", "64",
                   "--H",         "64", "--steps",  "5"};
    words.insert(words.end(), given.begin() + 1, given.end());
    words.insert(words.end(), more.begin(), more.end());
    auto setup = this->setup(words);
    setup.arguments.front() = given.front();
    return test::run_program(setup);
  }
  std::string cat() const { return path("cat.png").string(); }
  std::string mask() const { return path("mask.png").string(); }
};

/// The lines of kind "control", by their control and subject.
std::map<std::string, Json> control_lines(const Finished& finished) {
  std::map<std::string, Json> lines;
  for (const auto& line : finished.lines()) {
    const auto json = Json::parse(line);
    if (json.at("kind") != "control") continue;
    lines[json.at("control").get<std::string>() + " " + json.at("subject").dump()] = json;
  }
  return lines;
}

/// The steps of `num` that a share is of. --cross-steps counts one more, as published.
Json steps_of(const Json& planned, int64_t num) {
  const bool cross = planned.at("control") == "cross-attention";
  const auto count = static_cast<double>(num + (cross ? 1 : 0));
  const auto begin = static_cast<int64_t>(planned.at("share").at(0).get<double>() * count);
  const auto end = static_cast<int64_t>(planned.at("share").at(1).get<double>() * count);
  Json steps = Json::array();
  for (auto step = begin; step < std::min(end, num); ++step) steps.push_back(step);
  return steps;
}

/// Holds every line of the plan against that of the run.
void expect_as_planned(const std::map<std::string, Json>& planned,
                       const std::map<std::string, Json>& done) {
  ASSERT_EQ(planned.size(), done.size());
  for (const auto& [name, plan] : planned) {
    SCOPED_TRACE(name);
    const auto& run = done.at(name);
    for (const char* key : {"option", "words", "share", "planned_layers", "model_layers"})
      EXPECT_EQ(plan.at(key), run.at(key));
    if (const int64_t num = run.at("num_steps"); num > 0) {
      EXPECT_EQ(steps_of(plan, num), run.at("steps"));
    }
    if (!run.at("layers").empty()) {
      EXPECT_EQ(plan.at("planned_layers"), run.at("layers").size());
    }
    for (const char* key : {"covers", "editable"}) {
      if (plan.contains(key)) {
        EXPECT_NEAR(plan.at(key), run.at(key), kRounding) << key;
      }
    }
  }
}

std::vector<std::pair<const char*, Words>> runs(const PlannedRun& run) {
  const Words swap = {"swap", "--sprompt", "a red cat", "--prompt", "a red dog"};
  const Words p2p = {"swap", "--mode", "p2p", "--sprompt", "a red cat", "--prompt", "a red dog"};
  const Words one = {"txt2img", "--prompt", "a cat and a dog"};
  const Words photo = {"img2img", "--prompt",   "a cat", "--init-img",
                       run.cat(), "--strength", "0.6"};
  std::vector<std::pair<const char*, Words>> all;
  const auto add = [&](const char* name, Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    all.emplace_back(name, std::move(words));
  };
  add("maps of two kinds", p2p, {"--cross-steps", "0.2:0.8", "--self-steps", "0:0.6"});
  add("maps of a word", p2p,
      {"--cross-steps", "0:0.2", "--cross-steps", "dog=0:0.6", "--self-max-res", "8"});
  add("a word's maps alone", p2p,
      {"--cross-steps", "0:0", "--cross-steps", "dog=0:0.6", "--layers", "up"});
  add("reweighting", p2p, {"--reweight", "dog=2"});
  add("reweighting while a word follows", p2p,
      {"--reweight", "dog=2", "--reweight", "red=0.5", "--cross-steps", "0:0.2", "--cross-steps",
       "red=0.2:0.6"});
  add("reweighting for a while", p2p, {"--reweight", "dog=2", "--reweight-steps", "0.2:0.6"});
  add("reweighting one picture", one, {"--reweight", "cat=2", "--reweight-steps", "0.4:1"});
  add("a fork", swap, {"--mode", "fork", "--tthres", "0"});
  add("a blend", p2p, {"--local-blend", "dog", "--blend-res", "64"});
  add("a blend by a mask", p2p, {"--blend-mask", run.mask()});
  add("masactrl", swap, {"--masactrl", "--masactrl-mask", "red", "--masactrl-res", "64"});
  add("pnp", swap, {"--pnp"});
  add("appearance", swap, {"--appearance"});
  add("a reference", one, {"--reference", run.cat(), "--reference-weight", "0.5"});
  add("one style", one, {"--style-aligned", "--n_samples", "2"});
  // Of five steps the last rounds, at 2/5, come behind the last moves.
  add("excite", one, {"--excite", "cat,dog", "--steps", "4"});
  add("a box", one, {"--box", "cat=0,0,0.5,1", "--steps", "4"});
  add("a box backward", one, {"--box", "cat=0,0,0.5,1", "--box-method", "backward"});
  add("regions", one,
      {"--region", run.mask() + ":a red cat", "--region", "0.5,0,1,1:a dog", "--region",
       "0.5,0.5,0.501,0.501:a fish", "--region-feather", "6"});
  add("a concept", one, {"--edit", "+red hat:5:0.5:0.4:1"});
  add("a mask of a swap", swap, {"--edit-mask", run.mask(), "--mask-blur", "3"});
  add("a mask of a picture", photo, {"--init-mask", run.mask(), "--mask-grow", "3"});
  add("a mask turned around", photo, {"--init-mask", run.mask(), "--invert-mask"});
  add("an inversion", p2p, {"--init-img", run.cat(), "--invert", "direct"});
  add("part of a path", p2p,
      {"--init-img", run.cat(), "--invert", "npi", "--strength", "0.6", "--proximal", "0.6"});
  return all;
}

TEST(DryRun, SaysOfEachControlWhatTheRunReports) {
  const PlannedRun run;
  for (const auto& [name, words] : runs(run)) {
    SCOPED_TRACE(name);
    const auto planned = run.draw(words, {"--json", "--dry-run"});
    ASSERT_EQ(planned.code, 0) << planned.err;
    const auto done = run.draw(words, {"--json", "--skip_save"});
    ASSERT_EQ(done.code, 0) << done.err;
    const auto lines = control_lines(planned);
    EXPECT_FALSE(lines.empty()) << planned.out;
    expect_as_planned(lines, control_lines(done));
  }
}

TEST(DryRun, TellsTheStepsInWhichWeightsFollowTheSource) {
  const PlannedRun run;
  const Words swap = {"swap",     "--mode",    "p2p",        "--sprompt", "a red cat",
                      "--prompt", "a red dog", "--reweight", "dog=2",     "--cross-steps"};
  const auto with = [&](const char* steps) {
    auto words = swap;
    words.emplace_back(steps);
    return words;
  };
  const auto some = run.draw(with("0:0.4"), {"--dry-run"});
  EXPECT_TRUE(contains(some.out, "--reweight dog (token 3): 0 to 0.4 of the steps, as --cross"))
      << some.out << some.err;
  const auto none = run.draw(with("0:0"), {"--dry-run"});
  EXPECT_TRUE(contains(none.out, "--reweight dog (token 3): no step, as --cross-steps"))
      << none.out;
  const auto done = run.draw(with("0:0"), {});
  EXPECT_TRUE(contains(done.err, "--cross-steps leaves them no step")) << done.err;
}

TEST(DryRun, TellsWhatAMaskLeavesToChangeAndWhereOnlyTheModelKnows) {
  const PlannedRun run;
  const Words swap = {"swap", "--sprompt", "a red cat", "--prompt", "a red dog"};
  const auto mask = run.draw(swap, {"--edit-mask", run.mask(), "--dry-run"});
  EXPECT_TRUE(contains(mask.out, "--edit-mask mask.png: 25.0 % of the picture may change"))
      << mask.out << mask.err;
  const auto empty = run.draw(swap, {"--edit-mask", run.mask(), "--mask-grow", "-40", "--dry-run"});
  EXPECT_EQ(empty.code, 2);
  EXPECT_TRUE(contains(empty.err, "the mask is empty once it is narrowed by 40")) << empty.err;
  const auto made = run.draw({"img2img", "--prompt", "a cat", "--init-img", run.cat()},
                             {"--auto-mask", "--dry-run"});
  EXPECT_TRUE(contains(made.out, "--auto-mask: what may change is known once the model has looked"))
      << made.out << made.err;
}

}  // namespace
}  // namespace sd
