#include "sd/text/clip_vocabulary.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "support/temp_folder.h"

namespace sd {
namespace {

TEST(ClipVocabulary, IsThePublishedOne) {
  // The demo model's folder holds the files of the published tokenizer.
  const std::string published = SD_SOURCE_DIR "/models/demo/tokenizer/";
  std::map<std::string, std::string> files;
  for (auto& [name, text] : clip_tokenizer_files(77, 49407)) files[name] = text;
  EXPECT_EQ(files.at("merges.txt"), test::read_text(published + "merges.txt"));
  const auto vocabulary = nlohmann::json::parse(files.at("vocab.json"));
  EXPECT_EQ(vocabulary.size(), 49408u);
  EXPECT_EQ(vocabulary, nlohmann::json::parse(test::read_text(published + "vocab.json")));
  const auto config = nlohmann::json::parse(files.at("tokenizer_config.json"));
  EXPECT_EQ(config.at("model_max_length"), 77);
  EXPECT_EQ(config.at("pad_token"), "<|endoftext|>");
}

}  // namespace
}  // namespace sd
