#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/ip_adapter_file.h"
#include "support/checkpoint_writer.h"
#include "support/expect_error.h"
#include "support/ip_adapter_files.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;

class IpAdapterFiles : public testing::Test {
 protected:
  std::filesystem::path add(const std::string& name, const std::string& bytes) const {
    test::write_text(folder_ / name, bytes);
    return folder_ / name;
  }
  test::TempFolder folder_;
};

TEST_F(IpAdapterFiles, TellTheirKind) {
  const auto info = [&](const std::string& kind) {
    return open_ip_adapter(
               add(kind + ".safetensors", test::weights_file(test::adapter_shapes(kind))))
        .info;
  };
  const auto plain = info("plain"), plus = info("plus"), full = info("full");
  EXPECT_EQ(plain.kind, IpAdapterKind::kPlain);
  EXPECT_EQ(plain.tokens, 4);
  EXPECT_EQ(plain.vision, 40);
  EXPECT_EQ(plain.layers, 16);
  EXPECT_EQ(plus.kind, IpAdapterKind::kPlus);
  EXPECT_EQ(plus.tokens, 8);
  EXPECT_EQ(plus.depth, 4);
  EXPECT_EQ(plus.vision, 64);
  EXPECT_EQ(full.kind, IpAdapterKind::kFull);
}

TEST_F(IpAdapterFiles, ABinHasTwoDictionaries) {
  test::PickleWriter pickle;
  const auto tensor = [](std::vector<int64_t> shape) {
    return test::PickledTensor{"FloatStorage", "0", 16, 0, std::move(shape), {4, 1}};
  };
  pickle.op("}(").text("image_proj").op("}(").text("proj.weight").tensor(tensor({4, 4})).op("u");
  pickle.text("ip_adapter").op("}(").text("1.to_k_ip.weight").tensor(tensor({2, 4}));
  pickle.text("1.to_v_ip.weight").tensor(tensor({2, 4})).op("uu");
  test::Checkpoint checkpoint;
  checkpoint.storages = {{"0", std::string(64, '\0')}};
  const auto file =
      open_ip_adapter(add("a.bin", test::write_checkpoint(checkpoint, pickle.done())));
  EXPECT_TRUE(file.tensors->contains("ip_adapter.1.to_v_ip.weight"));
  EXPECT_EQ(file.info.tokens, 1);
  EXPECT_EQ(file.info.layers, 1);
}

TEST_F(IpAdapterFiles, DamagedOnesAreRefused) {
  const auto whole = test::weights_file(test::adapter_shapes("plain"));
  expect_error<CheckpointError>(
      [&] { open_ip_adapter(add("cut.safetensors", whole.substr(0, whole.size() - 4))); },
      "cut.safetensors", "truncated");
  auto shapes = test::adapter_shapes("plain");
  shapes["image_proj.proj.weight"] = {5, 40};
  expect_error<CheckpointError>(
      [&] { open_ip_adapter(add("odd.safetensors", test::weights_file(shapes))); },
      "makes 5 numbers");
}

TEST_F(IpAdapterFiles, ATowerTellsItsSizes) {
  test::write_tower(folder_.path());
  const auto tower = open_clip_vision(folder_ / "image_encoder").config;
  EXPECT_EQ(tower.width, 64);
  EXPECT_EQ(tower.layers, 3);
  EXPECT_EQ(tower.heads, 4);
  EXPECT_EQ(tower.patch, 14);
  EXPECT_EQ(tower.side, 224);
  EXPECT_EQ(tower.feed_forward, 96);
  EXPECT_EQ(tower.projection, 40);
  EXPECT_EQ(tower.activation, TextActivation::kGelu);
}

TEST_F(IpAdapterFiles, OpenClipsTowerGetsTransformersNames) {
  const auto tower = open_clip_vision(add("open_clip.safetensors", test::openclip_tower()));
  EXPECT_EQ(tower.config.layers, 3);
  EXPECT_EQ(tower.config.projection, 40);
  for (const auto& [name, shape] : test::tower_shapes()) {
    if (name == "visual_projection.weight") continue;
    ASSERT_TRUE(tower.tensors->contains(name)) << name;
    EXPECT_EQ(tower.tensors->describe(name).shape, shape) << name;
  }
}

TEST_F(IpAdapterFiles, ATowerLiesBesideItsAdapter) {
  const auto adapter = folder_ / "ip-adapter.safetensors";
  EXPECT_FALSE(vision_beside(adapter));
  const auto lone = add("clip_vision_h.safetensors", "x");
  EXPECT_EQ(vision_beside(adapter), lone);
  test::write_tower(folder_.path());
  EXPECT_EQ(vision_beside(adapter), folder_ / "image_encoder");
}

TEST_F(IpAdapterFiles, WhatIsNoTowerIsRefused) {
  const auto refused = [&](const test::NamedShapes& shapes, std::string_view part) {
    const auto path = add("t.safetensors", test::weights_file(shapes));
    expect_error<CheckpointError>([&] { open_clip_vision(path); }, "t.safetensors", part);
  };
  refused({{"w", {1, 1}}}, "expected CLIP's vision tower");
  auto shapes = test::tower_shapes();
  shapes["vision_model.embeddings.position_embedding.weight"] = {250, 64};
  refused(shapes, "250 places");
  shapes = test::tower_shapes();
  shapes.erase("visual_projection.weight");
  refused(shapes, "'visual_projection.weight' is missing");
  expect_error<IoError>([&] { open_clip_vision(folder_.path()); }, "a folder without");
}

TEST(BlockWeights, AreThoseOfTheWebUisExtension) {
  const auto style = block_weights(IpWeights::kStyle);
  ASSERT_EQ(style.size(), 16u);
  EXPECT_EQ(style[3], 1);
  EXPECT_EQ(style[4], 0);
  EXPECT_EQ(style[9], 1);
  const auto composition = block_weights(IpWeights::kComposition);
  EXPECT_EQ(composition[4], 0.25);
  EXPECT_EQ(composition[5], 1);
  EXPECT_EQ(composition[6], 0);
  EXPECT_DOUBLE_EQ(block_weights(IpWeights::kEaseIn)[0], 1.0);
  EXPECT_DOUBLE_EQ(block_weights(IpWeights::kEaseIn)[8], 0.05 + 0.95 * 0.5);
  EXPECT_DOUBLE_EQ(block_weights(IpWeights::kEaseOut)[8], 0.05 + 0.95 * 0.5);
  EXPECT_EQ(block_weights(IpWeights::kWeakInput)[5], 0.2);
  EXPECT_EQ(block_weights(IpWeights::kWeakMiddle)[6], 0.2);
  EXPECT_EQ(block_weights(IpWeights::kWeakOutput)[7], 0.2);
  for (const auto& name : ip_weights_names()) EXPECT_TRUE(find_ip_weights(name)) << name;
}

}  // namespace
}  // namespace sd
