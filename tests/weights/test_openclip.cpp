// Stable Diffusion 2's text encoder by CLIP's names, and what tells its prediction.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "support/expect_error.h"
#include "support/map_source.h"
#include "weights/openclip_names.h"
#include "weights/renamed_source.h"

namespace sd {
namespace {

using test::expect_error;
using test::MapSource;

constexpr const char* kOpen = "cond_stage_model.model.";
constexpr const char* kClip = "cond_stage_model.transformer.text_model.";
constexpr const char* kBias =
    "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";

/// A source whose tensors are float32 0, 1, 2, …, stored with the given strides.
class CountingSource final : public TensorSource {
 public:
  CountingSource(std::string name, std::vector<int64_t> shape, std::vector<int64_t> strides = {})
      : names_{std::move(name)} {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    for (int64_t i = 0; i < count; ++i) values_.push_back(static_cast<float>(i));
    view_.shape = std::move(shape);
    view_.strides = std::move(strides);
    view_.bytes = std::as_bytes(std::span(values_));
  }
  const std::vector<std::string>& names() const override { return names_; }
  bool contains(std::string_view name) const override { return name == names_[0]; }
  TensorView at(std::string_view) const override { return view_; }
  const std::string& label() const override { return label_; }

 private:
  std::string label_ = "a model";
  std::vector<std::string> names_;
  std::vector<float> values_;
  TensorView view_;
};

std::vector<float> floats(const TensorView& view) {
  std::vector<float> values(view.bytes.size() / sizeof(float));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

/// Layers 0, 1, … of width 4.
MapSource encoder(int layers) {
  MapSource source;
  source.set(std::string(kOpen) + "token_embedding.weight", {49408, 4});
  source.set(std::string(kOpen) + "positional_embedding", {77, 4});
  source.set(std::string(kOpen) + "text_projection", {4, 4});
  source.set(std::string(kOpen) + "ln_final.bias", {4});
  for (int i = 0; i < layers; ++i) {
    const auto layer = std::string(kOpen) + "transformer.resblocks." + std::to_string(i) + ".";
    source.set(layer + "attn.in_proj_weight", {12, 4});
    source.set(layer + "attn.in_proj_bias", {12});
    source.set(layer + "attn.out_proj.weight", {4, 4});
    source.set(layer + "ln_2.weight", {4});
    source.set(layer + "mlp.c_fc.weight", {16, 4});
    source.set(layer + "mlp.c_proj.bias", {4});
  }
  return source;
}

TEST(OpenClip, TakesClipsNames) {
  const auto renamed = with_clip_names(std::make_unique<MapSource>(encoder(3)));
  const auto shape = [&](const std::string& name) { return renamed->at(kClip + name).shape; };
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(shape("embeddings.token_embedding.weight"), (Shape{49408, 4}));
  EXPECT_EQ(shape("embeddings.position_embedding.weight"), (Shape{77, 4}));
  EXPECT_EQ(shape("final_layer_norm.bias"), (Shape{4}));
  EXPECT_EQ(shape("encoder.layers.1.self_attn.v_proj.weight"), (Shape{4, 4}));
  EXPECT_EQ(shape("encoder.layers.1.self_attn.k_proj.bias"), (Shape{4}));
  EXPECT_EQ(shape("encoder.layers.0.self_attn.out_proj.weight"), (Shape{4, 4}));
  EXPECT_EQ(shape("encoder.layers.0.layer_norm2.weight"), (Shape{4}));
  EXPECT_EQ(shape("encoder.layers.0.mlp.fc1.weight"), (Shape{16, 4}));
  EXPECT_EQ(shape("encoder.layers.0.mlp.fc2.bias"), (Shape{4}));
}

TEST(OpenClip, TheLastLayerKeepsItsName) {
  const auto renamed = with_clip_names(std::make_unique<MapSource>(encoder(3)));
  EXPECT_FALSE(renamed->contains(std::string(kClip) + "encoder.layers.2.layer_norm2.weight"));
  EXPECT_TRUE(renamed->contains(std::string(kOpen) + "transformer.resblocks.2.ln_2.weight"));
}

TEST(OpenClip, ConvertedFilesHaveLeftTheLastLayerOut) {
  auto source = encoder(23);
  source.set(std::string(kOpen) + "token_embedding.weight", {49408, 1024});
  const auto renamed = with_clip_names(std::make_unique<MapSource>(source));
  EXPECT_TRUE(renamed->contains(std::string(kClip) + "encoder.layers.22.layer_norm2.weight"));
}

TEST(OpenClip, OtherModelsAreLeftAlone) {
  auto source = std::make_unique<MapSource>();
  source->set(std::string(kClip) + "final_layer_norm.bias", {4});
  const auto* before = source.get();
  EXPECT_EQ(with_clip_names(std::move(source)).get(), before);
}

TEST(OpenClip, HostileLayerNumbersAreLeftAlone) {
  auto source = encoder(2);
  source.set(std::string(kOpen) + "transformer.resblocks.9223372036854775807.ln_1.weight", {4});
  source.set(std::string(kOpen) + "transformer.resblocks.-1.ln_1.weight", {4});
  source.set(std::string(kOpen) + "transformer.resblocks.", {4});
  const auto renamed = with_clip_names(std::make_unique<MapSource>(source));
  EXPECT_TRUE(renamed->contains(std::string(kClip) + "encoder.layers.0.layer_norm2.weight"));
}

std::unique_ptr<TensorSource> thirds(std::unique_ptr<TensorSource> source) {
  std::vector<RenamedTensor> parts;
  const auto name = source->names().front();
  for (int64_t i = 0; i < 3; ++i) parts.push_back({std::to_string(i), 0, name, false, i, 3});
  std::vector<std::unique_ptr<TensorSource>> sources;
  sources.push_back(std::move(source));
  return rename_tensors("a model", std::move(sources), std::move(parts));
}

TEST(RenamedSource, PartsAreViewsOfTheirRows) {
  auto source = std::make_unique<CountingSource>("fused", std::vector<int64_t>{6, 2});
  const auto whole = source->at("fused");
  const auto split = thirds(std::move(source));
  const auto part = split->at("1");
  EXPECT_EQ(part.shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(floats(part), (std::vector<float>{4, 5, 6, 7}));
  EXPECT_EQ(part.bytes.data(), whole.bytes.data() + 4 * sizeof(float));
}

TEST(RenamedSource, PartsOfATransposedTensorKeepItsStrides) {
  // [6,2] stored column by column: row i, column j at i + 6 j.
  const auto split = thirds(std::make_unique<CountingSource>("fused", std::vector<int64_t>{6, 2},
                                                             std::vector<int64_t>{1, 6}));
  const auto part = split->at("2");
  EXPECT_EQ(part.strides, (std::vector<int64_t>{1, 6}));
  EXPECT_EQ(floats(part), (std::vector<float>{4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST(RenamedSource, WhatHasNoEqualPartsIsRefused) {
  const auto split = thirds(std::make_unique<CountingSource>("fused", std::vector<int64_t>{4, 2}));
  expect_error<CheckpointError>([&] { split->at("0"); }, "'fused' has shape [4, 2]", "3 equal");
  const auto scalar = thirds(std::make_unique<CountingSource>("fused", std::vector<int64_t>{}));
  expect_error<CheckpointError>([&] { scalar->describe("0"); }, "'fused' has shape []");
}

/// Half-precision values of that deviation, half of them negative.
class BiasSource final : public TensorSource {
 public:
  explicit BiasSource(uint16_t half_bits) {
    for (int i = 0; i < 320; ++i) values_.push_back(half_bits | (i % 2 ? 0x8000 : 0));
  }
  const std::vector<std::string>& names() const override { return names_; }
  bool contains(std::string_view name) const override { return name == kBias; }
  TensorView at(std::string_view) const override {
    TensorView view;
    view.dtype = DType::kF16;
    view.shape = {320};
    view.bytes = std::as_bytes(std::span(values_));
    return view;
  }
  const std::string& label() const override { return names_[0]; }

 private:
  std::vector<std::string> names_{kBias};
  std::vector<uint16_t> values_;
};

/// Linear projections and OpenCLIP's text encoder.
ModelConfig second_generation() {
  ModelConfig config;
  config.text = openclip_text();
  config.unet.use_linear_in_transformer = true;
  return config;
}

TEST(FindPrediction, LinearProjectionsAloneAreNoSecondGeneration) {
  ModelConfig config;
  config.unet.use_linear_in_transformer = true;
  EXPECT_EQ(find_prediction(BiasSource(0x2E00), config).prediction, Prediction::kNoise);
  EXPECT_FALSE(find_prediction(BiasSource(0x2E00), config).assumed);
}

TEST(FindPrediction, OfTheSecondGenerationOneBiasTells) {
  auto config = second_generation();
  const BiasSource narrow(0x2D9A), wide(0x2E00);  // 0.0875, 0.09375
  EXPECT_EQ(find_prediction(narrow, config).prediction, Prediction::kNoise);
  EXPECT_EQ(find_prediction(wide, config).prediction, Prediction::kVelocity);
  EXPECT_TRUE(find_prediction(narrow, config).assumed);
  EXPECT_TRUE(find_prediction(wide, config).assumed);
}

TEST(FindPrediction, WhatIsSaidGoesFirst) {
  auto config = second_generation();
  config.prediction = Prediction::kNoise;
  EXPECT_EQ(find_prediction(BiasSource(0x2E00), config).prediction, Prediction::kNoise);
  EXPECT_FALSE(find_prediction(BiasSource(0x2E00), config).assumed);
}

TEST(FindPrediction, TheFirstGenerationPredictsNoise) {
  const auto found = find_prediction(BiasSource(0x2E00), {});
  EXPECT_EQ(found.prediction, Prediction::kNoise);
  EXPECT_FALSE(found.assumed);
}

TEST(FindPrediction, InpaintingModelsOfTheSecondGenerationPredictNoise) {
  auto config = second_generation();
  config.unet.in_channels = 9;
  EXPECT_EQ(find_prediction(BiasSource(0x2E00), config).prediction, Prediction::kNoise);
}

}  // namespace
}  // namespace sd
