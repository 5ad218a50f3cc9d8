#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "sd/core/sha256.h"
#include "sd/text/clip_vocabulary.h"

namespace sd {
namespace {

// SHA-256 of openai/clip-vit-large-patch14's merges.txt, and of its vocab.json's words by their
// numbers, a line each.
constexpr const char* kPublishedMerges =
    "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a";
constexpr const char* kPublishedWords =
    "7cccc44d334555d1ff3c0ac5f0246b428fab2918383e77ee745cf30d41010b78";

std::string sha256_of(const std::string& text) {
  return sha256_hex(std::as_bytes(std::span(text)));
}

TEST(ClipVocabulary, IsThePublishedOne) {
  std::map<std::string, std::string> files;
  for (auto& [name, text] : clip_tokenizer_files(77, 49407)) files[name] = text;
  EXPECT_EQ(sha256_of(files.at("merges.txt")), kPublishedMerges);
  const auto vocabulary = nlohmann::json::parse(files.at("vocab.json"));
  ASSERT_EQ(vocabulary.size(), 49408u);
  std::vector<std::string> words(vocabulary.size());
  for (const auto& [word, number] : vocabulary.items()) words.at(number.get<std::size_t>()) = word;
  std::string lines = words.front();
  for (std::size_t i = 1; i < words.size(); ++i) lines += '\n' + words[i];
  EXPECT_EQ(sha256_of(lines), kPublishedWords);
  const auto config = nlohmann::json::parse(files.at("tokenizer_config.json"));
  EXPECT_EQ(config.at("model_max_length"), 77);
  EXPECT_EQ(config.at("pad_token"), "<|endoftext|>");
}

}  // namespace
}  // namespace sd
