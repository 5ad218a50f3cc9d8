// Control nets by their names and shapes: every kind and layout for a tiny model, with tensors left
// out, renamed and of other shapes.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/control_file.h"
#include "support/map_source.h"
#include "weights/control_names.h"

namespace {

using namespace sd;

ModelConfig tiny_config() {
  ModelConfig config;
  config.unet.model_channels = 32;
  config.unet.channel_mult = {1, 2};
  config.unet.num_res_blocks = 1;
  config.unet.attention_resolutions = {2, 1};
  config.unet.context_dim = 48;
  return config;
}

void add_net(FuzzedDataProvider& input, test::MapSource& source) {
  const std::string prefix = input.ConsumeBool() ? "control_model." : "";
  for (auto& tensor : expected_control_net(tiny_config())) {
    const bool factors = tensor.shape.size() > 1 && input.ConsumeIntegralInRange(0, 15) == 1;
    if (!factors) {
      source.set(prefix + tensor.name, tensor.shape);
      continue;
    }
    const auto stem = prefix + tensor.name.substr(0, tensor.name.rfind('.') + 1);
    source.set(stem + "up", {tensor.shape[0], 2});
    tensor.shape[0] = 2;
    source.set(stem + "down", tensor.shape);
  }
}

void add_adapter(FuzzedDataProvider& input, test::MapSource& source) {
  const bool diffusers = input.ConsumeBool(), light = input.ConsumeBool();
  const std::string start = diffusers ? "adapter.body." : "body.";
  if (!light) source.set(diffusers ? "adapter.conv_in.weight" : "conv_in.weight", {32, 64, 3, 3});
  const int levels = input.ConsumeIntegralInRange(0, 4);
  for (int level = 0; level < levels; ++level) {
    const auto name = start + std::to_string(level) + ".";
    const auto block = name + (light ? "body.0." : diffusers ? "resnets.0." : "");
    source.set(name + "in_conv.weight", {32, 64, 1, 1});
    source.set(block + "block1.weight", {32, 32, 3, 3});
    source.set(block + "block2.weight", {32, 32, light ? 3 : 1, light ? 3 : 1});
    if (light) source.set(name + "out_conv.weight", {32, 32, 1, 1});
  }
}

void mutate(FuzzedDataProvider& input, test::MapSource& source) {
  while (input.remaining_bytes() > 0 && !source.names().empty()) {
    const auto count = source.names().size();
    const std::string name =
        source.names()[input.ConsumeIntegralInRange<std::size_t>(0, count - 1)];
    switch (input.ConsumeIntegralInRange(0, 3)) {
      case 0:
        source.erase(name);
        break;
      case 1:
        source.set(input.ConsumeRandomLengthString(60), source.describe(name).shape);
        break;
      case 2: {
        std::vector<int64_t> shape(input.ConsumeIntegralInRange<std::size_t>(0, 5));
        for (auto& side : shape) side = input.ConsumeIntegralInRange<int64_t>(0, 1 << 20);
        source.set(name, std::move(shape));
        break;
      }
      default:
        source.set(input.PickValueInArray({"difference", "lora_controlnet", "label_emb.0.0.weight",
                                           "controlnet_cond_embedding.conv_in.weight",
                                           "controlnet_down_blocks.0.weight"}),
                   source.describe(name).shape);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider input(bytes, size);
  auto source = std::make_unique<test::MapSource>();
  input.ConsumeBool() ? add_net(input, *source) : add_adapter(input, *source);
  mutate(input, *source);
  try {
    const auto net = control_of(std::move(source));
    family_of(net);
    control_parameters(net, tiny_config());
    require_fitting(net, tiny_config(), "a model");
    if (net.kind == ControlKind::kT2IAdapter) adapter_config(*net.tensors, 2);
  } catch (const CheckpointError&) {
  }
  return 0;
}
