#include "cli/prompt_notice.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sd::cli
