#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/plan/vocabulary_notice.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/prompt_reader.h"

namespace sd::cli {
namespace {

using Words = std::vector<std::string>;

const ClipTokenizer& clip() { return ClipTokenizer::instance(); }

/// A model that has learnt the tokens of a text.
LearntIds learnt_from(const std::string& text) {
  std::set<int64_t> ids;
  for (const auto& token : clip().tokenize(text)) ids.insert(token.id);
  return [ids](const std::vector<int64_t>& asked) {
    std::vector<bool> learnt;
    for (const int64_t id : asked) learnt.push_back(ids.contains(id));
    return learnt;
  };
}

TEST(UnlearntWords, AreNamedOnceAndInOrder) {
  const auto model = learnt_from("a red cat, on");
  EXPECT_EQ(unlearnt_words({"a Cat on a sofa", "a red sofa, a samurai"}, clip(), model),
            (Words{"sofa", "samurai"}));
  EXPECT_EQ(unlearnt_words({"a red cat", ""}, clip(), model), Words());
}

TEST(UnlearntWords, OneOfAWordsTokensIsEnough) {
  ASSERT_EQ(clip().tokenize("sailboat").size(), 2u);
  EXPECT_EQ(unlearnt_words({"a sailboat"}, clip(), learnt_from("a boat")), Words{"sailboat"});
  EXPECT_EQ(unlearnt_words({"a sailboat"}, clip(), learnt_from("a sailboat")), Words());
}

TEST(UnlearntWords, DoNotCountWhatIsNotRead) {
  const PromptReader reader(std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos),
                            PromptSyntax::kAuto, 10);
  EXPECT_EQ(unlearnt_words({"a (cat:1.3) <lora:samurai:1>"}, reader, learnt_from("a cat")),
            Words());
}

TEST(LearntWords, AreWholeWordsByTheAlphabet) {
  EXPECT_EQ(learnt_words(clip(), learnt_from("a red cat, sailboat 7")),
            (Words{"a", "boat", "cat", "red"}));
}

TEST(VocabularyNotice, NamesWhatIsUnknownAndWhatIsKnown) {
  EXPECT_EQ(
      vocabulary_notice({"samurai"}, {"a", "cat"}),
      "the model never learnt samurai: the word means nothing to it\nIt knows 2 words: a, cat.");
  EXPECT_EQ(vocabulary_notice({"samurai", "sofa"}, {}),
            "the model never learnt samurai, sofa: these words mean nothing to it");
}

TEST(VocabularyNotice, StaysShort) {
  const auto notice = vocabulary_notice(Words(13, "word"), Words(1000, "known"));
  EXPECT_NE(notice.find("and other words: these words mean"), std::string::npos) << notice;
  EXPECT_NE(notice.find("It knows 1000 words."), std::string::npos) << notice;
  EXPECT_LT(notice.size(), 200u);
}

}  // namespace
}  // namespace sd::cli
