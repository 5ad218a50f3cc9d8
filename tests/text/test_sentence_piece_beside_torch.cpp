// libsentencepiece and LibTorch define symbols of the same names (FLAGS_minloglevel, and in other
// builds those of protobuf). Here both work in one process, LibTorch being linked and so first.
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/export.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/sentence_piece_tokenizer.h"
#include "support/expect_error.h"

namespace sd {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(SD_TEST_DATA) / "sentencepiece";

SentencePieceConfig config() {
  SentencePieceConfig config;
  config.model = (kFolder / "spiece.model").string();
  config.padding = "[PAD]";
  return config;
}

/// 0·0 + 1·1 + … + 99·99
double sum_of_squares() {
  const auto x = at::arange(100, at::kDouble);
  return at::matmul(x, x).item<double>();
}

TEST(SentencePieceBesideTorch, BothWork) {
  EXPECT_EQ(sum_of_squares(), 328350);
  const SentencePieceTokenizer tokenizer(config(), 77);
  std::ifstream file(kFolder / "ids.json");
  for (const auto& entry : nlohmann::json::parse(file)) {
    std::vector<int64_t> ids;
    for (const auto& token : tokenizer.tokenize(entry["text"].get<std::string>())) {
      ids.push_back(token.id);
    }
    EXPECT_EQ(ids, entry["ids"].get<std::vector<int64_t>>()) << entry.dump();
  }
  EXPECT_EQ(sum_of_squares(), 328350);
}

TEST(SentencePieceBesideTorch, ErrorsOfBothComeThrough) {
  // Both write to their logs on the way, whose levels are the symbol that they share.
  const std::string no_unknown_piece("\x0a\x03\x0a\x01\x61", 5);
  test::expect_error<CheckpointError>(
      [&] { SentencePieceTokenizer(no_unknown_piece, "spiece.model", config(), 77); },
      "spiece.model");
  EXPECT_THROW(at::matmul(at::arange(3), at::arange(4)), c10::Error);
  EXPECT_EQ(sum_of_squares(), 328350);
}

TEST(SentencePieceBesideTorch, TorchReadsAProtobufMessageToo) {
  const SentencePieceTokenizer tokenizer(config(), 77);
  // An ONNX model: IR version 8, operators of version 13, an empty graph "g".
  const std::string model("\x08\x08\x42\x04\x0a\x00\x10\x0d\x3a\x03\x12\x01g", 13);
  EXPECT_NO_THROW(torch::jit::check_onnx_proto(model));
  EXPECT_THROW(torch::jit::check_onnx_proto("no message"), std::exception);
  EXPECT_FALSE(tokenizer.tokenize("a").empty());
}

}  // namespace
}  // namespace sd
