#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "sd/weights/summary.h"
#include "sd/weights/write_safetensors.h"
#include "support/demo_folder.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

int64_t parameters_of(const ModelSummary& summary, std::string_view part) {
  for (const auto& found : summary.parts) {
    if (found.name == part) return found.parameters;
  }
  return -1;
}

TEST(DescribeModel, CountsACheckpointByParts) {
  const auto summary = describe_model(std::filesystem::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  EXPECT_EQ(summary.format, "ckpt");
  EXPECT_EQ(summary.family, "Stable Diffusion v1");
  EXPECT_EQ(summary.problem, "");
  EXPECT_EQ(summary.tensors, 853);
  EXPECT_EQ(summary.dtypes.at("F16"), 840);
  EXPECT_EQ(summary.dtypes.at("F32"), 12);  // the schedule's buffers
  EXPECT_EQ(summary.dtypes.at("I64"), 1);   // position_ids
  EXPECT_EQ(parameters_of(summary, "other"), 12 * 1000);
  EXPECT_FALSE(summary.has_ema);
  EXPECT_TRUE(summary.missing.empty());
  EXPECT_TRUE(summary.unexpected.empty());
  ASSERT_TRUE(summary.config.has_value());
  EXPECT_EQ(summary.config->unet.model_channels, 32);
}

TEST(DescribeModel, NamesWhatIsMissingAndWhatIsUnexpected) {
  const test::TempFolder folder;
  const auto model = open_model(std::filesystem::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  const std::string absent = "model.diffusion_model.out.0.bias";
  const auto path = folder / "cut.safetensors";
  std::vector<NamedTensor> tensors;
  for (const auto& name : model.tensors->names()) {
    tensors.push_back(
        {name == absent ? "model.diffusion_model.strange" : name, model.tensors->at(name)});
  }
  write_safetensors(path, tensors);
  const auto summary = describe_model(path);
  EXPECT_EQ(summary.missing, (std::vector{absent}));
  EXPECT_EQ(summary.unexpected, (std::vector<std::string>{"model.diffusion_model.strange"}));
  EXPECT_EQ(summary.problem, "1 tensor is missing");
}

TEST(DescribeModel, DescribesADiffusersFolder) {
  const auto summary = describe_model(test::demo_folder());
  EXPECT_EQ(summary.format, "diffusers");
  EXPECT_EQ(summary.problem, "");
  EXPECT_EQ(parameters_of(summary, "UNet"), 11'159'620);
  EXPECT_EQ(summary.main_file.filename(), "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(summary.config->unet.norm_groups, 16);
}

TEST(DescribeModel, DescribesWhatCannotBeDrawnFrom) {
  const test::TempFolder folder;
  const auto path = folder / "style.safetensors";
  test::write_text(
      path,
      test::write_safetensors(
          R"({"__metadata__":{"ss_network_dim":"4"},)"
          R"("lora_te_x.lora_up.weight":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}})",
          "abcdefgh"));
  const auto summary = describe_model(path);
  EXPECT_EQ(summary.family, "LoRA");
  EXPECT_NE(summary.problem.find("LoRA"), std::string::npos);
  EXPECT_EQ(summary.parameters, 4);
  EXPECT_EQ(summary.parts.front().bytes, 8);
  EXPECT_FALSE(summary.config.has_value());
  EXPECT_EQ(summary.metadata.front().first, "ss_network_dim");
}

TEST(DescribeModel, CountsWhatIsNoPlainTensor) {
  const test::TempFolder folder;
  const auto path = folder / "f8.safetensors";
  test::write_text(
      path, test::write_safetensors(R"({"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]}})",
                                    "abcd"));
  EXPECT_EQ(describe_model(path).dtypes.at("unreadable"), 1);
}

}  // namespace
}  // namespace sd
