#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/weights/open.h"
#include "sd/weights/write_safetensors.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"

namespace sd::test {

/// A small LAION-400M model in a folder of its own: tiny-v1's UNet and autoencoder under the text
/// encoder of tiny-laion-text.safetensors (tests/tools/make_laion_fixture.py), whose embedding has
/// zeros for all tokens but some.
class TinyLaion {
 public:
  /// `name` below the folder is where the checkpoint lies.
  explicit TinyLaion(std::string name = "laion.safetensors") : name_(std::move(name)) {
    const std::filesystem::path data(SD_TEST_DATA);
    const auto v1 = open_model(data / "tiny-v1.ckpt");
    const auto text = open_weight_file(data / "tiny-laion-text.safetensors").tensors;
    std::vector<NamedTensor> tensors;
    for (const auto& tensor : v1.tensors->names()) {
      if (tensor.starts_with("cond_stage_model.")) continue;
      tensors.push_back({tensor, v1.tensors->at(tensor)});
    }
    for (const auto& tensor : text->names()) {
      if (tensor == kRows) continue;
      tensors.push_back({tensor, tensor == kEmbedding ? whole_embedding(*text) : text->at(tensor)});
    }
    std::filesystem::create_directories(checkpoint().parent_path());
    write_safetensors(checkpoint(), tensors);
  }

  /// Its configuration in the CompVis form, written to `name` below the folder.
  std::filesystem::path write_config(const std::string& name) const {
    auto yaml = read_text(std::filesystem::path(SD_TEST_DATA) / "tiny-v1.yaml");
    yaml.resize(yaml.find("    cond_stage_config:"));
    yaml +=
        "    cond_stage_config:\n"
        "      target: ldm.modules.encoders.modules.BERTEmbedder\n"
        "      params:\n"
        "        n_embed: 32\n"
        "        n_layer: 2\n";
    std::filesystem::create_directories((folder() / name).parent_path());
    write_text(folder() / name, yaml);
    return folder() / name;
  }

  std::filesystem::path folder() const { return folder_.path(); }
  std::filesystem::path checkpoint() const { return folder_.path() / name_; }

 private:
  static constexpr const char* kRows = "rows";
  static constexpr const char* kEmbedding = "cond_stage_model.transformer.token_emb.weight";
  static constexpr int64_t kVocabulary = 30522;

  /// The kept rows where the whole embedding has them.
  static TensorView whole_embedding(const TensorSource& text) {
    const auto rows = text.at(kRows);
    auto view = text.at(kEmbedding);
    const std::size_t width = static_cast<std::size_t>(view.shape[1]) * size_of(view.dtype);
    auto bytes = std::make_shared<std::vector<std::byte>>(kVocabulary * width);
    for (std::size_t i = 0; i < static_cast<std::size_t>(view.shape[0]); ++i) {
      int64_t row = 0;
      std::memcpy(&row, rows.bytes.data() + i * sizeof row, sizeof row);
      std::memcpy(bytes->data() + static_cast<std::size_t>(row) * width,
                  view.bytes.data() + i * width, width);
    }
    view.shape[0] = kVocabulary;
    view.bytes = *bytes;
    view.owner = bytes;
    return view;
  }

  TempFolder folder_;
  std::string name_;
};

}  // namespace sd::test
