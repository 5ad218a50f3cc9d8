#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <string>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/core/sha256.h"
#include "sd/models/config.h"
#include "sd/weights/open.h"
#include "weights/ckpt_source.h"
#include "weights/sniff.h"
#include "weights/tiny_tensors.h"

namespace sd {
namespace {

std::filesystem::path tiny(const std::string& extension) {
  return std::filesystem::path(SD_TEST_DATA) / ("tiny-v1" + extension);
}

TEST(TinyCheckpoint, HoldsItsTensorsUnderPublishedNames) {
  const auto model = open_model(tiny(".ckpt"));
  EXPECT_EQ(model.format, "ckpt");
  EXPECT_EQ(model.main_file, tiny(".ckpt"));
  EXPECT_FALSE(model.has_ema);
  EXPECT_FALSE(model.config.has_value());
  EXPECT_EQ(model.tensors->names().size(), 853u);
  const auto view = model.tensors->at("model.diffusion_model.input_blocks.0.0.weight");
  EXPECT_EQ(view.dtype, DType::kF16);
  EXPECT_EQ(view.shape, (std::vector<int64_t>{32, 4, 3, 3}));
  EXPECT_EQ(view.bytes.size(), 32u * 4 * 3 * 3 * 2);
  EXPECT_NE(view.mapping, nullptr);
}

TEST(TinyCheckpoint, ValuesAreThoseOfTheSchedule) {
  const auto model = open_model(tiny(".ckpt"));
  const auto view = model.tensors->at("alphas_cumprod");
  ASSERT_EQ(view.dtype, DType::kF32);
  ASSERT_EQ(view.bytes.size(), 4000u);
  float first = 0;
  std::memcpy(&first, view.bytes.data(), sizeof first);
  EXPECT_FLOAT_EQ(first, 1.0f - 0.00085f);  // 1 - linear_start
}

TEST(TinyCheckpoint, TextEncoderKeysGetTheirMiddlePartBack) {
  // This file leaves `text_model.` out of one name, as newer versions of transformers do.
  const auto model = open_model(tiny(".ckpt"));
  EXPECT_TRUE(model.tensors->contains(
      "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"));
  EXPECT_FALSE(
      model.tensors->contains("cond_stage_model.transformer.embeddings.token_embedding.weight"));
}

std::string joined(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  for (std::size_t i = 0; i < shape.size(); ++i) text << (i > 0 ? "x" : "") << shape[i];
  return text.str();
}

TEST(TinyCheckpoint, BothLayoutsHoldWhatWasWrittenOnce) {
  for (const char* layout : {".ckpt", "-diffusers"}) {
    const auto model = open_model(tiny(layout));
    for (const auto& known : test::known_tensors()) {
      const auto found = model.tensors->at(known.name);
      EXPECT_EQ(joined(found.shape), known.shape) << layout << " " << known.name;
      EXPECT_EQ(sha256_hex(found.bytes).substr(0, 16), known.hash) << layout << " " << known.name;
    }
  }
}

TEST(TinyCheckpoint, DetectionEqualsItsConfig) {
  const auto wanted = read_config(tiny(".yaml"));
  const auto model = open_model(tiny(".ckpt"));
  EXPECT_EQ(detect_config(*model.tensors, wanted), wanted);
  const auto by_weights_alone = detect_config(*model.tensors, ModelConfig{});
  EXPECT_EQ(by_weights_alone.unet, wanted.unet);
  EXPECT_EQ(by_weights_alone.vae, wanted.vae);
  EXPECT_EQ(by_weights_alone.text.feed_forward, 128);
  EXPECT_NO_THROW(check_config(wanted, by_weights_alone, "tiny-v1.yaml", "tiny-v1.ckpt"));
}

TEST(TinyCheckpoint, TheConfigOfAnotherModelIsRefusedWithBothSides) {
  const auto published = read_config(std::filesystem::path(SD_SOURCE_DIR) /
                                     "configs/stable-diffusion/v1-inference.yaml");
  const auto model = open_model(tiny(".ckpt"));
  const auto detected = detect_config(*model.tensors, published);
  try {
    check_config(published, detected, "v1-inference.yaml", "tiny-v1.ckpt");
    FAIL() << "nothing was thrown";
  } catch (const UsageError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("v1-inference.yaml does not describe tiny-v1.ckpt"), std::string::npos)
        << message;
    EXPECT_NE(message.find("unet_config.params.model_channels: 320 against 32"), std::string::npos)
        << message;
  }
}

TEST(TinyCheckpoint, EveryTruncationIsRefused) {
  const auto file = MappedFile::open(tiny(".ckpt"));
  for (std::size_t part = 0; part < 200; ++part) {
    const auto cut = file->bytes().first(file->size() * part / 200);
    EXPECT_THROW(
        {
          sniff(cut, "cut.ckpt");
          open_ckpt({cut, file}, "cut.ckpt");
        },
        CheckpointError)
        << part;
  }
}

TEST(TinyCheckpoint, EveryDamagedByteOfItsDirectoryIsRefusedOrHarmless) {
  // The zip directory and all that follows, each byte inverted in turn: an error or an open file,
  // never a crash.
  const auto file = MappedFile::open(tiny(".ckpt"));
  std::vector<std::byte> bytes(file->bytes().begin(), file->bytes().end());
  int64_t refused = 0;
  constexpr std::size_t kStep = 97;  // of some 53,000 bytes; coprime to the length of an entry
  for (std::size_t i = bytes.size() - 53'000; i < bytes.size(); i += kStep) {
    bytes[i] = ~bytes[i];
    try {
      const auto source = open_ckpt({bytes, nullptr}, "damaged.ckpt");
      for (const auto& name : source->names()) source->describe(name);
    } catch (const CheckpointError&) {
      ++refused;
    }
    bytes[i] = ~bytes[i];
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace sd
