// Training beside tiny-v1 against PyTorch (tests/tools/make_training_values.py).
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "sd/core/error.h"
#include "sd/diffusion/schedule.h"
#include "sd/text/embedded_words.h"
#include "support/expect_error.h"
#include "trainer/adapter_fixture.h"
#include "trainer/adapter_training.h"
#include "trainer/lora_layers.h"
#include "trainer/optimizer.h"

namespace sd::train {
namespace {

using test::expect_error;
using test::Golden;
using test::relative_difference;

constexpr double kTolerance = 1e-4;  // of the largest value

LoraSettings all_layers() {
  LoraSettings settings;
  settings.rank = 2;
  settings.alpha = 3;
  settings.text_encoder = settings.convolutions = true;
  return settings;
}

NoisyBatch batch_of(const Golden& golden) {
  NoisyBatch batch;
  batch.pictures = {0, 1};
  batch.dropped = {false, false};
  batch.t = golden["t"];
  batch.target = golden["noise"];
  batch.weight = at::ones({2});
  const auto alphas = at::tensor(NoiseSchedule::sqrt_linear(0.00085, 0.012, 1000).alphas_cumprod,
                                 at::TensorOptions().dtype(at::kDouble))
                          .index_select(0, batch.t)
                          .view({-1, 1, 1, 1});
  batch.x = alphas.sqrt() * golden["z"] + (1 - alphas).sqrt() * golden["noise"];
  batch.x = batch.x.to(at::kFloat);
  return batch;
}

/// The parameters' views of a flat tensor by name, as the reference orders them.
std::map<std::string, torch::Tensor> by_name(FlatParameters& parameters,
                                             const torch::Tensor& flat) {
  std::map<std::string, torch::Tensor> views;
  for (const auto& entry : parameters.entries())
    views[entry.name] = FlatParameters::view(flat, entry);
  return views;
}

/// Norms and products with `first`, [P] each.
std::pair<torch::Tensor, torch::Tensor> summed(const std::map<std::string, torch::Tensor>& views,
                                               const std::map<std::string, torch::Tensor>& first) {
  std::vector<float> norms, products;
  for (const auto& [name, value] : views) {
    norms.push_back(value.norm().item<float>());
    products.push_back((value * first.at(name)).sum().item<float>());
  }
  return {at::tensor(norms), at::tensor(products)};
}

TEST(AdapterValues, ALoraLearnsAsInPyTorch) {
  const Golden golden("goldens/training.safetensors");
  auto model = frozen_tiny_model();
  LoraFactors factors(lora_targets(*model.model, all_layers()), all_layers(), torch::kCPU);
  auto& parameters = factors.parameters();
  auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  std::map<std::string, torch::Tensor> first;
  {
    const c10::AutoGradMode no_gradients(false);
    for (auto& [name, value] : by_name(parameters, parameters.values())) {
      value.copy_(0.05 * at::randn(value.sizes(), generator));
      first[name] = value.clone();
    }
  }
  ASSERT_EQ(static_cast<int64_t>(first.size()), golden["gradient_norms"].size(0));

  OptimizerSettings settings;
  settings.beta2 = 0.999;
  Optimizer optimizer(parameters, settings);
  const auto batch = batch_of(golden);
  const std::vector<std::string> captions = {"a red circle above a blue square", "a cat"};
  const auto ids = caption_ids(model, *model.tokenizer, captions);
  std::vector<float> losses;
  for (int step = 0; step < 3; ++step) {
    torch::Tensor loss;
    {
      const auto additions = factors.additions(torch::kFloat);
      const AddingToLayers adding(additions, {{1.0}});
      loss = denoising_loss(batch, predict_noise(model, batch, model.model->text->forward(ids)), 2);
    }
    loss.backward();
    losses.push_back(loss.item<float>());
    if (step == 0) {
      const auto [norms, products] = summed(by_name(parameters, parameters.gradients()), first);
      EXPECT_LT(relative_difference(norms, golden["gradient_norms"]), kTolerance);
      EXPECT_LT(relative_difference(products, golden["gradient_products"]), kTolerance);
    }
    optimizer.step(1e-3);
  }
  EXPECT_LT(relative_difference(at::tensor(losses), golden["losses"]), kTolerance);
  const auto [norms, products] = summed(by_name(parameters, parameters.values().detach()), first);
  EXPECT_LT(relative_difference(norms, golden["value_norms"]), kTolerance);
  EXPECT_LT(relative_difference(products, golden["value_products"]), kTolerance);
}

TEST(AdapterValues, AWordsVectorsHavePyTorchsGradient) {
  const Golden golden("goldens/training.safetensors");
  auto model = frozen_tiny_model();
  WordEmbedding word;
  word.name = "<toy>";
  word.vectors = 2;
  word.width = 32;
  for (int64_t i = 0; i < 64; ++i)
    word.values.push_back(static_cast<float>((i * 7919 + 13) % 1021 - 510) / 1024);
  const EmbeddedWords words(model.tokenizer, {word});
  const auto vectors = at::tensor(word.values).view({2, 32}).requires_grad_();
  const std::vector<std::string> captions = {"a photo of a <toy> on a table", "a <toy>"};
  const auto context = model.model->text->forward(caption_ids(model, words, captions), at::kFloat,
                                                  0, {vectors, words.first_id()});
  const auto batch = batch_of(golden);
  const auto loss = denoising_loss(batch, predict_noise(model, batch, context), 2);
  loss.backward();
  EXPECT_LT(relative_difference(loss.detach().view({1}), golden["word_loss"]), kTolerance);
  EXPECT_LT(relative_difference(vectors.grad(), golden["word_gradient"]), kTolerance);
}

TEST(LoraTargets, AreThoseOfKohyasFiles) {
  auto model = frozen_tiny_model();
  const auto names = [&](const LoraSettings& settings) {
    std::vector<std::string> found;
    for (const auto& target : lora_targets(*model.model, settings)) found.push_back(target.name);
    std::ranges::sort(found);
    return found;
  };
  const auto has = [](const std::vector<std::string>& all, const char* name) {
    return std::ranges::find(all, name) != all.end();
  };
  LoraSettings settings;
  settings.targets = LoraTargets::kAttention;
  const auto attention = names(settings);
  EXPECT_EQ(attention.size(), 16u * 8);  // transformers of the tiny model
  EXPECT_TRUE(has(attention, "lora_unet_up_blocks_2_attentions_1_transformer_blocks_0_attn2_to_k"));
  EXPECT_TRUE(
      has(attention, "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0"));
  settings.targets = LoraTargets::kAll;
  const auto all = names(settings);
  EXPECT_EQ(all.size(), 16u * 12);
  EXPECT_TRUE(has(all, "lora_unet_down_blocks_0_attentions_0_proj_in"));
  EXPECT_TRUE(has(all, "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj"));
  settings.convolutions = settings.text_encoder = true;
  const auto more = names(settings);
  for (const char* name :
       {"lora_unet_down_blocks_1_downsamplers_0_conv", "lora_unet_up_blocks_0_upsamplers_0_conv",
        "lora_unet_mid_block_resnets_0_time_emb_proj",
        "lora_unet_up_blocks_2_resnets_0_conv_shortcut",
        "lora_te_text_model_encoder_layers_1_mlp_fc2",
        "lora_te_text_model_encoder_layers_0_self_attn_out_proj"})
    EXPECT_TRUE(has(more, name)) << name;
}

TEST(LoraTargets, ARankAboveALayersWidthIsRefused) {
  auto model = frozen_tiny_model();
  LoraSettings settings;
  settings.rank = 33;
  expect_error<UsageError>([&] { lora_targets(*model.model, settings); }, "--rank 33", "lora_unet_",
                           "32 or less");
}

TEST(LoraFactors, BeginWithoutEffect) {
  auto model = frozen_tiny_model();
  LoraFactors factors(lora_targets(*model.model, {}), {}, torch::kCPU);
  for (auto& [name, value] : by_name(factors.parameters(), factors.parameters().values())) {
    const double most = value.abs().max().item<double>();
    if (name.ends_with("up.weight")) {
      EXPECT_EQ(most, 0) << name;
      continue;
    }
    EXPECT_NEAR(most, 1 / std::sqrt(static_cast<double>(value[0].numel())), 0.05) << name;
  }
}

TEST(FrozenModel, ModelsThatTakeMoreThanLatentsAreRefused) {
  ModelConfig config;
  require_trainable(config, "model");
  config.unet.in_channels = 9;
  expect_error<UsageError>([&] { require_trainable(config, "model.ckpt"); }, "model.ckpt",
                           "inpainting");
  config.unet.in_channels = 8;
  expect_error<UsageError>([&] { require_trainable(config, "model.ckpt"); }, "InstructPix2Pix");
  config.unet.in_channels = 4;
  config.unet.time_cond_width = 256;
  expect_error<UsageError>([&] { require_trainable(config, "model.ckpt"); }, "latent consistency");
}

TEST(CaptionContexts, ADroppedCaptionIsTheEmptyOne) {
  auto model = frozen_tiny_model();
  AdapterPictures pictures;
  pictures.data.captions = {"a cat", "a dog"};
  pictures.prior.captions = {"a bird"};
  const CaptionContexts contexts(model, pictures);
  NoisyBatch batch;
  batch.pictures = {2, 1, 0};
  batch.dropped = {false, true, false};
  const auto found = contexts.of(batch);
  const auto expected =
      model.model->text->forward(caption_ids(model, *model.tokenizer, {"a bird", "", "a cat"}));
  EXPECT_LT(relative_difference(found, expected), 1e-6);
}

}  // namespace
}  // namespace sd::train
