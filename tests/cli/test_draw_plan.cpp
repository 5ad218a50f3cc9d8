#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/options/seed_rule.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/grid_cells.h"
#include "cli/plan/run_extent.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::expect_error;
using test::TempFolder;
using Lines = std::vector<std::string>;

constexpr int64_t kTinySide = 64;  // of the pictures that tiny-v1 is drawn at

DrawOptions typed() {
  DrawOptions options;
  options.ckpt = SD_TEST_DATA "/tiny-v1.ckpt";
  options.W = options.H = kTinySide;
  return options;
}

DrawOptions typed_swap() {
  auto options = typed();
  options.task = DrawTask::kSwap;
  options.swap.mode = SwapMode::kPromptToPrompt;
  options.swap.source = "a red circle";
  options.swap.targets = {"a blue circle", "a green circle"};
  return options;
}

DrawPlan plan_of(const DrawOptions& options) {
  PlanContext context;
  return make_plan(options, context);
}

/// A context whose lines are kept in `said`.
PlanContext listening(Lines& said) {
  PlanContext context;
  context.say = [&said](const std::string& text) { said.push_back(text); };
  return context;
}

bool any_begins(const Lines& lines, std::string_view with) {
  for (const auto& line : lines) {
    if (line.starts_with(with)) return true;
  }
  return false;
}

std::shared_ptr<const PromptList> list_of(PromptList list) {
  return std::make_shared<const PromptList>(std::move(list));
}

TEST(DrawPlan, WhatOneDeviceDrawsIsRefusedForSeveral) {
  auto options = typed();
  options.device = {DeviceChoice::Kind::kCuda, 0};
  options.more_devices = {{DeviceChoice::Kind::kCuda, 1}};
  options.attn.always = true;
  expect_error<UsageError>([&] { plan_of(options); },
                           "--device: sd attn draws on one device, not on cuda:0, cuda:1",
                           "--device cuda:0.");
  options.attn.always = false;
  options.attn.save_attn_dir = "maps";
  expect_error<UsageError>([&] { plan_of(options); }, "--save_attn_dir draws on one device");
}

TEST(MakePlan, SettlesWhatWasLeftOpen) {
  auto options = typed();
  options.seed.reset();
  options.plms = true;
  options.precision = "full";
  options.attn.always = true;
  options.attn.is_get_attn = true;
  const auto settled = plan_of(options).options;
  EXPECT_TRUE(settled.seed.has_value());
  EXPECT_EQ(settled.sampler, SamplerKind::kPlms);
  EXPECT_EQ(settled.dtype, DTypeChoice::kF32);
  EXPECT_EQ(settled.outdir, "outputs/txt2img-samples");
  EXPECT_EQ(settled.attn.dir, "outputs/txt2img-samples/attn");
  EXPECT_EQ(settled.attn.save_attn_dir, "outputs/txt2img-samples/attn_maps");
  EXPECT_EQ(settled.prediction, Prediction::kNoise);
}

TEST(MakePlan, PrintsNothingAndSaysInOrderWhatThereIsToSay) {
  auto options = typed();
  options.seed.reset();
  options.laion400m = true;
  options.W = 4 * 1024;
  Lines said;
  auto context = listening(said);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const auto plan = make_plan(options, context);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_GE(said.size(), 3u);
  EXPECT_EQ(said[0], "Falling back to LAION 400M model...");
  EXPECT_EQ(said[1], "seed: " + std::to_string(*plan.options.seed));
  EXPECT_TRUE(any_begins(said, "4096x64: the model was trained"));
}

TEST(MakePlan, SaysNothingWhereItIsToBeQuiet) {
  auto options = typed();
  options.seed.reset();
  options.laion400m = options.quiet = true;
  options.W = 4 * 1024;
  Lines said;
  auto context = listening(said);
  make_plan(options, context);
  EXPECT_EQ(said, Lines());
}

TEST(MakePlan, SaysBeforeItFailsWhatItKnew) {
  auto options = typed();
  options.seed.reset();
  options.vae = "absent.ckpt";
  Lines said;
  auto context = listening(said);
  expect_error<IoError>([&] { make_plan(options, context); }, "--vae", "absent.ckpt");
  EXPECT_TRUE(any_begins(said, "seed: "));
}

TEST(MakePlan, ReadsTheHeadersOfOneModelOnce) {
  PlanContext context;
  const auto first = make_plan(typed(), context), second = make_plan(typed(), context);
  EXPECT_EQ(first.model, second.model);
  auto other = typed();
  other.prediction = Prediction::kVelocity;
  EXPECT_NE(make_plan(other, context).model, first.model);
}

TEST(MakePlan, GivesEachSampleItsPrompt) {
  auto options = typed();
  options.prompt = "a red circle";
  options.n_samples = 2;
  options.n_iter = 3;
  const auto plan = plan_of(options);
  EXPECT_EQ(plan.prompts.size(), 2u);
  EXPECT_EQ(plan.prompts.sets[1].targets, Lines{"a red circle"});
  EXPECT_EQ(plan.together, 2u);
  EXPECT_EQ(plan.samples, 6);
  EXPECT_EQ(plan.pictures, 6);
}

TEST(MakePlan, SettlesASwap) {
  const auto plan = plan_of(typed_swap());
  EXPECT_EQ(plan.options.prompt, "a blue circle");
  EXPECT_TRUE(plan.prompts.swaps());
  EXPECT_EQ(plan.prompts.branches(), 3u);
  EXPECT_EQ(plan.pictures, 2 * plan.samples);
  EXPECT_TRUE(plan.options.swap.self_steps.has_value());
  EXPECT_TRUE(plan.options.swap.blend_res.has_value());
}

TEST(MakePlan, TakesTheSizeOfThePictureAndSaysSo) {
  const TempFolder folder;
  constexpr int64_t kWidth = 150, kHeight = 70;
  Image picture{kWidth, kHeight, 3, {}};
  picture.pixels.assign(static_cast<std::size_t>(kWidth * kHeight * 3), 0);
  write_file(folder / "start.png", encode_png(picture));
  auto options = typed();
  options.task = DrawTask::kImg2Img;
  options.W.reset();
  options.H.reset();
  options.input.init_img = folder / "start.png";
  Lines said;
  auto context = listening(said);
  const auto plan = make_plan(options, context);
  EXPECT_EQ(plan.width(), 128);
  EXPECT_EQ(plan.height(), 64);
  EXPECT_EQ(plan.options.input.strength, kDefaultStrength);
  EXPECT_TRUE(any_begins(said, "--init-img: 150x70 is drawn as 128x64"));
}

TEST(MakePlan, DrawsTheUsableLinesOfAList) {
  auto options = typed();
  options.from_file = "-";
  options.combinations = true;
  PlanContext context;
  context.listed = list_of({{{1, "a {red|blue} circle"}, {4, "a square"}}, {{2, "is not UTF-8"}}});
  std::vector<int64_t> refused;
  context.refuse = [&](const BadLine& bad) { refused.push_back(bad.line); };
  const auto plan = make_plan(options, context);
  EXPECT_EQ(refused, std::vector<int64_t>{2});
  EXPECT_EQ(plan.prompts.size(), 3u);
  EXPECT_EQ(plan.prompts.listed[1].line, 1);
  EXPECT_EQ(plan.prompts.listed[1].text, "a blue circle");
  ASSERT_EQ(plan.prompts.bad_lines.size(), 1u);
  EXPECT_EQ(plan.prompts.bad_lines[0].line, 2);
}

TEST(MakePlan, OfALineWithoutTheSourceThatTheFirstHasSaysSo) {
  auto options = typed_swap();
  options.swap.source.reset();
  options.swap.targets.clear();
  options.from_file = "-";
  PlanContext context;
  context.listed = list_of({{{1, "a cat\ta dog"}, {2, "a bird"}}, {}});
  const auto plan = make_plan(options, context);
  EXPECT_EQ(plan.prompts.sets[0].source, "a cat");
  EXPECT_EQ(plan.prompts.size(), 1u);
  ASSERT_EQ(plan.prompts.bad_lines.size(), 1u);
  EXPECT_EQ(plan.prompts.bad_lines[0].line, 2);
}

TEST(MakePlan, OfOnePictureAloneDrawsNoGrid) {
  auto options = typed();
  options.only = 4;
  const auto plan = plan_of(options);
  EXPECT_EQ(plan.samples, 6);
  EXPECT_EQ(plan.pictures, 1);
  EXPECT_TRUE(plan.options.skip_grid);
  options.only = 6;
  expect_error<UsageError>([&] { plan_of(options); }, "--only 6: the run has 6 pictures");
}

TEST(MakePlan, DrawsNoGridThatIsTooLarge) {
  auto options = typed();
  options.n_samples = 1000;
  options.n_iter = 1000;
  Lines said;
  auto context = listening(said);
  EXPECT_TRUE(make_plan(options, context).options.skip_grid);
  EXPECT_TRUE(any_begins(said, "no grid is drawn: 1000000 pictures of 64x64"));
}

TEST(MakePlan, RefusesDeepCacheWithAttentionThatItLeavesOut) {
  auto swap = typed_swap(), weighs = typed(), maps = typed(), saves = typed();
  weighs.prompt = maps.prompt = saves.prompt = "a red circle";
  weighs.control.reweight = {{"red", {2}}};
  maps.attn.dir = "maps";
  saves.attn.is_get_attn = true;
  const auto refused = [](DrawOptions options, std::string_view part) {
    options.deepcache = 1;
    EXPECT_NO_THROW(plan_of(options)) << part;
    options.deepcache = 3;
    expect_error<UsageError>([&] { plan_of(options); }, "--deepcache 3", part);
  };
  refused(swap, "a swap");
  refused(weighs, "--reweight");
  refused(maps, "--attn");
  refused(saves, "--is_get_attn");
  // Targets without a source are plain pictures.
  swap.swap.mode = SwapMode::kFork;
  swap.swap.source.reset();
  swap.deepcache = 3;
  EXPECT_NO_THROW(plan_of(swap));
}

TEST(MakePlan, RefusesTokenMergingOnlyWhereItsLayersTakeSelfAttention) {
  auto options = typed_swap();
  options.token_merging = 0.5;
  EXPECT_NO_THROW(plan_of(options));  // in layers of 16 of 64 latent pixels
  options.swap.self_max_res = 64;
  expect_error<UsageError>([&] { plan_of(options); }, "--tome", "--self-max-res 64");
  options.swap.self_steps = {0, 0};
  EXPECT_NO_THROW(plan_of(options));
  options.swap.self_steps.reset();
  options.swap.mode = SwapMode::kFork;  // which takes cross-attention alone
  options.swap.self_max_res.reset();
  EXPECT_NO_THROW(plan_of(options));
}

TEST(MakePlan, RefusesAGuidanceIntervalWithoutAStep) {
  auto options = typed();
  options.steps = 5;
  options.guidance_interval = {0.2, 0.3};
  expect_error<UsageError>([&] { plan_of(options); }, "--guidance-interval 0.2:0.3", "5 steps");
  options.steps = 10;
  EXPECT_NO_THROW(plan_of(options));
}

std::vector<std::size_t> batch_sizes(const DrawPlan& plan) {
  std::vector<std::size_t> sizes;
  for_each_batch(plan, [&](const Batch& batch) { sizes.push_back(batch.size); });
  EXPECT_EQ(static_cast<int64_t>(sizes.size()), batch_count(plan));
  return sizes;
}

TEST(RunExtent, DividesARunIntoBatches) {
  auto options = typed();
  options.n_samples = 2;
  options.from_file = "-";
  PlanContext context;
  context.listed = list_of({{{1, "a"}, {2, "b"}, {3, "c"}}, {}});
  EXPECT_EQ(batch_sizes(make_plan(options, context)), (std::vector<std::size_t>{2, 1, 2, 1}));
  options.seed_mode = SeedMode::kImage;
  EXPECT_EQ(batch_sizes(make_plan(options, context)), std::vector<std::size_t>(6, 1));
}

TEST(RunExtent, OfOnePictureAloneWantsItsBatch) {
  auto options = typed();
  options.n_samples = 2;
  options.only = 3;
  const auto plan = plan_of(options);
  std::vector<int64_t> wanted;
  for_each_batch(plan, [&](const Batch& batch) {
    if (wants_any(plan, batch)) wanted.push_back(batch.first_sample);
    EXPECT_EQ(wants(plan, batch, 1), batch.first_sample == 2);
  });
  EXPECT_EQ(wanted, std::vector<int64_t>{2});
}

GridCells cells_of(const Lines& prompts) {
  GridCells cells;
  PlanContext context;
  for (const auto& prompt : prompts) {
    auto options = typed();
    options.n_samples = options.n_iter = 1;
    options.skip_grid = true;
    options.prompt = prompt;
    cells.numbers.push_back(static_cast<int64_t>(cells.cells.size()));
    cells.cells.push_back(make_plan(options, context));
  }
  cells.count = static_cast<int64_t>(prompts.size());
  return cells;
}

TEST(SharedPlan, DrawsCellsInOneBatch) {
  const auto cells = cells_of({"a circle", "a square"});
  const auto plan = shared_plan(cells);
  EXPECT_TRUE(plan.is_shared());
  EXPECT_FALSE(cells.cells.front().is_shared());
  EXPECT_EQ(plan.prompts.sets[1].own, &cells.cells[1].options);
  EXPECT_EQ(plan.prompts.sets[1].targets, Lines{"a square"});
  EXPECT_GE(plan.together, 2u);
}

TEST(SharedPlan, OfOneCellAloneDrawsThat) {
  auto cells = cells_of({"a circle", "a square"});
  cells.only = 1;
  const auto plan = shared_plan(cells);
  EXPECT_EQ(plan.options.only, 1);
  EXPECT_EQ(plan.pictures, 1);
  EXPECT_EQ(plan.samples, 2);
}

TEST(SharedPlan, RefusesPromptsOfUnequalLength) {
  const auto cells = cells_of({"a circle", "a circle BREAK a square"});
  expect_error<UsageError>([&] { shared_plan(cells); }, "unequal length");
}

TEST(SeedRule, GivesARunOneStreamOrEachPictureItsOwn) {
  auto options = typed();
  options.seed = 7;
  options.variation = Variation{100, 0.5};
  EXPECT_EQ(seed_of(options, 3), 7u);
  EXPECT_EQ(variation_seed_of(options, 3), 100u);
  EXPECT_EQ(path_seed_of(options, 3), 10u);
  options.seed_mode = SeedMode::kImage;
  EXPECT_EQ(seed_of(options, 3), 10u);
  EXPECT_EQ(variation_seed_of(options, 3), 103u);
  EXPECT_EQ(path_seed_of(options, 3), 10u);
}

}  // namespace
}  // namespace sd::cli
