// ControlNets and T2I-Adapters against what diffusers makes of the same weights
// (tests/data/control-nets.safetensors, written by tests/tools/make_control_net_values.py).
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/models/control_net.h"
#include "sd/models/latent_diffusion.h"
#include "sd/models/t2i_adapter.h"
#include "sd/pipeline/control_net.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "support/control_net_files.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"
#include "support/temp_folder.h"
#include "weights/diffusers_names.h"

namespace sd {
namespace {

using test::drawn_weight;
using test::expect_error;
using test::family_model;
using test::Golden;
using test::load_tensors;
using test::net_tensors;
using test::relative_difference;
using test::TempFolder;
using test::Tensors;
using test::TinyFamily;
using test::write_tensors;

// As of test_families.cpp.
constexpr double kTolerance = 1e-4;
constexpr const char* kPrompt = "a red circle above a blue square";

/// A T2I-Adapter, drawn as the Python script draws one of that name.
Tensors adapter_tensors(const std::string& net, const T2IAdapterConfig& config) {
  Tensors tensors;
  T2IAdapter module(config);
  for (const auto& slot : parameter_slots(*module))
    tensors.emplace_back(slot.name, drawn_weight(net + slot.name, slot.shape));
  return tensors;
}

T2IAdapterConfig full_adapter() {
  T2IAdapterConfig config;
  config.first = 32;
  config.levels = {{{.in = 32, .out = 32}, {.in = 32, .out = 32}},
                   {{.in = 32, .out = 64, .in_kernel = 1, .halves = true}, {.in = 64, .out = 64}}};
  return config;
}

T2IAdapterConfig light_adapter() {
  T2IAdapterConfig config;
  config.unshuffled = 192;
  config.light = {{192, 8, 32, 2}, {32, 16, 64, 2}};
  return config;
}

/// The ramps of test_families.cpp, [1,3,64,64] in [0,1].
torch::Tensor picture() {
  auto values = torch::empty({1, 3, 64, 64});
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < 64; ++y) {
      for (int64_t x = 0; x < 64; ++x)
        values[0][c][y][x] = static_cast<float>((4 * x + 2 * y * c) % 256) / 255.0F;
    }
  }
  return values;
}

/// As the Python script's second_picture.
torch::Tensor second_picture() {
  auto values = 1.0 - picture().flip({3});
  values.narrow(2, 8, 32).narrow(3, 16, 32).fill_(-1.0);
  return values;
}

ControlUse use_of(std::shared_ptr<const LoadedControl> net, ControlStrength strength = {}) {
  return {std::move(net), picture(), strength};
}

Txt2ImgRequest request_with(std::vector<ControlUse> controls) {
  Txt2ImgRequest request;
  request.negative_prompt = "blurry";
  request.width = request.height = 64;
  request.steps = 5;
  request.guidance_scale = 7.5;
  request.start_latents = Golden("families/v1-velocity.safetensors")["latents"][0].narrow(0, 0, 1);
  request.decode = false;
  request.prompts = {kPrompt};
  request.controls = std::move(controls);
  return request;
}

torch::Tensor latents_of(const LoadedModel& model, Txt2ImgRequest request) {
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  return txt2img(model, request, unused).latents;
}

torch::Tensor latents_of(TinyFamily family, std::vector<ControlUse> controls) {
  return latents_of(family_model(family), request_with(std::move(controls)));
}

/// Latents after two and after five steps against the script's.
void expect_as_diffusers(TinyFamily family, std::vector<ControlUse> controls,
                         const std::string& name) {
  auto request = request_with(std::move(controls));
  test::Recorded recorded(request);
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  txt2img(family_model(family), request, unused);
  const auto expected = Golden("control-nets.safetensors")[name];
  ASSERT_EQ(recorded.latents.size(), 6U);
  EXPECT_LT(relative_difference(recorded.latents[2], expected.narrow(0, 0, 1)), kTolerance);
  EXPECT_LT(relative_difference(recorded.latents[5], expected.narrow(0, 1, 1)), kTolerance);
}

constexpr auto kV1 = TinyFamily::kV1Velocity;

const std::shared_ptr<const LoadedControl>& first_net() {
  static const auto net = load_tensors(kV1, net_tensors(kV1, "first."));
  return net;
}

TEST(ControlNet, OneIsEqual) {
  expect_as_diffusers(kV1, {use_of(first_net(), {.weight = 0.8})}, "one");
}

TEST(ControlNet, TwoAddUpWithTheirWeights) {
  auto second = use_of(load_tensors(kV1, net_tensors(kV1, "second.")), {.weight = 0.6});
  second.picture = second_picture();
  expect_as_diffusers(kV1, {use_of(first_net()), second}, "two");
}

TEST(ControlNet, ActsInItsShareOfTheSteps) {
  expect_as_diffusers(kV1, {use_of(first_net(), {.begin = 0.2, .end = 0.6})}, "window");
}

TEST(ControlNet, AShuffleNetIsAveragedAndSparesUnconditionalRows) {
  const auto net =
      load_tensors(kV1, net_tensors(kV1, "first."), "control_v11e_sd15_Shuffle.safetensors");
  EXPECT_TRUE(net->pools);
  expect_as_diffusers(kV1, {use_of(net)}, "pooled");
}

TEST(ControlNet, ControlModeIsTheOriginalsGuessMode) {
  expect_as_diffusers(kV1, {use_of(first_net(), {.mode = ControlMode::kControl})}, "control");
}

TEST(ControlNet, PromptModeSoftensAllRows) {
  expect_as_diffusers(kV1, {use_of(first_net(), {.mode = ControlMode::kPrompt})}, "prompt");
}

TEST(ControlNet, OfStableDiffusion2IsEqual) {
  const auto net = load_tensors(TinyFamily::kV2, net_tensors(TinyFamily::kV2, "first."));
  expect_as_diffusers(TinyFamily::kV2, {use_of(net)}, "v2");
}

TEST(T2IAdapter, FullIsEqual) {
  const auto net = load_tensors(kV1, adapter_tensors("full.", full_adapter()));
  ASSERT_NE(net->adapter, nullptr);
  EXPECT_EQ(net->adapter->config(), full_adapter());
  expect_as_diffusers(kV1, {use_of(net, {.weight = 0.7})}, "full");
}

TEST(T2IAdapter, LightIsEqual) {
  const auto net = load_tensors(kV1, adapter_tensors("light.", light_adapter()));
  EXPECT_EQ(net->adapter->config(), light_adapter());
  expect_as_diffusers(kV1, {use_of(net)}, "light");
}

TEST(T2IAdapter, DiffusersNamesAreRead) {
  const auto own = load_tensors(kV1, adapter_tensors("full.", full_adapter()));
  Tensors tensors;
  for (const auto& [name, tensor] : adapter_tensors("full.", full_adapter())) {
    std::string key = name;
    if (name.starts_with("body.")) {
      const int block = name[5] - '0';
      const auto leaf = name.substr(7);
      key = "body." + std::to_string(block / 2) + "." +
            (leaf.starts_with("in_conv") ? leaf
                                         : "resnets." + std::to_string(block % 2) + "." + leaf);
    }
    tensors.emplace_back("adapter." + key, tensor);
  }
  const auto other = load_tensors(kV1, tensors);
  EXPECT_TRUE(at::equal(latents_of(kV1, {use_of(own)}), latents_of(kV1, {use_of(other)})));
}

/// cldm's name as diffusers has it.
std::string diffusers_name(const std::string& name) {
  const DiffusersKeys keys(family_model(kV1).config);
  if (name.starts_with("zero_convs."))
    return "controlnet_down_blocks." + name.substr(11, 2) + name.substr(15);
  if (name.starts_with("middle_block_out.0.")) return "controlnet_mid_block." + name.substr(19);
  if (!name.starts_with("input_hint_block.")) return keys.of("model.diffusion_model." + name)->key;
  const auto dot = name.find('.', 17);
  const int place = std::stoi(name.substr(17, dot - 17)) / 2;
  const auto layer = place == 0   ? std::string("conv_in")
                     : place == 7 ? std::string("conv_out")
                                  : "blocks." + std::to_string(place - 1);
  return "controlnet_cond_embedding." + layer + name.substr(dot);
}

TEST(ControlNet, DiffusersNamesAreRead) {
  Tensors tensors;
  for (const auto& [name, tensor] : net_tensors(kV1, "first."))
    tensors.emplace_back(diffusers_name(name), tensor);
  const auto other = load_tensors(kV1, tensors);
  EXPECT_TRUE(at::equal(latents_of(kV1, {use_of(first_net())}), latents_of(kV1, {use_of(other)})));
}

TEST(ControlNet, AFileOfTheOriginalRepositoryHoldsAModelBesideTheNet) {
  Tensors tensors = {{"model.diffusion_model.out.2.weight", torch::ones({4, 32, 3, 3})},
                     {"first_stage_model.quant_conv.weight", torch::ones({8, 8, 1, 1})}};
  for (const auto& [name, tensor] : net_tensors(kV1, "first."))
    tensors.emplace_back("control_model." + name, tensor);
  const auto other = load_tensors(kV1, tensors);
  EXPECT_TRUE(at::equal(latents_of(kV1, {use_of(first_net())}), latents_of(kV1, {use_of(other)})));
}

/// A model whose files stay, for nets that are made over its weights.
class ControlNetOverUNet : public testing::Test {
 protected:
  void SetUp() override {
    LoadRequest request;
    request.checkpoint = folder_ / "model.safetensors";
    request.dtype = DTypeChoice::kF32;
    request.device = test::device_choice();
    request.prediction = Prediction::kVelocity;
    test::write_family(kV1, request.checkpoint);
    model_ = load_model(request);
  }

  /// The model's own tensor in the place of one of a net's; undefined where it has none.
  static torch::Tensor base_of(const std::string& name, const torch::Tensor& like) {
    const bool shared = name.starts_with("time_embed.") || name.starts_with("input_blocks.") ||
                        name.starts_with("middle_block.");
    return shared ? drawn_weight("model.diffusion_model." + name, like.sizes().vec())
                  : torch::Tensor();
  }

  torch::Tensor drawn_by(const Tensors& tensors, const char* name) {
    write_tensors(folder_ / name, tensors);
    return latents_of(model_, request_with({use_of(load_control_net(folder_ / name, model_))}));
  }

  TempFolder folder_;
  LoadedModel model_;
};

TEST_F(ControlNetOverUNet, ADifferenceIsAddedToTheModelsWeights) {
  Tensors difference = {{"difference", torch::zeros({1})}};
  for (const auto& [name, tensor] : net_tensors(kV1, "first.")) {
    const auto base = base_of(name, tensor);
    difference.emplace_back("control_model." + name, base.defined() ? tensor - base : tensor);
  }
  const auto whole = drawn_by(net_tensors(kV1, "first."), "whole.safetensors");
  EXPECT_LT(relative_difference(drawn_by(difference, "difference.safetensors"), whole), 1e-5);
}

TEST_F(ControlNetOverUNet, AControlLorasProductsAreAddedToTheModelsWeights) {
  Tensors lora = {{"lora_controlnet", torch::zeros({1})}}, whole;
  for (const auto& [name, tensor] : net_tensors(kV1, "first.")) {
    const auto base = base_of(name, tensor);
    const bool factors = base.defined() && tensor.dim() > 1;
    if (!factors) {
      whole.emplace_back(name, base.defined() ? base : tensor);
      if (!base.defined() || name.ends_with("in_layers.2.bias")) lora.emplace_back(whole.back());
      continue;
    }
    constexpr int64_t kRank = 3;
    const auto stem = name.substr(0, name.size() - std::string("weight").size());
    auto down_shape = tensor.sizes().vec();
    down_shape[0] = kRank;
    const auto up = 0.1 * drawn_weight("up." + name, {tensor.size(0), kRank});
    const auto down = drawn_weight("down." + name, down_shape);
    lora.emplace_back(stem + "up", up);
    lora.emplace_back(stem + "down", down);
    whole.emplace_back(name, base + at::mm(up, down.flatten(1)).reshape(tensor.sizes()));
  }
  const auto expected = drawn_by(whole, "whole.safetensors");
  EXPECT_TRUE(at::equal(drawn_by(lora, "lora.safetensors"), expected));
}

TEST(ControlNet, WeightZeroIsNone) {
  const auto none = latents_of(kV1, {});
  EXPECT_TRUE(at::equal(latents_of(kV1, {use_of(first_net(), {.weight = 0})}), none));
  EXPECT_FALSE(at::equal(latents_of(kV1, {use_of(first_net(), {.weight = 0.1})}), none));
}

/// Rows of a batch differ in their latents, so nothing is computed once for them.
TEST(ControlNet, EachSampleOfABatchIsTheOneDrawnAlone) {
  auto request = request_with({use_of(first_net())});
  const auto both = Golden("families/v1-velocity.safetensors")["latents"][0];
  request.start_latents = both;
  request.prompts = {kPrompt, kPrompt};
  const auto together = latents_of(family_model(kV1), request);
  request.prompts = {kPrompt};
  for (int64_t i = 0; i < 2; ++i) {
    request.start_latents = both.narrow(0, i, 1);
    const auto alone = latents_of(family_model(kV1), request);
    EXPECT_LT(relative_difference(together.narrow(0, i, 1), alone), 1e-5) << i;
  }
}

/// The source of a swap is the picture of its prompt alone, under a net too.
TEST(ControlNet, BothBranchesOfASwapAreShownThePicture) {
  SwapRequest swap;
  static_cast<DrawSettings&>(swap) = request_with({use_of(first_net())});
  swap.targets = {{"a green circle above a blue square"}};
  swap.source = {kPrompt};
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  const auto drawn = draw_swap(family_model(kV1), swap, unused);
  const auto alone = latents_of(kV1, {use_of(first_net())});
  EXPECT_LT(relative_difference(drawn.source.latents, alone), 1e-5);
}

TEST(ControlNet, AnInpaintingModelsNetSeesTheLatents) {
  const auto& model = family_model(TinyFamily::kV1Inpainting);
  const TempFolder folder;
  write_tensors(folder / "net.safetensors", net_tensors(TinyFamily::kV1Inpainting, "first."));
  auto request = request_with({use_of(load_control_net(folder / "net.safetensors", model))});
  const auto with = latents_of(model, request);
  request.controls.clear();
  EXPECT_FALSE(at::equal(with, latents_of(model, request)));
}

TEST(ControlNet, DeepCacheIsRefused) {
  auto request = request_with({use_of(first_net())});
  request.deepcache = 2;
  expect_error<UsageError>([&] { latents_of(family_model(kV1), request); }, "deepcache",
                           "control net");
}

TEST(ControlNet, AWeightThatIsNoNumberIsRefused) {
  const auto bad = use_of(first_net(), {.weight = std::numeric_limits<double>::quiet_NaN()});
  expect_error<UsageError>([&] { latents_of(kV1, {bad}); }, "weight nan");
}

}  // namespace
}  // namespace sd
