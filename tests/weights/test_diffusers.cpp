#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "sd/core/error.h"
#include "sd/models/config.h"
#include "sd/weights/open.h"
#include "support/demo_folder.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "weights/diffusers_names.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::demo_folder;
using test::expect_error;

/// A copy of the demo model whose files can be changed.
class DemoCopy {
 public:
  DemoCopy() {
    for (const char* part : {"unet", "vae", "text_encoder", "scheduler"}) {
      fs::copy(demo_folder() / part, folder_ / part, fs::copy_options::recursive);
    }
    fs::copy_file(demo_folder() / "model_index.json", folder_ / "model_index.json");
  }

  fs::path path() const { return folder_.path(); }
  /// Sets one key of a JSON file.
  void set(const std::string& file, const std::string& key, const nlohmann::json& value) const {
    auto json = nlohmann::json::parse(test::read_text(folder_ / file));
    json[key] = value;
    test::write_text(folder_ / file, json.dump());
  }
  void expect_refused(std::string_view part, std::string_view other = "") const {
    expect_error<CheckpointError>([&] { open_model(path()); }, part, other);
  }

 private:
  test::TempFolder folder_;
};

constexpr const char* kWeights = "diffusion_pytorch_model";

TEST(DiffusersFolder, TheDemoModelIsWhatItsConfigSays) {
  const auto model = open_model(demo_folder());
  EXPECT_EQ(model.format, "diffusers");
  ASSERT_TRUE(model.config.has_value());
  EXPECT_EQ(model.config->unet.channel_mult, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(model.config->unet.num_head_channels, 32);
  EXPECT_EQ(model.config->unet.norm_groups, 16);
  EXPECT_EQ(model.config->vae.norm_groups, 8);
  EXPECT_EQ(model.config->default_pixels(), 128);
  EXPECT_EQ(model.config->scale_factor, 0.18215);
  EXPECT_EQ(detect_config(*model.tensors, *model.config), *model.config);
}

TEST(DiffusersFolder, SecondGenerationSettingsAreRead) {
  const DemoCopy copy;
  copy.set("text_encoder/config.json", "hidden_act", "gelu");
  copy.set("scheduler/scheduler_config.json", "prediction_type", "v_prediction");
  copy.set("unet/config.json", "attention_head_dim", {2, 4, 6});
  const auto config = open_model(copy.path()).config.value();
  EXPECT_EQ(config.text.activation, TextActivation::kGelu);
  EXPECT_EQ(config.text.padding, 0);
  EXPECT_EQ(config.prediction, Prediction::kVelocity);
  EXPECT_EQ(config.unet.num_head_channels, 32);
}

TEST(DiffusersFolder, ATokenizersPaddingGoesFirst) {
  const DemoCopy copy;
  const auto padding = [&] { return open_model(copy.path()).config->text.padding; };
  EXPECT_EQ(padding(), 49407);
  fs::create_directory(copy.path() / "tokenizer");
  test::write_text(copy.path() / "tokenizer/tokenizer_config.json",
                   R"({"pad_token": {"content": "!"}})");
  EXPECT_EQ(padding(), 0);
  test::write_text(copy.path() / "tokenizer/special_tokens_map.json",
                   R"({"pad_token": "<|endoftext|>"})");
  EXPECT_EQ(padding(), 49407);
}

TEST(DiffusersFolder, NamesAreThoseOfTheOriginalAtTheSameSizes) {
  // The names that the original gives a model of the demo's structure, worked out by its own loops.
  const auto model = open_model(demo_folder());
  const auto& tensors = *model.tensors;
  const std::string unet = "model.diffusion_model.";
  const auto shape = [&](const std::string& name) { return tensors.describe(name).shape; };
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(shape(unet + "input_blocks.1.0.in_layers.2.weight"), (Shape{64, 64, 3, 3}));
  EXPECT_EQ(shape(unet + "input_blocks.2.0.op.weight"), (Shape{64, 64, 3, 3}));
  EXPECT_EQ(shape(unet + "input_blocks.3.0.skip_connection.weight"), (Shape{128, 64, 1, 1}));
  EXPECT_EQ(shape(unet + "input_blocks.5.1.transformer_blocks.0.attn2.to_k.weight"),
            (Shape{192, 128}));
  EXPECT_EQ(shape(unet + "middle_block.2.out_layers.3.weight"), (Shape{192, 192, 3, 3}));
  EXPECT_EQ(shape(unet + "output_blocks.0.0.in_layers.2.weight"), (Shape{192, 384, 3, 3}));
  EXPECT_EQ(shape(unet + "output_blocks.1.2.conv.weight"), (Shape{192, 192, 3, 3}));
  EXPECT_EQ(shape(unet + "output_blocks.5.0.in_layers.2.weight"), (Shape{64, 128, 3, 3}));
  EXPECT_EQ(shape(unet + "time_embed.2.weight"), (Shape{256, 256}));
  EXPECT_EQ(shape(unet + "out.2.weight"), (Shape{4, 64, 3, 3}));
  EXPECT_EQ(shape("first_stage_model.encoder.mid.attn_1.q.weight"), (Shape{128, 128, 1, 1}));
  EXPECT_EQ(shape("first_stage_model.encoder.mid.attn_1.q.bias"), (Shape{128}));
  EXPECT_EQ(shape("first_stage_model.decoder.up.1.block.0.nin_shortcut.weight"),
            (Shape{32, 64, 1, 1}));
  EXPECT_EQ(shape("first_stage_model.decoder.up.3.upsample.conv.weight"), (Shape{128, 128, 3, 3}));
  EXPECT_EQ(shape("cond_stage_model.transformer.text_model.encoder.layers.3.mlp.fc1.weight"),
            (Shape{512, 128}));
}

TEST(DiffusersFolder, NoKeyIsLeftInDiffusersNaming) {
  const auto model = open_model(demo_folder());
  for (const auto& name : model.tensors->names()) {
    for (const char* foreign :
         {"down_blocks", "up_blocks", "mid_block.", "resnets", "attentions", "to_out.0.0",
          "conv_shortcut", "time_emb_proj", "conv_norm_out", "samplers"}) {
      EXPECT_EQ(name.find(foreign), std::string::npos) << name;
    }
  }
}

TEST(DiffusersNames, UpsamplersOfLevelsWithoutAttentionComeSecond) {
  const DiffusersNames names(
      {"down_blocks.0.resnets.1.conv1.weight", "up_blocks.1.attentions.0.norm.weight"}, {});
  EXPECT_EQ(names.unet("up_blocks.0.upsamplers.0.conv.bias").name,
            "model.diffusion_model.output_blocks.2.1.conv.bias");
  EXPECT_EQ(names.unet("up_blocks.1.upsamplers.0.conv.bias").name,
            "model.diffusion_model.output_blocks.5.2.conv.bias");
}

TEST(DiffusersNames, OldNamesOfTheVaesAttentionAreKnown) {
  const DiffusersNames names({}, {"decoder.up_blocks.3.resnets.0.conv1.weight"});
  EXPECT_EQ(names.vae("decoder.mid_block.attentions.0.query.weight").name,
            "first_stage_model.decoder.mid.attn_1.q.weight");
  EXPECT_EQ(names.vae("decoder.mid_block.attentions.0.proj_attn.bias").name,
            "first_stage_model.decoder.mid.attn_1.proj_out.bias");
  EXPECT_TRUE(names.vae("decoder.mid_block.attentions.0.query.weight").as_convolution);
  EXPECT_EQ(names.vae("decoder.up_blocks.0.resnets.2.conv_shortcut.bias").name,
            "first_stage_model.decoder.up.3.block.2.nin_shortcut.bias");
}

TEST(DiffusersNames, StrangeKeysPassThrough) {
  const DiffusersNames names({}, {});
  for (const std::string key :
       {"", "down_blocks.", "down_blocks.x.resnets.0.a", "down_blocks.99999999999.resnets.0.a",
        "up_blocks.0.what.0.a", "mid_block.resnets.-1.a", "up_blocks.0"}) {
    EXPECT_EQ(names.unet(key).name, "model.diffusion_model." + key);
  }
  EXPECT_EQ(names.vae("encoder.down_blocks.7.resnets.0.conv1.bias").name,
            "first_stage_model.encoder.down_blocks.7.resnets.0.conv1.bias");
}

TEST(DiffusersFolder, VariantsAreFound) {
  const DemoCopy copy;
  fs::rename(copy.path() / "unet/diffusion_pytorch_model.safetensors",
             copy.path() / "unet/diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(open_model(copy.path()).main_file.filename(),
            "diffusion_pytorch_model.fp16.safetensors");
  fs::rename(
      copy.path() / "unet/diffusion_pytorch_model.fp16.safetensors",
      copy.path() / "unet/diffusion_pytorch_model.bin");  // by content, whatever the name says
  EXPECT_EQ(open_model(copy.path()).main_file.filename(), "diffusion_pytorch_model.bin");
  fs::remove(copy.path() / "unet/diffusion_pytorch_model.bin");
  copy.expect_refused("unet: no weights in it");
}

TEST(DiffusersFolder, ShardsAreFoundThroughTheirIndex) {
  const DemoCopy copy;
  const auto part = copy.path() / "vae";
  fs::rename(part / "diffusion_pytorch_model.safetensors", part / "shard-1.safetensors");
  std::string tensor = "encoder.conv_in.weight";
  const auto index = [&](const nlohmann::json& file) {
    const nlohmann::json json = {{"metadata", {{"total_size", 1}}},
                                 {"weight_map", {{tensor, file}}}};
    test::write_text(part / "diffusion_pytorch_model.safetensors.index.json", json.dump());
  };
  index("shard-1.safetensors");
  EXPECT_NO_THROW(detect_config(*open_model(copy.path()).tensors, {}));
  for (const char* outside :
       {"../unet/diffusion_pytorch_model.safetensors", "/etc/passwd", "..", ""}) {
    index(outside);
    copy.expect_refused("expected a file of the same folder");
  }
  index(3);
  copy.expect_refused("names no file");
  tensor = "absent.weight";
  index("shard-1.safetensors");
  copy.expect_refused("'absent.weight' is said to lie in", "which does not hold it");
}

TEST(DiffusersFolder, TextEncoderKeysMayLackTheirFirstPart) {
  const DemoCopy copy;
  const auto path = copy.path() / "text_encoder/model.safetensors";
  auto bytes = test::read_text(path);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = length << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  std::string header = bytes.substr(8, length);
  std::size_t removed = 0;
  for (auto at = header.find("text_model."); at != std::string::npos;
       at = header.find("text_model.")) {
    header.erase(at, 11);
    removed += 11;
  }
  ASSERT_GT(removed, 0u);
  test::write_text(
      path, bytes.substr(0, 8) + header + std::string(removed, ' ') + bytes.substr(8 + length));
  EXPECT_EQ(open_model(copy.path()).tensors->names().size(),
            open_model(demo_folder()).tensors->names().size());
  EXPECT_NO_THROW(detect_config(*open_model(copy.path()).tensors, {}));
}

TEST(DiffusersFolder, ItsSchedulerSaysThatTheNoiseScheduleEndsInPureNoise) {
  const DemoCopy copy;
  EXPECT_FALSE(open_model(copy.path()).config->zero_terminal_snr);
  copy.set("scheduler/scheduler_config.json", "rescale_betas_zero_snr", true);
  EXPECT_TRUE(open_model(copy.path()).config->zero_terminal_snr);
}

TEST(DiffusersFolder, ANullMiddleIsNoneAndALeftOutOneTheUsual) {
  const DemoCopy copy;
  EXPECT_EQ(open_model(copy.path()).config->unet.middle, UNetMiddle::kFull);
  copy.set("unet/config.json", "mid_block_type", nullptr);
  EXPECT_EQ(open_model(copy.path()).config->unet.middle, UNetMiddle::kNone);
  copy.set("unet/config.json", "mid_block_type", "UNetMidBlock2DSimpleCrossAttn");
  copy.expect_refused("unet/config.json", "'mid_block_type'");
}

TEST(DiffusersFolder, SettingsThatAreNotSupportedAreRefusedByName) {
  const DemoCopy copy;
  const auto refused = [&](const std::string& file, const std::string& key,
                           const nlohmann::json& value) {
    const auto before = test::read_text(copy.path() / file);
    copy.set(file, key, value);
    copy.expect_refused(file, "'" + key + "'");
    test::write_text(copy.path() / file, before);
  };
  refused("scheduler/scheduler_config.json", "prediction_type", "sample");
  refused("scheduler/scheduler_config.json", "beta_end", 2);
  refused("text_encoder/config.json", "hidden_act", "gelu_new");
  refused("text_encoder/config.json", "hidden_size", "128");
  refused("text_encoder/config.json", "hidden_size", 1e30);
  refused("unet/config.json", "addition_embed_type", "text_time");
  refused("unet/config.json", "block_out_channels", {64, 100, 192});
  refused("unet/config.json", "block_out_channels", nlohmann::json::array());
  refused("unet/config.json", "down_block_types",
          {"CrossAttnDownBlock2D", "AttnDownBlock2D", "DownBlock2D"});
  refused("unet/config.json", "attention_head_dim", {1, 2});
  refused("vae/config.json", "shift_factor", 0.1);
  refused("vae/config.json", "scaling_factor", 0);
  refused("model_index.json", "text_encoder_2", {"transformers", "CLIPTextModelWithProjection"});
  refused("model_index.json", "unet", {"diffusers", "UNet3DConditionModel"});
}

TEST(DiffusersFolder, HeadsNamedByLevelBecomeTheirCommonWidth) {
  const DemoCopy copy;
  copy.set("unet/config.json", "attention_head_dim", {2, 4, 6});
  const auto config = open_model(copy.path()).config.value();
  EXPECT_EQ(config.unet.num_head_channels, 32);
}

TEST(DiffusersFolder, BrokenJsonIsRefused) {
  const DemoCopy copy;
  test::write_text(copy.path() / "vae/config.json", "{\"block_out_channels\": [");
  copy.expect_refused("vae/config.json", "not a JSON object");
  test::write_text(copy.path() / "vae/config.json", std::string(1'000'000, '['));
  copy.expect_refused("vae/config.json", "nested more than 64 deep");
  fs::remove(copy.path() / "vae/config.json");
  expect_error<IoError>([&] { open_model(copy.path()); }, "vae/config.json");
}

}  // namespace
}  // namespace sd
