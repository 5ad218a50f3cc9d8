// A UNet in half precision on a GPU: recorded evaluations, and edits of attention by changed
// values. Without a GPU (SD_TEST_DEVICE) a stand-in has the kernels' place.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <thread>

#include "pipeline/recorded_unet.h"
#include "sd/control/chain.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/reweight.h"
#include "sd/models/unet.h"
#include "sd/nn/column_edit.h"
#include "support/gpu_fixture.h"

namespace sd {
namespace {

using test::Gpu;
using test::on_gpu;

/// Both in float64, of the larger one's greatest value.
double difference(const torch::Tensor& found, const torch::Tensor& expected) {
  return test::relative_difference(found, expected);
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

TEST_F(GpuUNet, AThreadEvaluatesBeforeItRecords) {
  if (test::device().is_cuda()) GTEST_SKIP() << "counts what the stand-in records";
  RecordedUNet recorded(*unet_);
  Run fast{unet_, &recorded};
  const auto context = words(2), x = noise(2);
  fast.at(981, x, context);
  std::thread other([&] {
    const c10::InferenceMode inference;
    fast.at(981, x, context);
    EXPECT_EQ(plain_.recorded, 0);
    fast.at(981, x, context);
    EXPECT_EQ(plain_.recorded, 2);
  });
  other.join();
}

TEST_F(GpuUNet, ThreadsTakeTurns) {
  RecordedUNet recorded(*unet_);
  bool mine_ended = false;
  auto mine = recorded.take_turn();
  std::thread other([&] {
    const auto turn = recorded.take_turn();
    EXPECT_TRUE(mine_ended);
  });
  mine_ended = true;
  mine.unlock();
  other.join();
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

/// Kernels that compute nothing, for tensors that have shapes alone.
class NoGpu final : public cuda::Backend {
 public:
  int64_t group_norm_scratch(const cuda::Maps&, int64_t) const override { return 1; }
  void group_norm(const cuda::GroupNormCall&, void*) const override { ++calls; }
  void add(const cuda::AddCall&, void*) const override { ++calls; }
  void gate(const cuda::GateCall&, void*) const override { ++calls; }
  void note_nonfinite(const float*, int64_t, int, int*, void*) const override {}
  std::unique_ptr<cuda::Graph> record(int, const std::function<void()>& work,
                                      const cuda::Graph*) const override {
    work();
    return std::make_unique<Nothing>();
  }
  void upload(int, const void*, void*, std::size_t) const override {}
  void give_back_memory() const override {}
  void count_waits(bool) const override {}
  int64_t waits() const override { return 0; }
  int64_t peak_memory(int) const override { return 0; }

  mutable int64_t calls = 0;

 private:
  struct Nothing final : cuda::Graph {
    void replay() override {}
  };
};

// A tensor that is left on the CPU, or a host that looks at what a GPU has, is an error there, too.
TEST(GpuOnTheMetaDevice, RecordedAndEditedEvaluationsStayThere) {
  const c10::InferenceMode inference;
  const auto* before = gpu::backend_of(test::device());
  const NoGpu kernels;
  gpu::set_backend(&kernels, at::kMeta);
  const auto half = at::TensorOptions().device(at::kMeta).dtype(at::kHalf);
  UNet unet(small_config());
  for (auto& slot : parameter_slots(*unet)) slot.bind(at::empty(slot.shape, half));
  RecordedUNet recorded(*unet);
  auto edit = column_edit_of(*swap_edit(), step_at(0), kSwapRows, kTokens);
  edit.matrices = edit.matrices.to(at::kMeta);
  const auto x = at::empty({4, 4, 16, 8}, half), context = at::empty({4, kTokens, 32}, half);
  const auto t = at::empty({1}, half.dtype(at::kFloat));
  TimeTable times({981, 1});
  PromptCache prompt, edited;
  for (int64_t step = 0; step < 4; ++step) {
    ForwardContext run;
    run.times = &times;
    run.time_row = step % 2;
    run.prompt = step < 2 ? &prompt : &edited;
    run.columns = step < 2 ? nullptr : &edit;
    const auto made = recorded.forward(x, t, context, run);
    EXPECT_EQ(made.sizes(), x.sizes()) << step;
    EXPECT_TRUE(made.is_meta()) << step;
  }
  EXPECT_GT(kernels.calls, 0);
  gpu::set_backend(before);
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
