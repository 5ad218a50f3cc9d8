#include <gtest/gtest.h>

#include <memory>

#include "cli/plan/prompt_notice.h"
#include "sd/text/clip_tokenizer.h"

namespace sd::cli {
namespace {

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += i % 2 == 0 ? "cat " : "dog ";
  return text;
}

TEST(TruncationNotice, IsSilentWhenEverythingFits) {
  EXPECT_EQ(truncation_notice("the prompt", words(75), ClipTokenizer::instance()), "");
  EXPECT_EQ(truncation_notice("the prompt", "", ClipTokenizer::instance()), "");
}

TEST(TruncationNotice, NamesTheWordsThatAreLost) {
  EXPECT_EQ(truncation_notice("line 3", words(75) + "red house", ClipTokenizer::instance()),
            "line 3 has 77 tokens and the model reads 75: the rest is left out: \"red house\"");
}

TEST(TruncationNotice, StaysShortForTenThousandWords) {
  const auto notice = truncation_notice("the prompt", words(10'000), ClipTokenizer::instance());
  EXPECT_NE(notice.find("has 10000 tokens"), std::string::npos) << notice;
  EXPECT_LT(notice.size(), 300u);
}

TEST(TruncationHint, SaysWhatKeepsTheRestUnderTheSyntaxInUse) {
  const std::string prompt = words(80) + "red house";
  const auto clip = std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos);
  const PromptReader automatic(clip, PromptSyntax::kAuto, 10), web(clip, PromptSyntax::kA1111, 10);
  // What the hints say is true.
  EXPECT_NE(truncation_notice("the prompt", prompt, automatic), "");
  EXPECT_EQ(truncation_notice("the prompt", prompt, web), "");
  EXPECT_EQ(truncation_notice("the prompt", words(40) + "BREAK " + prompt, automatic), "");
  EXPECT_NE(truncation_hint(PromptSyntax::kAuto).find("--prompt-syntax a1111, or write BREAK"),
            std::string::npos);
  EXPECT_NE(truncation_hint(PromptSyntax::kPlain).find("--prompt-syntax a1111"), std::string::npos);
  EXPECT_EQ(truncation_hint(PromptSyntax::kPlain).find("BREAK"), std::string::npos);
}

TEST(NetworkTagsNotice, NamesEachTagThatDoesNothingOnce) {
  const PromptReader reader(std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos),
                            PromptSyntax::kAuto, 10);
  EXPECT_EQ(network_tags_notice({"a cat", "(a dog) <lora:x:1>"}, "", reader), "");
  EXPECT_EQ(network_tags_notice({"a cat <hypernet:x:1>", "a dog <hypernet:x:1>"}, "", reader),
            "<hypernet:x:1>: hypernetworks are not supported; the tag is left out");
  const auto negative = network_tags_notice({"a cat <lora:x:1>"}, "bad <lora:y:1>", reader);
  EXPECT_NE(negative.find("<lora:y:1>: "), std::string::npos) << negative;
  EXPECT_EQ(negative.find("<lora:x:1>"), std::string::npos) << negative;
  EXPECT_NE(negative.find("LoRAs stand in prompts"), std::string::npos) << negative;
  std::string many;
  for (int i = 0; i < 7; ++i) many += "<hypernet:" + std::to_string(i) + ":1>";
  const auto notice = network_tags_notice({many}, "", reader);
  EXPECT_NE(notice.find("<hypernet:4:1> and others: "), std::string::npos) << notice;
  EXPECT_NE(notice.find("the tags are left out"), std::string::npos) << notice;
}

}  // namespace
}  // namespace sd::cli
