// Whole models, tiny ones, by the names of every layout that is published, with tensors left out,
// renamed and of other shapes and types: what names and shapes tell, and conversion to either
// format, which is opened again.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "sd/models/config.h"
#include "sd/pipeline/convert.h"
#include "sd/pipeline/inspect.h"
#include "sd/weights/open.h"
#include "sd/weights/summary.h"
#include "sd/weights/variants.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"
#include "weights/diffusers_names.h"
#include "weights/expected_tensors.h"
#include "weights/openclip_names.h"
#include "weights/seen_words.h"
#include "weights/separate_parts.h"
#include "weights/write_diffusers_config.h"

namespace {

namespace fs = std::filesystem;
using namespace sd;

struct Tensor {
  std::string name;
  std::string dtype = "F16";
  std::vector<int64_t> shape;
};
using Tensors = std::vector<Tensor>;

const std::map<std::string, int64_t> kBytes = {
    {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1},
    {"I64", 8}, {"I32", 4}, {"I8", 1},  {"BOOL", 1}, {"F4", 1}};

/// A file with these tensors, their values all the same small number.
void write_file(const fs::path& path, const Tensors& tensors, const std::string& prediction = {}) {
  auto header = nlohmann::ordered_json::object();
  if (!prediction.empty()) header["__metadata__"] = {{"modelspec.prediction_type", prediction}};
  int64_t at = 0;
  std::string bytes;
  for (const auto& tensor : tensors) {
    int64_t size = kBytes.at(tensor.dtype);
    for (const auto side : tensor.shape) size *= side;
    if (size > int64_t{1} << 20 || header.contains(tensor.name)) continue;
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {at, at + size}}};
    // Ids of words ascend; elsewhere any number will do.
    const bool ids = tensor.name == kSeenWords && tensor.dtype == "I32";
    for (int64_t i = 0; i < size; ++i)
      bytes += static_cast<char>(ids ? (i % 4 == 0 ? i / 4 : 0) : i % 2 == 0 ? 0x66 : 0x2e);
    at += size;
  }
  using Handler = nlohmann::ordered_json::error_handler_t;
  test::write_text(path,
                   test::write_safetensors(header.dump(-1, ' ', false, Handler::replace), bytes));
}

ModelConfig tiny_config(FuzzedDataProvider& input) {
  ModelConfig config;
  config.text = input.ConsumeBool() ? TextConfig{} : openclip_text();
  if (input.ConsumeIntegralInRange<int>(0, 7) == 1) {
    config.text.encoder = TextEncoderKind::kBert;
    config.text.tokenizer = TokenizerKind::kWordPiece;
  }
  config.text.width = 16;
  config.text.layers = 1;
  config.text.heads = 2;
  config.text.feed_forward = 16;
  config.unet.model_channels = 32;
  config.unet.num_res_blocks = input.ConsumeIntegralInRange<int64_t>(1, 2);
  config.unet.channel_mult = {1, 2};
  config.unet.attention_resolutions = {1, 2};
  config.unet.context_dim = 16;
  config.unet.num_heads = 4;
  config.unet.use_linear_in_transformer = config.text.activation == TextActivation::kGelu;
  config.unet.in_channels = input.PickValueInArray<int64_t>({4, 4, 9, 8});
  config.vae.channels = 32;
  config.vae.channel_mult = {1, 1, 1, 1};
  config.vae.num_res_blocks = 1;
  if (input.ConsumeBool())
    config.prediction = input.ConsumeBool() ? Prediction::kVelocity : Prediction::kNoise;
  return config;
}

/// The tensors of a model of these sizes; of its words three have rows.
Tensors compvis(const ModelConfig& config) {
  Tensors tensors;
  for (const auto& expected : expected_tensors(config))
    tensors.push_back({expected.name, "F16", expected.shape});
  for (auto& tensor : tensors) {
    if (tensor.name.ends_with("token_embedding.weight")) tensor.shape[0] = 3;
  }
  tensors.push_back({std::string(kSeenWords), "I32", {3}});
  return tensors;
}

/// Stable Diffusion 2's text encoder as OpenCLIP names it.
void use_openclip_names(Tensors& tensors) {
  for (auto& tensor : tensors) {
    const auto name = openclip_name(tensor.name);
    if (!name) continue;
    if (!name->siblings.empty() && !tensor.shape.empty()) tensor.shape[0] *= 3;
    tensor.name = name->name;
  }
}

void add_averages(Tensors& tensors) {
  const std::string prefix = "model.";
  Tensors more;
  for (const auto& tensor : tensors) {
    if (!tensor.name.starts_with(kUNetPrefix)) continue;
    std::string name = tensor.name.substr(prefix.size());
    std::erase(name, '.');
    more.push_back({"model_ema." + name, tensor.dtype, tensor.shape});
  }
  tensors.insert(tensors.end(), more.begin(), more.end());
}

void add_scales(Tensors& tensors) {
  Tensors more;
  for (auto& tensor : tensors) {
    if (!tensor.name.starts_with(kUNetPrefix) || !tensor.name.ends_with(".weight") ||
        tensor.shape.size() != 2)
      continue;
    tensor.dtype = "F8_E4M3";
    more.push_back({tensor.name.substr(0, tensor.name.size() - 6) + "scale_weight", "F32", {}});
  }
  tensors.insert(tensors.end(), more.begin(), more.end());
}

void change(FuzzedDataProvider& input, Tensors& tensors) {
  if (tensors.empty()) return;
  const auto index = input.ConsumeIntegralInRange<std::size_t>(0, tensors.size() - 1);
  auto& tensor = tensors[index];
  switch (input.ConsumeIntegralInRange<int>(0, 8)) {
    case 0:
      tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(index));
      break;
    case 1:
      tensor.name = input.ConsumeRandomLengthString(30) + tensor.name;
      break;
    case 2:
      tensor.name.resize(input.ConsumeIntegralInRange<std::size_t>(0, tensor.name.size()));
      break;
    case 3:
      tensor.shape.push_back(input.ConsumeIntegralInRange<int64_t>(0, 3));
      break;
    case 4:
      if (!tensor.shape.empty()) tensor.shape[0] = input.ConsumeIntegralInRange<int64_t>(0, 96);
      break;
    case 5: {
      auto type = kBytes.begin();
      std::advance(type, input.ConsumeIntegralInRange<std::ptrdiff_t>(
                             0, static_cast<std::ptrdiff_t>(kBytes.size()) - 1));
      tensor.dtype = type->first;
      break;
    }
    case 6:
      if (!tensor.shape.empty()) tensor.shape.pop_back();
      break;
    case 7: {  // the same tensor by another name that means the same
      auto again = tensor;
      again.name = input.PickValueInArray({"module.", "model.", "_orig_mod.", ""}) + again.name;
      const auto part = again.name.find("text_model.");
      if (part != std::string::npos && input.ConsumeBool()) again.name.erase(part, 11);
      if (input.ConsumeBool()) again.dtype = "F32";
      tensors.push_back(std::move(again));
      break;
    }
    default:
      tensors.push_back({input.ConsumeRandomLengthString(40), "F16", {1}});
  }
}

/// The parts of `tensors` below a prefix, without it; they go there.
Tensors take_part(Tensors& tensors, const std::string& prefix) {
  Tensors part, rest;
  for (auto& tensor : tensors) {
    if (tensor.name.starts_with(prefix)) {
      part.push_back({tensor.name.substr(prefix.size()), tensor.dtype, tensor.shape});
    } else {
      rest.push_back(std::move(tensor));
    }
  }
  tensors = std::move(rest);
  return part;
}

void write_folder(FuzzedDataProvider& input, const fs::path& folder, const ModelConfig& config,
                  const Tensors& tensors) {
  std::map<std::string, Tensors> parts;
  const DiffusersKeys keys(config);
  for (const auto& tensor : tensors) {
    const auto place = keys.of(tensor.name);
    if (!place) continue;
    auto shape = tensor.shape;
    if (place->from_convolution && shape.size() == 4) shape.resize(2);
    parts[place->part].push_back({place->key, tensor.dtype, shape});
  }
  for (const auto& [path, text] : diffusers_config_files(config, "fuzz")) {
    fs::create_directories((folder / path).parent_path());
    test::write_text(folder / path, text);
  }
  const auto* variant = input.PickValueInArray({"", "", ".fp16", ".non_ema"});
  for (const auto& [part, in_part] : parts) {
    fs::create_directories(folder / part);
    const auto* stem = part == "text_encoder" ? "model" : "diffusion_pytorch_model";
    write_file(folder / part / (std::string(stem) + variant + ".safetensors"), in_part);
  }
}

/// What the new file or folder holds is a whole model again.
void check_converted(const fs::path& out) {
  const auto summary = describe_model(out);
  if (!summary.missing.empty() || !summary.mismatched.empty()) std::abort();
}

void try_model(FuzzedDataProvider& input, const fs::path& folder) {
  const auto config = tiny_config(input);
  auto tensors = compvis(config);
  if (input.ConsumeBool() && config.text.activation == TextActivation::kGelu)
    use_openclip_names(tensors);
  if (input.ConsumeBool()) add_averages(tensors);
  if (input.ConsumeIntegralInRange<int>(0, 3) == 1) add_scales(tensors);
  for (auto count = input.ConsumeIntegralInRange<int>(0, 3); count > 0; --count)
    change(input, tensors);

  ModelFiles files;
  files.checkpoint = folder / "model.safetensors";
  switch (input.ConsumeIntegralInRange<int>(0, 7)) {
    case 0:
      files.checkpoint = folder / "diffusers";
      write_folder(input, files.checkpoint, config, tensors);
      variant_notice(files.checkpoint);
      break;
    case 1: {
      const auto prefix = input.PickValueInArray(
          {"module.", "ema.", "model.", "_orig_mod.", "state_dict.", "unet.", "x."});
      for (auto& tensor : tensors) tensor.name = prefix + tensor.name;
      break;
    }
    case 2:
      files.separate.vae = folder / "vae.safetensors";
      write_file(*files.separate.vae, take_part(tensors, kVaePrefix));
      break;
    case 3:
      files.separate.clip = folder / "clip.safetensors";
      write_file(*files.separate.clip, take_part(tensors, "cond_stage_model.transformer."));
      break;
    case 4:
      files.separate.vae = folder / "vae.safetensors";
      files.separate.clip = folder / "clip.safetensors";
      write_file(*files.separate.vae, take_part(tensors, kVaePrefix));
      write_file(*files.separate.clip,
                 take_part(tensors, "cond_stage_model.transformer.text_model."));
      tensors = take_part(tensors, kUNetPrefix);
      break;
    case 5:
      write_folder(input, folder / "other", config, tensors);
      files.separate.vae = folder / "other";
      if (input.ConsumeBool())
        files.separate.clip = folder / "other" / (input.ConsumeBool() ? "text_encoder" : "");
      break;
    case 6:
      files.separate.vae = folder / "taesd_decoder.safetensors";
      write_file(*files.separate.vae, {{"1.weight", "F32", {64, 4, 3, 3}},
                                       {"1.bias", "F32", {64}},
                                       {"3.conv.0.weight", "F16", {64, 64, 3, 3}}});
      break;
    default:
      break;
  }
  if (!fs::exists(files.checkpoint))
    write_file(files.checkpoint, tensors, input.PickValueInArray({"", "", "v", "epsilon", "x"}));

  // Weights do not tell all of these sizes.
  if (input.ConsumeIntegralInRange<int>(0, 3) != 1)
    test::write_text(folder / "model.yaml", config_yaml(config));

  describe_model(files.checkpoint);
  fuzz::touch_all(*open_model(files.checkpoint, files.separate).tensors);
  inspect_model(files);
  ConvertRequest request;
  request.source = files;
  request.out = folder / (input.ConsumeBool() ? "out.safetensors" : "out");
  if (input.ConsumeBool())
    request.dtype = input.PickValueInArray({DType::kF16, DType::kF32, DType::kBF16});
  request.ema = input.ConsumeIntegralInRange<int>(0, 3) == 1;
  request.keep_ema = input.ConsumeIntegralInRange<int>(0, 3) == 1;
  convert_model(request);
  check_converted(request.out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  FuzzedDataProvider input(bytes, size);
  const sd::test::TempFolder folder;
  try {
    try_model(input, folder.path());
  } catch (const sd::Error&) {
  }
  return 0;
}
