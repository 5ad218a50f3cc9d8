// What is computed in half precision on a GPU: the kernels beside LibTorch's operators in float32,
// and what is built around them. Without a GPU (SD_TEST_DEVICE) a stand-in has the kernels' place.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <limits>

#include "nn/gpu.h"
#include "nn/group_norm.h"
#include "pipeline/recorded_unet.h"
#include "pipeline/step_watch.h"
#include "sd/control/chain.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/reweight.h"
#include "sd/core/error.h"
#include "sd/models/unet.h"
#include "sd/nn/column_edit.h"
#include "support/golden.h"
#include "support/plain_gpu.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (test::device().is_cuda()) {
      test::tiny_model();  // opens the kernels
    } else {
      gpu::set_backend(&plain_, at::kCPU);
    }
    at::manual_seed(3);
  }
  void TearDown() override {
    if (!test::device().is_cuda()) gpu::set_backend(nullptr);
  }

  static torch::Tensor on_gpu(const torch::Tensor& x, torch::Dtype dtype = at::kHalf) {
    return x.to(dtype).to(test::device());
  }

  c10::InferenceMode inference_;
  test::PlainGpu plain_;
};

/// Both in float64, of the larger one's greatest value.
double difference(const torch::Tensor& found, const torch::Tensor& expected) {
  return test::relative_difference(found, expected);
}

// Results are rounded to 11 bits, values and weights before them.
constexpr double kHalfTolerance = 2e-3;
constexpr double kBrainTolerance = 1.6e-2;
constexpr double kFloatTolerance = 2e-6;

struct NormCase {
  std::vector<int64_t> shape;
  torch::Dtype dtype;
  double tolerance;
};

class GpuNorm : public Gpu, public testing::WithParamInterface<NormCase> {};

TEST_P(GpuNorm, EqualsLibTorchsInFloat64) {
  const auto& [shape, dtype, tolerance] = GetParam();
  const auto x = on_gpu(at::randn(shape) * 2 + 0.7, dtype);
  const auto weight = on_gpu(at::randn({shape[1]}) * 0.5 + 1, dtype);
  const auto bias = on_gpu(at::randn({shape[1]}), dtype);
  const auto channels = on_gpu(at::randn({shape[1]}), dtype);
  const auto offset = on_gpu(at::randn({shape[0], shape[1]}), dtype);
  const auto wide = [](const torch::Tensor& t) { return t.cpu().to(at::kDouble); };
  for (const bool silu : {false, true}) {
    for (const bool moved : {false, true}) {
      const GroupNormOptions options{32, weight, bias, 1e-5, silu};
      const auto maps = x.contiguous(at::MemoryFormat::ChannelsLast);
      ASSERT_TRUE(gpu::norms(maps, options));
      const auto found =
          gpu::group_norm(maps, options, moved ? gpu::Offset{channels, offset} : gpu::Offset{});
      auto given = wide(x);
      if (moved) {
        given = given + wide(offset).unsqueeze(-1).unsqueeze(-1) +
                wide(channels).unsqueeze(-1).unsqueeze(-1);
      }
      auto expected = at::group_norm(given, 32, wide(weight), wide(bias), 1e-5);
      if (silu) expected = at::silu(expected);
      EXPECT_LT(difference(found, expected), tolerance) << silu << moved;
      EXPECT_EQ(found.scalar_type(), dtype);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OfSizes, GpuNorm,
                         testing::Values(NormCase{{2, 320, 16, 16}, at::kHalf, kHalfTolerance},
                                         NormCase{{1, 128, 96, 64}, at::kHalf, kHalfTolerance},
                                         NormCase{{3, 1280, 2, 2}, at::kHalf, kHalfTolerance},
                                         NormCase{{1, 2560, 4, 4}, at::kHalf, kHalfTolerance},
                                         NormCase{{2, 32, 5, 7}, at::kHalf, kHalfTolerance},
                                         NormCase{{2, 640, 8, 8}, at::kBFloat16, kBrainTolerance},
                                         NormCase{{2, 320, 16, 16}, at::kFloat, kFloatTolerance},
                                         NormCase{{1, 2560, 3, 3}, at::kFloat, kFloatTolerance}));

TEST_F(Gpu, GroupsFarFromZeroKeepTheirDeviations) {
  // A mean of 30 deviations: what a sum of squares loses shows.
  const auto x = (at::randn({1, 64, 64, 64}) + 30).contiguous(at::MemoryFormat::ChannelsLast);
  const auto one = at::ones({64}), none = at::zeros({64});
  const auto found = gpu::group_norm(on_gpu(x, at::kFloat),
                                     {32, on_gpu(one, at::kFloat), on_gpu(none, at::kFloat)});
  const auto expected =
      at::group_norm(x.to(at::kDouble), 32, one.to(at::kDouble), none.to(at::kDouble));
  EXPECT_LT(difference(found, expected), 1e-4);
}

TEST_F(Gpu, AddsToMapsInPlace) {
  auto x = on_gpu(at::randn({2, 48, 6, 5})).contiguous(at::MemoryFormat::ChannelsLast);
  const auto before = x.cpu().to(at::kFloat);
  const auto bias = on_gpu(at::randn({48})), offset = on_gpu(at::randn({1, 48}));
  const auto residual = on_gpu(at::randn({2, 48, 6, 5}));
  const auto* memory = x.const_data_ptr();
  const auto found = gpu::add(x, {bias, offset}, residual);
  EXPECT_EQ(found.const_data_ptr(), memory);
  const auto maps = [](const torch::Tensor& t) {
    return t.cpu().to(at::kFloat).reshape({1, -1, 1, 1});
  };
  EXPECT_LT(difference(found, before + maps(bias) + maps(offset) + residual.cpu().to(at::kFloat)),
            1e-3);
}

TEST_F(Gpu, AddsChannelsThatItsKernelsDoNotTake) {
  auto x = on_gpu(at::randn({2, 3, 4, 4})).contiguous(at::MemoryFormat::ChannelsLast);
  const auto before = x.cpu().to(at::kFloat);
  const auto bias = on_gpu(at::randn({3}));
  const auto found = gpu::add(x, {bias, {}}, {});
  EXPECT_LT(difference(found, before + bias.cpu().to(at::kFloat).reshape({1, 3, 1, 1})), 1e-3);
}

TEST_F(Gpu, GatesRows) {
  const auto x = on_gpu(at::randn({2, 77, 640}));
  const auto halves = x.cpu().to(at::kFloat).chunk(2, -1);
  EXPECT_LT(difference(gpu::gate(x), halves[0] * at::gelu(halves[1])), 1e-3);
}

TEST_F(Gpu, NotesTheFirstStepThatIsNotFinite) {
  auto first = at::full({1}, -1, at::TensorOptions().dtype(at::kInt).device(test::device()));
  auto x = on_gpu(at::randn({1, 4, 64, 64}), at::kFloat);
  gpu::note_nonfinite(x, 0, first);
  EXPECT_EQ(first.item<int>(), -1);
  x.view({-1}).narrow(0, 16383, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  gpu::note_nonfinite(x, 3, first);
  gpu::note_nonfinite(x, 4, first);
  EXPECT_EQ(first.item<int>(), 3);
}

TEST_F(Gpu, AStepThatWentWrongIsToldAtTheEnd) {
  StepWatch watch;
  const auto good = on_gpu(at::randn({1, 4, 8, 8}), at::kFloat);
  const auto bad = good / 0;
  const auto show = [&](int64_t step, const torch::Tensor& x) {
    watch.after({step, 4, 900.0 - 100 * static_cast<double>(step), x, x});
  };
  show(0, good);
  EXPECT_NO_THROW(watch.finish());
  for (const int64_t step : {1, 2, 3}) show(step, bad);
  try {
    watch.finish();
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("after step 2 of 4 (t = 800)"), std::string::npos)
        << error.what();
  }
}

/// A layer's weights, in float32 and as a GPU holds them.
template <typename Layer>
Layer with_weights(Layer reference, Layer layer) {
  for (auto& item : parameter_slots(*reference)) {
    const auto value = torch::Tensor(at::randn(item.shape) * 0.1).to(at::kHalf);
    item.bind(value.to(at::kFloat));
    for (auto& slot : parameter_slots(*layer)) {
      if (slot.name == item.name) slot.bind(value.to(test::device()));
    }
  }
  return layer;
}

TEST_F(Gpu, ConvolutionsEqualThoseInFloat32) {
  const auto x = torch::Tensor(at::randn({2, 32, 8, 6})).to(at::kHalf);
  for (const int64_t kernel : {1, 3}) {
    Conv2d reference(32, 64, kernel, 1, kernel / 2);
    auto layer = with_weights(reference, Conv2d(32, 64, kernel, 1, kernel / 2));
    const auto offset = torch::Tensor(at::randn({1, 64})).to(at::kHalf);
    for (const bool upsampled : {false, true}) {
      const int64_t scale = upsampled ? 2 : 1;
      const auto residual = torch::Tensor(at::randn({2, 64, 8 * scale, 6 * scale})).to(at::kHalf);
      for (const bool adds : {false, true}) {
        ConvExtras given{.upsampled = upsampled}, wanted{.upsampled = upsampled};
        if (adds) {
          given.offset = on_gpu(offset);
          given.residual = on_gpu(residual);
          wanted.offset = offset.to(at::kFloat);
          wanted.residual = residual.to(at::kFloat);
        }
        const auto found = layer->forward(on_gpu(x), given);
        EXPECT_TRUE(found.is_contiguous(at::MemoryFormat::ChannelsLast));
        EXPECT_LT(difference(found, reference->forward(x.to(at::kFloat), wanted)), kHalfTolerance)
            << kernel << upsampled << adds;
      }
    }
  }
}

TEST_F(Gpu, AConvolutionPadsOnOneSide) {
  const Conv2dOptions options{.stride = 2, .padding = 1, .padding_before = 0};
  Conv2d reference(16, 16, 3, options);
  auto layer = with_weights(reference, Conv2d(16, 16, 3, options));
  const auto x = torch::Tensor(at::randn({1, 16, 8, 8})).to(at::kHalf);
  EXPECT_LT(difference(layer->forward(on_gpu(x)), reference->forward(x.to(at::kFloat))),
            kHalfTolerance);
}

TEST_F(Gpu, LinearLayersGateAndAddInPlace) {
  Linear reference(32, 128), layer = with_weights(reference, Linear(32, 128));
  const auto x = torch::Tensor(at::randn({2, 9, 32})).to(at::kHalf);
  const auto residual = torch::Tensor(at::randn({2, 9, 64})).to(at::kHalf);
  const auto kept = on_gpu(residual);
  const auto found =
      layer->forward(on_gpu(x), {.activation = LayerFinish::Activation::kGated, .residual = kept});
  const auto wanted = reference->forward(
      x.to(at::kFloat),
      {.activation = LayerFinish::Activation::kGated, .residual = residual.to(at::kFloat)});
  EXPECT_LT(difference(found, wanted), kHalfTolerance);
  EXPECT_TRUE(kept.cpu().equal(residual));
}

TEST_F(Gpu, JoinedLayersAreOneProductWhoseWeightsLieTogether) {
  Linear q(32, 64, false), k(32, 64, false), v(32, 64, false);
  for (auto* layer : {&q, &k, &v}) {
    (*layer)->bind("weight", on_gpu(at::randn({64, 32}) * 0.1));
  }
  const auto x = on_gpu(at::randn({2, 9, 32}));
  const auto apart = std::vector{q->forward(x), k->forward(x), v->forward(x)};
  for (int call = 0; call < 2; ++call) {
    const auto parts = joined_linear(x, {q.get(), k.get(), v.get()}).chunk(3, -1);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(difference(parts[i], apart[i]), 2e-3);
  }
  EXPECT_TRUE(q->weight.is_alias_of(v->weight));
  EXPECT_LT(difference(k->forward(x), apart[1]), 2e-3);
}

UNetConfig small_config() {
  UNetConfig config;
  config.model_channels = 32;
  config.channel_mult = {1, 2};
  config.num_res_blocks = 1;
  config.attention_resolutions = {1};
  config.context_dim = 32;
  return config;
}

class GpuUNet : public Gpu {
 protected:
  void SetUp() override {
    Gpu::SetUp();
    for (auto& slot : parameter_slots(*unet_)) {
      const bool norm = slot.name.find("norm") != std::string::npos;
      auto value = torch::Tensor(at::randn(slot.shape) * 0.05);
      if (norm && slot.name.ends_with("weight")) value = value + 1;
      slot.bind(on_gpu(value));
    }
  }

  static torch::Tensor noise(int64_t rows, int64_t height = 16) {
    return on_gpu(at::randn({rows, 4, height, 8}));
  }
  static torch::Tensor words(int64_t rows) { return on_gpu(at::randn({rows, 7, 32})); }

  /// One run's way through its timesteps, with the recorded UNet or without.
  struct Run {
    UNet& unet;
    RecordedUNet* recorded;
    TimeTable times{{981, 500.25, 1}};
    PromptCache prompt{};

    torch::Tensor at(double t, const torch::Tensor& x, const torch::Tensor& context) {
      ForwardContext run;
      run.times = &times;
      run.time_row = times.row_of(t);
      run.prompt = &prompt;
      const auto time = at::full({1}, t, x.options().dtype(at::kFloat));
      return recorded != nullptr ? recorded->forward(x, time, context, run)
                                 : unet->forward(x, time, context, run);
    }
  };

  UNet unet_{small_config()};
};

TEST_F(GpuUNet, ARecordingGivesTheSameBits) {
  RecordedUNet recorded(*unet_);
  for (int run = 0; run < 3; ++run) {  // other prompts and noise; the recording stays
    Run plain{unet_, nullptr}, fast{unet_, &recorded};
    const auto context = words(2), other = words(2);
    for (const double t : {981.0, 500.25, 1.0, 500.25}) {
      const auto x = noise(2);
      EXPECT_TRUE(fast.at(t, x, context).equal(plain.at(t, x, context))) << run << ' ' << t;
    }
    // The prompt changes in the middle of a run.
    const auto x = noise(2);
    EXPECT_TRUE(fast.at(1, x, other).equal(plain.at(1, x, other))) << run;
  }
}

TEST_F(GpuUNet, WhatARecordingGaveStaysAsItIs) {
  RecordedUNet recorded(*unet_);
  Run fast{unet_, &recorded};
  const auto context = words(2);
  fast.at(981, noise(2), context);
  const auto second = fast.at(500.25, noise(2), context);
  const auto copy = second.clone();
  fast.at(1, noise(2), context);
  EXPECT_TRUE(second.equal(copy));
}

TEST_F(GpuUNet, OtherSizesAreOtherRecordings) {
  RecordedUNet recorded(*unet_);
  Run plain{unet_, nullptr}, fast{unet_, &recorded};
  const auto two = words(2), one = words(1);
  for (int turn = 0; turn < 4; ++turn) {
    const auto wide = noise(2), high = noise(2, 24), single = noise(1);
    EXPECT_TRUE(fast.at(981, wide, two).equal(plain.at(981, wide, two))) << turn;
    EXPECT_TRUE(fast.at(981, high, two).equal(plain.at(981, high, two))) << turn;
    EXPECT_TRUE(fast.at(981, single, one).equal(plain.at(981, single, one))) << turn;
  }
}

TEST_F(GpuUNet, AnotherThreadsTurnIsNotTaken) {
  RecordedUNet recorded(*unet_);
  const auto mine = recorded.take_turn();
  EXPECT_TRUE(mine.owns_lock());
}

/// A source and a target of one sample, without and with a prompt.
const std::vector<RowGroup> kSwapRows = {
    {.branch = RowGroup::Branch::kTarget, .conditional = false, .begin = 0, .count = 1},
    {.branch = RowGroup::Branch::kSource, .conditional = false, .begin = 1, .count = 1},
    {.branch = RowGroup::Branch::kTarget, .conditional = true, .begin = 2, .count = 1},
    {.branch = RowGroup::Branch::kSource, .conditional = true, .begin = 3, .count = 1}};

constexpr int64_t kTokens = 7;

/// Token 1 becomes two, 3 and 4 change places, 5 and 6 share what the source's 6 has.
WordReplacement replacement() {
  WordReplacement moved{kTokens, std::vector<double>(kTokens * kTokens), {}};
  const auto set = [&](int64_t from, int64_t to, double share) {
    moved.matrix[static_cast<std::size_t>(from * kTokens + to)] = share;
  };
  set(0, 0, 1), set(1, 1, 1), set(1, 2, 1), set(3, 4, 1), set(4, 3, 1), set(6, 5, 0.5),
      set(6, 6, 0.5);
  return moved;
}

std::shared_ptr<AttentionController> swap_edit() {
  PromptToPromptOptions options;
  options.edits = {replacement()};
  options.schedules = {TokenSchedule{{StepWindow::cross_steps(0, 0.5)}}};
  ReweightOptions weights;
  weights.weights = {{.token = 3, .values = {2.5}}};
  return std::make_shared<Chain>(std::vector<std::shared_ptr<AttentionController>>{
      std::make_shared<PromptToPrompt>(options), std::make_shared<Reweight>(weights)});
}

StepInfo step_at(int64_t step) { return {step, 10, 900.0 - 90.0 * static_cast<double>(step), 0}; }

TEST(ColumnEdits, GiveWhatTheChangedProbabilitiesGive) {
  const c10::InferenceMode inference;
  at::manual_seed(8);
  const auto edit = swap_edit();
  for (const int64_t step : {0, 9}) {
    const auto at = step_at(step);
    ASSERT_EQ(edit->step_use(at, kSwapRows), StepUse::kColumns);
    const auto columns = column_edit_of(*edit, at, kSwapRows, kTokens);
    EXPECT_EQ(columns.shares.size(), step == 0 ? 1U : 0U);
    const auto probs = at::softmax(at::randn({4, 2, 15, kTokens}), -1);
    const auto v = at::randn({4, kTokens, 6});
    const AttentionSite site{};
    const auto changed = edit->apply(probs.clone(), {site, at, kSwapRows, 5, 3});
    const auto by_head = [&](const torch::Tensor& p, const torch::Tensor& values) {
      return at::matmul(p, values.unsqueeze(1));
    };
    const auto found =
        columns.added_up(by_head(columns.with_sources(probs), columns.multiplied(v)));
    EXPECT_LT(difference(found, by_head(changed, v)), 1e-6) << step;
  }
}

TEST(ColumnEdits, AreNoneWhereLayersHeadsOrPixelsDiffer) {
  PromptToPromptOptions options;
  options.edits = {replacement()};
  const auto use = [](const PromptToPromptOptions& o, int64_t step) {
    return PromptToPrompt(o).step_use(step_at(step), kSwapRows);
  };
  EXPECT_EQ(use(options, 0), StepUse::kColumns);
  EXPECT_EQ(use(options, 9), StepUse::kNone);
  auto boxed = options, sited = options, headed = options;
  boxed.boxes = {{1}};
  sited.sites.resolutions = {16};
  headed.sites.heads = {0};
  for (const auto& other : {boxed, sited, headed}) EXPECT_EQ(use(other, 0), StepUse::kOther);
  const std::vector<RowGroup> alone = {{.begin = 0, .count = 1}};
  EXPECT_EQ(PromptToPrompt(options).step_use(step_at(0), alone), StepUse::kNone);
}

/// What a UNet makes of a swap's rows under an edit, by changed values or by probabilities.
class GpuEdits : public GpuUNet {
 protected:
  torch::Tensor by_columns(RecordedUNet* recorded, int64_t step) {
    const auto at = step_at(step);
    auto edit = column_edit_of(*edit_, at, kSwapRows, kTokens);
    if (!(columns_ && edit.shares == columns_->shares &&
          edit.matrices.equal(columns_->matrices.cpu()))) {
      columns_ = {edit.shares, edit.matrices.to(test::device())};
      prompt_ = PromptCache();
    }
    ForwardContext run;
    run.columns = &*columns_;
    return evaluate(recorded, run, at);
  }

  torch::Tensor by_probabilities(int64_t step) {
    ForwardContext run;
    run.controller = edit_.get();
    prompt_ = PromptCache();
    return evaluate(nullptr, run, step_at(step));
  }

  torch::Tensor evaluate(RecordedUNet* recorded, ForwardContext& run, const StepInfo& at) {
    run.step = at;
    run.rows = kSwapRows;
    run.times = &times_;
    run.time_row = 0;
    run.prompt = &prompt_;
    const auto t = at::full({1}, 500.25, x_.options().dtype(at::kFloat));
    return recorded != nullptr ? recorded->forward(x_, t, context_, run)
                               : unet_->forward(x_, t, context_, run);
  }

  std::shared_ptr<AttentionController> edit_ = swap_edit();
  torch::Tensor x_ = noise(4), context_ = words(4) * 10;  // an edit shows
  std::optional<ColumnEdit> columns_;
  PromptCache prompt_;
  TimeTable times_{{500.25}};
};

TEST_F(GpuEdits, ChangedValuesGiveWhatChangedProbabilitiesGive) {
  for (const int64_t step : {0, 9}) {
    const auto expected = by_probabilities(step);
    prompt_ = PromptCache();
    columns_.reset();
    EXPECT_LT(difference(by_columns(nullptr, step), expected), 2e-3) << step;
  }
  ForwardContext plain;
  prompt_ = PromptCache();
  EXPECT_GT(difference(evaluate(nullptr, plain, step_at(0)), by_probabilities(0)), 1e-2);
}

TEST_F(GpuEdits, ARecordingFollowsTheEdit) {
  RecordedUNet recorded(*unet_);
  for (const int64_t step : {0, 1, 2, 8, 9, 0, 1, 9}) {
    const auto found = by_columns(&recorded, step);
    prompt_ = PromptCache();
    EXPECT_TRUE(found.equal(by_columns(nullptr, step))) << step;
  }
}

TEST_F(GpuUNet, HalfPrecisionEqualsFloat32) {
  UNet exact(small_config());
  const auto parameters = unet_->named_parameters();
  for (auto& slot : parameter_slots(*exact)) {
    slot.bind(parameters[slot.name].cpu().to(at::kFloat));
  }
  const auto x = noise(2), context = words(2);
  Run fast{unet_, nullptr};
  const auto expected = exact->forward(x.cpu().to(at::kFloat), at::full({1}, 500.25),
                                       context.cpu().to(at::kFloat), {});
  EXPECT_LT(difference(fast.at(500.25, x, context), expected), 1e-2);
}

}  // namespace
}  // namespace sd
