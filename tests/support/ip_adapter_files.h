#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sd/image/image.h"
#include "support/named_weight.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"

namespace sd::test {

/// Small IP-Adapters for the tiny model, as tests/tools/make_ip_adapter_values.py makes them.
using NamedShapes = std::map<std::string, std::vector<int64_t>>;

inline constexpr int64_t kTinyContext = 32, kTinyVision = 64, kTinyEmbedding = 40;

using NamedTensors = std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>>;

inline std::string tensors_file(const NamedTensors& tensors) {
  std::string header, bytes;
  for (const auto& [name, tensor] : tensors) {
    const auto& [shape, values] = tensor;
    const auto begin = bytes.size();
    bytes.resize(begin + values.size() * sizeof(float));
    std::memcpy(bytes.data() + begin, values.data(), bytes.size() - begin);
    std::string sizes;
    for (const auto size : shape) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    header += (header.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":"F32","shape":[)" + sizes +
              R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(bytes.size()) +
              "]}";
  }
  return write_safetensors(header + "}", bytes);
}

/// A .safetensors file of named_weight's numbers.
inline std::string weights_file(const NamedShapes& shapes) {
  NamedTensors tensors;
  for (const auto& [name, shape] : shapes) tensors[name] = {shape, named_weight(name, shape)};
  return tensors_file(tensors);
}

inline NamedShapes projection_shapes(const std::string& kind) {
  const int64_t c = kTinyContext, v = kTinyVision;
  if (kind == "plain") {
    return {{"proj.weight", {4 * c, kTinyEmbedding}},
            {"proj.bias", {4 * c}},
            {"norm.weight", {c}},
            {"norm.bias", {c}}};
  }
  if (kind == "full") {
    return {{"proj.0.weight", {v, v}}, {"proj.0.bias", {v}},   {"proj.2.weight", {c, v}},
            {"proj.2.bias", {c}},      {"proj.3.weight", {c}}, {"proj.3.bias", {c}}};
  }
  NamedShapes shapes = {{"latents", {1, 8, v}}, {"proj_in.weight", {v, v}},
                        {"proj_in.bias", {v}},  {"proj_out.weight", {c, v}},
                        {"proj_out.bias", {c}}, {"norm_out.weight", {c}},
                        {"norm_out.bias", {c}}};
  for (const std::string layer : {"layers.0.", "layers.1.", "layers.2.", "layers.3."}) {
    for (const std::string norm : {"0.norm1", "0.norm2", "1.0"}) {
      shapes[layer + norm + ".weight"] = {v};
      shapes[layer + norm + ".bias"] = {v};
    }
    shapes[layer + "0.to_q.weight"] = {128, v};
    shapes[layer + "0.to_kv.weight"] = {256, v};
    shapes[layer + "0.to_out.weight"] = {v, 128};
    shapes[layer + "1.1.weight"] = {256, v};
    shapes[layer + "1.3.weight"] = {v, 256};
  }
  return shapes;
}

/// "plain", "plus" or "full": all tensors of an adapter for the tiny model's 16 layers.
inline NamedShapes adapter_shapes(const std::string& kind) {
  NamedShapes shapes;
  for (const auto& [name, shape] : projection_shapes(kind)) shapes["image_proj." + name] = shape;
  const std::vector<int64_t> widths = {32, 32, 32, 32, 64, 64, 64, 64,
                                       64, 32, 32, 32, 32, 32, 32, 64};
  for (std::size_t i = 0; i < widths.size(); ++i) {
    for (const std::string letter : {"k", "v"}) {
      shapes["ip_adapter." + std::to_string(2 * i + 1) + ".to_" + letter + "_ip.weight"] = {
          widths[i], kTinyContext};
    }
  }
  return shapes;
}

/// CLIP's vision tower in transformers' naming.
inline NamedShapes tower_shapes() {
  const int64_t v = kTinyVision;
  NamedShapes shapes = {{"vision_model.embeddings.class_embedding", {v}},
                        {"vision_model.embeddings.patch_embedding.weight", {v, 3, 14, 14}},
                        {"vision_model.embeddings.position_embedding.weight", {257, v}},
                        {"visual_projection.weight", {kTinyEmbedding, v}}};
  const auto norm = [&](const std::string& name) {
    shapes["vision_model." + name + ".weight"] = {v};
    shapes["vision_model." + name + ".bias"] = {v};
  };
  norm("pre_layrnorm");
  norm("post_layernorm");
  for (int64_t i = 0; i < 3; ++i) {
    const auto layer = "encoder.layers." + std::to_string(i) + ".";
    norm(layer + "layer_norm1");
    norm(layer + "layer_norm2");
    for (const std::string name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      shapes["vision_model." + layer + "self_attn." + name + ".weight"] = {v, v};
      shapes["vision_model." + layer + "self_attn." + name + ".bias"] = {v};
    }
    shapes["vision_model." + layer + "mlp.fc1.weight"] = {96, v};
    shapes["vision_model." + layer + "mlp.fc1.bias"] = {96};
    shapes["vision_model." + layer + "mlp.fc2.weight"] = {v, 96};
    shapes["vision_model." + layer + "mlp.fc2.bias"] = {v};
  }
  return shapes;
}

inline constexpr const char* kTowerConfig = R"({"num_attention_heads": 4, "hidden_act": "gelu"})";

/// The same tower as OpenCLIP lays it out: q, k and v in one tensor, the projection transposed.
inline std::string openclip_tower() {
  NamedTensors tensors;
  const auto put = [&](const std::string& name, const std::vector<int64_t>& shape,
                       const std::vector<float>& values) {
    auto& [to, all] = tensors[name];
    all.insert(all.end(), values.begin(), values.end());
    to = shape;
    int64_t row = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) row *= shape[i];
    to[0] = static_cast<int64_t>(all.size()) / row;
  };
  const std::vector<std::pair<std::string, std::string>> names = {
      {"vision_model.embeddings.class_embedding", "class_embedding"},
      {"vision_model.embeddings.patch_embedding.weight", "conv1.weight"},
      {"vision_model.embeddings.position_embedding.weight", "positional_embedding"},
      {"vision_model.pre_layrnorm.", "ln_pre."},
      {"vision_model.post_layernorm.", "ln_post."},
      {"vision_model.encoder.layers.", "transformer.resblocks."},
      {".layer_norm1.", ".ln_1."},
      {".layer_norm2.", ".ln_2."},
      {".mlp.fc1.", ".mlp.c_fc."},
      {".mlp.fc2.", ".mlp.c_proj."},
      {".self_attn.out_proj.", ".attn.out_proj."}};
  for (std::string third : {"q_proj.", "k_proj.", "v_proj.", ""}) {
    for (const auto& [name, shape] : tower_shapes()) {
      const bool fused = name.find("self_attn.") != name.npos && name.find("out_proj") == name.npos;
      if (name == "visual_projection.weight" || fused == third.empty()) continue;
      if (fused && name.find(third) == name.npos) continue;
      auto other = name;
      for (const auto& [ours, theirs] : names) {
        const auto at = other.find(ours);
        if (at != other.npos) other.replace(at, ours.size(), theirs);
      }
      if (fused) {
        const auto at = other.find(".self_attn.");
        other = other.substr(0, at) + ".attn.in_proj_" + other.substr(other.rfind('.') + 1);
      }
      put("visual." + other, shape, named_weight(name, shape));
    }
  }
  const auto projection = named_weight("visual_projection.weight", {kTinyEmbedding, kTinyVision});
  std::vector<float> transposed(projection.size());
  for (int64_t i = 0; i < kTinyEmbedding; ++i) {
    for (int64_t j = 0; j < kTinyVision; ++j) {
      transposed[static_cast<std::size_t>(j * kTinyEmbedding + i)] =
          projection[static_cast<std::size_t>(i * kTinyVision + j)];
    }
  }
  put("visual.proj", {kTinyVision, kTinyEmbedding}, transposed);
  return tensors_file(tensors);
}

/// Writes `folder`/image_encoder.
inline void write_tower(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "image_encoder");
  write_text(folder / "image_encoder" / "model.safetensors", weights_file(tower_shapes()));
  write_text(folder / "image_encoder" / "config.json", kTowerConfig);
}

/// Ramps that differ by channel, wider than high.
inline Image followed_picture() {
  Image image{260, 150, 3, {}};
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>((3 * x + 2 * y * c) % 256));
    }
  }
  return image;
}

}  // namespace sd::test
