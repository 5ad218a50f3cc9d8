// What must hold of every control, on the tiny model: 64x64 pictures, four steps.
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <set>

#include "sd/control/chain.h"
#include "sd/control/fork_swap.h"
#include "sd/control/local_blend.h"
#include "sd/control/map_recorder.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/reweight.h"
#include "sd/control/self_injection.h"
#include "sd/core/error.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::expect_error;
using test::Recorded;
using test::relative_difference;
using test::tiny_model;

// Explicit and fused attention, and batches of another size, add up in another order: 1e-6 a layer
// in float32, times guidance over four steps.
constexpr double kRounding = 1e-4;

const std::string kTarget = "a red circle above a blue square";
const std::string kSource = "a green circle above a blue square";

/// Token b takes the source's b: what both alignments say of prompts with one word exchanged.
TokenAlignment identity() {
  TokenAlignment alignment{std::vector<double>(77, 1.0), std::vector<int64_t>(77)};
  for (int64_t b = 0; b < 77; ++b) alignment.indices[static_cast<std::size_t>(b)] = b;
  return alignment;
}

torch::Tensor start_of(int64_t samples, int64_t height = 8, int64_t width = 8) {
  SeededNoise noise(42, RngChoice::kCpu, test::device());
  return noise.randn({samples, 4, height, width});
}

template <typename Request>
Request small(int64_t samples = 1) {
  Request request;
  request.width = request.height = 64;
  request.steps = 4;
  request.guidance_scale = 7.5;
  request.start_latents = start_of(samples);
  request.decode = false;
  return request;
}

SwapRequest pair_request(int64_t samples = 1) {
  auto request = small<SwapRequest>(samples);
  request.targets = {std::vector<std::string>(static_cast<std::size_t>(samples), kTarget)};
  request.source.assign(static_cast<std::size_t>(samples), kSource);
  return request;
}

SwapResult drawn(const SwapRequest& request) {
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  return draw_swap(tiny_model(), request, noise);
}

torch::Tensor plain(const std::string& prompt, SamplerKind sampler = SamplerKind::kDdim,
                    double scale = 7.5) {
  auto request = small<Txt2ImgRequest>();
  request.prompts = {prompt};
  request.sampler = sampler;
  request.guidance_scale = scale;
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  return txt2img(tiny_model(), request, noise).latents;
}

std::shared_ptr<ForkSwap> fork_swap(double tthres = 0) {
  ForkSwapOptions options;
  options.alignments = {identity()};
  options.tthres = tthres;
  return std::make_shared<ForkSwap>(options);
}

std::shared_ptr<PromptToPrompt> prompt_to_prompt(StepWindow window) {
  PromptToPromptOptions options;
  options.edits = {TokenRefinement{identity().indices, identity().mask}};
  options.schedules = {TokenSchedule{{window}}};
  return std::make_shared<PromptToPrompt>(options);
}

std::shared_ptr<Reweight> reweight(std::vector<TokenWeight> weights) {
  ReweightOptions options;
  options.weights = std::move(weights);
  return std::make_shared<Reweight>(options);
}

std::shared_ptr<LocalBlend> local_blend() {
  LocalBlendOptions options;
  options.target_words = options.source_words = {{2}};
  return std::make_shared<LocalBlend>(options);
}

/// Swap, replacement, self-attention, weights and blend, all at once.
struct EveryEdit {
  std::shared_ptr<LocalBlend> blend = local_blend();
  Chain chain{{fork_swap(), prompt_to_prompt(StepWindow::cross_steps(0, 1)),
               std::make_shared<SelfInjection>(), reweight({{2, {3.0}}}), blend}};
  void attach(SwapRequest& request) {
    request.controller = &chain;
    request.latent_edit = blend.get();
  }
};

class EveryMode : public testing::TestWithParam<std::tuple<SamplerKind, double>> {
 protected:
  SamplerKind sampler() const { return std::get<0>(GetParam()); }
  double scale() const { return std::get<1>(GetParam()); }
  SwapRequest request() const {
    auto request = pair_request();
    request.sampler = sampler();
    request.guidance_scale = scale();
    return request;
  }
};

TEST_P(EveryMode, TheSamePromptOnBothSidesEqualsTxt2Img) {
  auto same = request();
  same.source = {kTarget};
  const auto control = fork_swap();
  same.controller = control.get();
  const auto result = drawn(same);
  EXPECT_LT(relative_difference(result.targets[0].latents, plain(kTarget, sampler(), scale())),
            kRounding);
}

TEST_P(EveryMode, AnEmptyScheduleEqualsTxt2ImgOfTheTarget) {
  auto idle = request();
  Chain chain(
      {fork_swap(/*tthres=*/1000), prompt_to_prompt(StepWindow::cross_steps(0.5, 0.5)),
       std::make_shared<SelfInjection>(SelfInjectionOptions{.steps = StepWindow::steps(0, 0)})});
  idle.controller = &chain;
  EXPECT_LT(relative_difference(drawn(idle).targets[0].latents, plain(kTarget, sampler(), scale())),
            kRounding);
}

TEST_P(EveryMode, TheSourceEqualsTxt2ImgOfTheSourceUnderAnyEdit) {
  auto edited = request();
  EveryEdit edit;
  edit.attach(edited);
  const auto result = drawn(edited);
  EXPECT_LT(relative_difference(result.source.latents, plain(kSource, sampler(), scale())),
            kRounding);
  EXPECT_GT(relative_difference(result.targets[0].latents, plain(kTarget, sampler(), scale())),
            10 * kRounding);
}

TEST_P(EveryMode, AReweightedTokenMovesTheLatents) {
  for (const double weight : {0.0, 5.0}) {
    auto request = small<Txt2ImgRequest>();
    request.prompts = {kTarget};
    request.sampler = sampler();
    request.guidance_scale = scale();
    const auto control = reweight({{2, {weight}}});
    request.controller = control.get();
    SeededNoise noise(1, RngChoice::kCpu, test::device());
    EXPECT_GT(relative_difference(txt2img(tiny_model(), request, noise).latents,
                                  plain(kTarget, sampler(), scale())),
              10 * kRounding)
        << "weight " << weight;
  }
}

std::string mode_name(const testing::TestParamInfo<std::tuple<SamplerKind, double>>& mode) {
  return test::case_name(std::get<0>(mode.param)) +
         (std::get<1>(mode.param) == 1.0 ? "_unguided" : "_guided");
}

INSTANTIATE_TEST_SUITE_P(Samplers, EveryMode,
                         testing::Combine(testing::ValuesIn(test::all_sampler_kinds()),
                                          testing::Values(7.5)),
                         mode_name);
INSTANTIATE_TEST_SUITE_P(WithoutGuidance, EveryMode,
                         testing::Combine(testing::Values(SamplerKind::kDdim, SamplerKind::kPlms,
                                                          SamplerKind::kDpmpp2m),
                                          testing::Values(1.0)),
                         mode_name);

TEST(Control, LatentsBeforeTheFirstEditedStepEqualPlainOnesBitForBit) {
  auto plain_pair = pair_request(), late = pair_request();
  const Recorded without(plain_pair), with(late);
  drawn(plain_pair);
  const auto control = prompt_to_prompt(StepWindow::cross_steps(0.4, 1));  // from int(0.4 · 5) = 2
  late.controller = control.get();
  drawn(late);
  EXPECT_TRUE(with.latents[1].equal(without.latents[1]));
  EXPECT_TRUE(with.latents[2].equal(without.latents[2]));
  EXPECT_GT(relative_difference(with.latents[3], without.latents[3]), 1e-5);
}

TEST(Control, WeightOneChangesNoBit) {
  auto request = small<Txt2ImgRequest>();
  request.prompts = {kTarget};
  const auto control = reweight({{2, {1.0}}});
  request.controller = control.get();
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  EXPECT_TRUE(txt2img(tiny_model(), request, noise).latents.equal(plain(kTarget)));
}

/// Sees which steps a control edits, and with how many UNet calls.
class EditedSteps final : public AttentionController {
 public:
  explicit EditedSteps(std::shared_ptr<AttentionController> control)
      : control_(std::move(control)) {}
  AttentionUse use(const AttentionCall& call) const override {
    const auto use = control_->use(call);
    if (use == AttentionUse::kChange) steps.insert(call.step.step);
    if (use == AttentionUse::kChange && call.step.evaluation > 0) ++second_calls;
    return use;
  }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override {
    return control_->apply(std::move(probs), call);
  }
  mutable std::set<int64_t> steps;
  mutable int64_t second_calls = 0;

 private:
  std::shared_ptr<AttentionController> control_;
};

TEST(Control, PlmsAndDdimEditTheSameSteps) {
  // Steps begin at 751, 501, 251 and 1. PLMS asks again at 501 within its first step.
  for (const auto& control :
       {std::shared_ptr<AttentionController>(fork_swap(/*tthres=*/600)),
        std::shared_ptr<AttentionController>(prompt_to_prompt(StepWindow::cross_steps(0, 0.2)))}) {
    for (const auto sampler : {SamplerKind::kDdim, SamplerKind::kPlms}) {
      EditedSteps edited(control);
      auto request = pair_request();
      request.sampler = sampler;
      request.controller = &edited;
      drawn(request);
      EXPECT_EQ(edited.steps, std::set<int64_t>{0});
      EXPECT_EQ(edited.second_calls > 0, sampler == SamplerKind::kPlms);
    }
  }
}

TEST(Control, ReweightingLeavesTheUnconditionalNoiseAlone) {
  // At guidance 0 the noise is the unconditional prediction alone.
  auto request = small<Txt2ImgRequest>();
  request.prompts = {kTarget};
  request.guidance_scale = 0;
  const auto control = reweight({{2, {5.0}}});
  request.controller = control.get();
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  EXPECT_LT(relative_difference(txt2img(tiny_model(), request, noise).latents,
                                plain(kTarget, SamplerKind::kDdim, 0)),
            kRounding);
}

TEST(Control, SeveralTargetsBesideOneSourceEqualEachAlone) {
  auto both = pair_request();
  both.targets = {{kTarget}, {"a yellow circle above a blue square"}};
  auto second = pair_request();
  second.targets = {both.targets[1]};
  const auto control = prompt_to_prompt(StepWindow::cross_steps(0, 0.8));
  both.controller = second.controller = control.get();
  const auto together = drawn(both);
  ASSERT_EQ(together.targets.size(), 2u);
  EXPECT_LT(relative_difference(together.targets[1].latents, drawn(second).targets[0].latents),
            kRounding);
}

TEST(Control, EachOfSeveralSamplesEqualsItAlone) {
  auto three = pair_request(3);
  EveryEdit edit;
  edit.attach(three);
  const auto together = drawn(three);
  for (int64_t sample = 0; sample < 3; ++sample) {
    auto one = pair_request();
    one.start_latents = three.start_latents->narrow(0, sample, 1);
    EveryEdit again;
    again.attach(one);
    const auto alone = drawn(one);
    EXPECT_LT(relative_difference(together.targets[0].latents.narrow(0, sample, 1),
                                  alone.targets[0].latents),
              kRounding);
    EXPECT_LT(
        relative_difference(together.source.latents.narrow(0, sample, 1), alone.source.latents),
        kRounding);
  }
}

TEST(Control, OutsideItsMaskALocalBlendIsTheSourceBitForBit) {
  auto request = pair_request();
  LocalBlendOptions options;
  options.mask = at::zeros({1, 1, 8, 8});
  options.mask->narrow(3, 0, 4).fill_(1.0);  // the left half may change
  LocalBlend blend(options);
  const auto control = fork_swap();
  request.controller = control.get();
  request.latent_edit = &blend;
  const auto result = drawn(request);
  const auto right = [](const torch::Tensor& x) { return x.narrow(3, 4, 4); };
  EXPECT_TRUE(right(result.targets[0].latents).equal(right(result.source.latents)));
  EXPECT_GT(relative_difference(result.targets[0].latents, result.source.latents), 1e-3);
}

TEST(Control, ALocalBlendByWordsLeavesSomethingOfBoth) {
  auto request = pair_request();
  const auto blend = local_blend();
  request.controller = blend.get();
  request.latent_edit = blend.get();
  const auto result = drawn(request);
  const auto same = result.targets[0].latents.eq(result.source.latents).all(1);  // [1,8,8]
  EXPECT_FALSE(same.all().item<bool>());
}

TEST(Control, ARecorderChangesNoBitOfTheLatents) {
  auto request = pair_request();
  const auto bare = drawn(request);
  const auto recorder = std::make_shared<MapRecorder>(MapRecorderOptions{.timeline = 2});
  request.controller = recorder.get();
  const auto watched = drawn(request);
  EXPECT_TRUE(watched.targets[0].latents.equal(bare.targets[0].latents));
  EXPECT_TRUE(watched.source.latents.equal(bare.source.latents));
  EXPECT_EQ(recorder->layers().size(), 16u);
}

TEST(Control, ARecorderBesideASwapChangesNoBitEither) {
  auto request = pair_request();
  const auto swap = fork_swap();
  request.controller = swap.get();
  const auto bare = drawn(request);
  const auto own = std::make_shared<MapRecorder>(), applied = std::make_shared<MapRecorder>();
  Chain chain({own, swap, applied});
  request.controller = &chain;
  EXPECT_TRUE(drawn(request).targets[0].latents.equal(bare.targets[0].latents));
  EXPECT_FALSE(own->layers()[0].maps.sum.equal(applied->layers()[0].maps.sum));
}

TEST(Control, MapsBeforeControlSumToOneAStepAndLieAsThePictureDoes) {
  for (const auto sampler : {SamplerKind::kDdim, SamplerKind::kPlms}) {
    auto request = small<Txt2ImgRequest>();
    request.prompts = {kTarget};
    request.width = 192, request.height = 128;
    request.steps = 2;
    request.sampler = sampler;
    request.start_latents = start_of(1, 16, 24);
    const auto recorder = std::make_shared<MapRecorder>();
    Chain chain({recorder, reweight({{2, {5.0}}})});
    request.controller = &chain;
    SeededNoise noise(1, RngChoice::kCpu, test::device());
    txt2img(tiny_model(), request, noise);
    EXPECT_EQ(recorder->timesteps(), (std::vector<double>{501, 1}));
    EXPECT_EQ(heat_maps(recorder->layers(), 16, 24).sizes(), at::IntArrayRef({1, 77, 16, 24}));
    for (const auto& layer : recorder->layers()) {
      const auto& sum = layer.maps.sum;
      EXPECT_EQ(sum.sizes(), at::IntArrayRef({1, 77, 16 / layer.site.downsampling,
                                              24 / layer.site.downsampling}));
      // Two steps of rows that sum to 1, in float32.
      EXPECT_LT((sum.sum(1) - 2.0).abs().max().item<double>(), 1e-5);
    }
  }
}

TEST(Control, BranchesOfUnequalSizeAreRefused) {
  auto request = pair_request();
  request.source = {kSource, kSource};
  expect_error<UsageError>([&] { drawn(request); }, "source has 2 prompts", "target 1");
  request.targets.clear();
  expect_error<UsageError>([&] { drawn(request); }, "no prompts");
}

}  // namespace
}  // namespace sd
