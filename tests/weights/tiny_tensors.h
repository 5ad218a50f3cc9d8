#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace sd::test {

/// What is known of a tensor of the tiny model since it was written:
/// tests/data/tiny-v1/tensors.tsv.
struct KnownTensor {
  std::string name;   // published
  std::string shape;  // "32x4x3x3"
  std::string hash;   // the first 16 hex digits of its bytes' SHA-256
  std::string part, diffusers_name;
};

/// Those that diffusers has too.
inline std::vector<KnownTensor> known_tensors() {
  std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "tiny-v1/tensors.tsv");
  std::vector<KnownTensor> tensors;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    KnownTensor tensor;
    std::string dtype;
    if (!(cells >> tensor.name >> dtype >> tensor.shape >> tensor.hash >> tensor.part >>
          tensor.diffusers_name)) {
      continue;
    }
    // The one name that the file has otherwise than published checkpoints.
    if (tensor.name == "cond_stage_model.transformer.embeddings.token_embedding.weight") {
      tensor.name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
    }
    tensors.push_back(tensor);
  }
  EXPECT_EQ(tensors.size(), 840u);
  return tensors;
}

}  // namespace sd::test
