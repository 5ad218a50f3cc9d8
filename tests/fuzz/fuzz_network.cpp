// Files of the LoRA family: keys, shapes, types and metadata as they come, bound to a small model
// and merged into it.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/networks/apply.h"
#include "support/network_writer.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"

namespace {

using namespace sd;

constexpr const char* kLayer = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.";

/// A few layers of a UNet and a text encoder.
std::filesystem::path write_model(const test::TempFolder& folder) {
  const std::string text = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.";
  return test::write_network(
      folder / "model.safetensors",
      {test::tensor(std::string(kLayer) + "to_q.weight", {8, 8}),
       test::tensor(std::string(kLayer) + "to_out.0.weight", {8, 8}),
       test::tensor(std::string(kLayer) + "to_out.0.bias", {8}),
       test::tensor("model.diffusion_model.input_blocks.0.0.weight", {8, 9, 3, 3}),
       test::tensor(text + "weight", {16, 8}), test::tensor(text + "bias", {16})});
}

const std::vector<std::string> kModules = {
    "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q",
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "lora_unet_conv_in",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
    "base_model.model.encoder.layers.0.mlp.fc1",
    "lora_te2_x"};
const std::vector<std::string> kParts = {".lora_down.weight",
                                         ".lora_up.weight",
                                         ".lora_mid.weight",
                                         ".lora_A.default.weight",
                                         ".lora_B.weight",
                                         ".lora_B.bias",
                                         ".alpha",
                                         ".scale",
                                         ".dora_scale",
                                         ".lora_magnitude_vector",
                                         ".hada_w1_a",
                                         ".hada_w1_b",
                                         ".hada_w2_a",
                                         ".hada_w2_b",
                                         ".hada_t1",
                                         ".hada_t2",
                                         ".lokr_w1",
                                         ".lokr_w1_a",
                                         ".lokr_w1_b",
                                         ".lokr_w2",
                                         ".lokr_w2_a",
                                         ".lokr_w2_b",
                                         ".lokr_t2",
                                         ".a1.weight",
                                         ".a2.weight",
                                         ".b1.weight",
                                         ".b2.weight",
                                         ".bm.weight",
                                         ".weight",
                                         ".on_input",
                                         ".diff",
                                         ".diff_b",
                                         ".w_norm",
                                         ".b_norm",
                                         ".oft_blocks",
                                         ".oft_diag",
                                         ".rescale"};

template <typename List>
const auto& pick(FuzzedDataProvider& input, const List& list) {
  return list[input.ConsumeIntegralInRange<std::size_t>(0, list.size() - 1)];
}

test::FloatTensor any_tensor(FuzzedDataProvider& input) {
  const std::vector<int64_t> sides = {8, 2, 1, 4, 3, 16, 9, 0, 72};
  auto name = pick(input, kModules) + pick(input, kParts);
  std::vector<int64_t> shape;
  for (auto count = input.ConsumeIntegralInRange<int>(0, 4); count > 0; --count)
    shape.push_back(pick(input, sides));
  auto made = test::tensor(std::move(name), std::move(shape));
  if (input.ConsumeIntegralInRange<int>(0, 7) == 1 && !made.values.empty())
    made.values.front() = input.ConsumeFloatingPoint<float>();
  return made;
}

/// A file of modules whose tensors may fit each other.
void write_parts(FuzzedDataProvider& input, const std::filesystem::path& path) {
  std::vector<test::FloatTensor> tensors;
  for (auto count = input.ConsumeIntegralInRange<int>(1, 12); count > 0; --count) {
    auto made = any_tensor(input);
    bool there = false;
    for (const auto& each : tensors) there = there || each.name == made.name;
    if (!there) tensors.push_back(std::move(made));
  }
  const auto metadata = input.ConsumeRandomLengthString(200);
  const auto* key = input.PickValueInArray(
      {"ss_tag_frequency", "lora_adapter_metadata", "ss_base_model_version", "ss_output_name"});
  test::write_network(path, tensors, {{key, metadata}});
}

void try_network(FuzzedDataProvider& input) {
  const test::TempFolder folder;
  const auto path = folder / "network.safetensors";
  if (input.ConsumeBool()) {
    write_parts(input, path);
  } else {
    test::write_text(path, input.ConsumeRandomLengthString(4096));
  }
  is_network(path);
  network_hash(path);
  describe_network(path);
  const auto network = open_network(path);
  const auto model = write_model(folder);
  ModelConfig config;
  config.unet.in_channels = 9;
  const auto tensors = open_weight_file(model).tensors;
  const auto bound = bind_network(network, *tensors, config);
  for (const auto& parameter : bound->parameters()) bound->factors(parameter);
  const auto merged =
      with_networks(open_weight_file(model).tensors, config, {{network, 0.5, 1}, {network}});
  for (const auto& name : merged->names()) merged->at(name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider input(bytes, size);
  try {
    try_network(input);
  } catch (const sd::Error&) {
  }
  return 0;
}
