#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sd/text/clip_tokenizer.h"
#include "sd/text/network_tags.h"
#include "sd/text/prompt_reader.h"
#include "sd/text/words.h"

namespace sd {
namespace {

using Positions = std::vector<int64_t>;

PromptReader reader(PromptSyntax syntax = PromptSyntax::kAuto) {
  return {std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos), syntax, 10};
}

std::vector<std::string> tags_of(const std::string& prompt) {
  std::vector<std::string> tags;
  for (const auto& tag : find_network_tags(prompt)) {
    tags.push_back(prompt.substr(tag.begin, tag.end - tag.begin));
  }
  return tags;
}

using Tags = std::vector<std::string>;

TEST(NetworkTags, AreOfTheKindsThatTheWebUiLoads) {
  EXPECT_EQ(tags_of("a <lora:foo:0.8> cat<hypernet:bar>, <lyco:x(v2):te=1:unet=0.5>"),
            (Tags{"<lora:foo:0.8>", "<hypernet:bar>", "<lyco:x(v2):te=1:unet=0.5>"}));
  EXPECT_EQ(tags_of("<LoRA:Foo><Lycoris:b:1><hypernetwork:c:1>").size(), 3u);
}

TEST(NetworkTags, SayWhatIsAskedFor) {
  const auto tags = find_network_tags("a <LyCO:foo:0.8:te=0> cat<hypernet:bar:1>");
  ASSERT_EQ(tags.size(), 2u);
  EXPECT_TRUE(tags[0].is_lora);
  EXPECT_EQ(tags[0].words, "foo:0.8:te=0");
  EXPECT_FALSE(tags[1].is_lora);
}

TEST(NetworkTags, OtherTextInAngleBracketsIsNone) {
  for (const char* prompt : {"a <3 cat: >", "<lora>", "<lora:>", "<lora:foo", "< lora:foo>",
                             "<loras:a>", "<a:b>", "lora:foo:1", "<:lora>", ""}) {
    EXPECT_EQ(tags_of(prompt), Tags()) << prompt;
  }
}

TEST(NetworkTags, AnUnfinishedOneReachesToTheNextEnd) {
  EXPECT_EQ(tags_of("a <lora:b <lora:c:1> d"),
            Tags{"<lora:b <lora:c:1>"});  // as the web UI reads it
}

TEST(NetworkTags, ABlankedPromptKeepsItsOtherBytesInPlace) {
  EXPECT_EQ(blank_network_tags("a<lora:x:1>cat <b>"), "a          cat <b>");
}

TEST(NetworkTags, APromptIsReadWithoutThem) {
  const std::string prompt = "a red cat <lora:foo(v2):0.8> on a sofa<hypernet:bar:1>";
  for (const auto syntax : {PromptSyntax::kAuto, PromptSyntax::kA1111}) {
    EXPECT_EQ(reader(syntax).encode(prompt).ids, reader(syntax).encode("a red cat on a sofa").ids);
  }
  // Brackets in a tag are no emphasis, so auto still reads this one as the original scripts do.
  EXPECT_TRUE(reader().encode(prompt).positions.empty());
}

TEST(NetworkTags, PlainPromptsTakeThemForText) {
  const auto plain = reader(PromptSyntax::kPlain);
  EXPECT_EQ(plain.encode("a cat <lora:foo:1>").ids,
            ClipTokenizer::instance().encode("a cat <lora:foo:1>", 77).ids);
  EXPECT_TRUE(plain.network_tags("a cat <lora:foo:1>").empty());
  EXPECT_EQ(reader().network_tags("a cat <lora:foo:1>").size(), 1u);
}

TEST(NetworkTags, StandInEmphasisChangesAndParts) {
  const auto web = reader(PromptSyntax::kA1111);
  const auto weighed = web.read("a (cat <lora:x:1>:1.5) sits").front();
  EXPECT_EQ(weighed.tokens.ids, web.read("a (cat:1.5) sits").front().tokens.ids);
  EXPECT_EQ(weighed.weights[2], 1.5F);
  const auto changed = web.read("a cat [<lora:x:1>: asleep:0.5]");
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_EQ(changed[1].tokens.ids, web.read("a cat asleep").front().tokens.ids);
  EXPECT_EQ(web.part_weights("a cat <lora:x:1>:0.5 AND a dog").size(), 2u);
}

TEST(NetworkTags, WordsInThemAreNoWordsOfThePrompt) {
  const std::string prompt = "<lora:cat:0.8> a cat and a foo cat";
  const auto web = reader();
  const PromptWords words(web.readable(prompt), web.encode(prompt));
  EXPECT_EQ(words.list(), "a, cat, and, a(2), foo, cat(2)");
  EXPECT_EQ(words.find("cat"), (Positions{2, 6}));
  EXPECT_EQ(words.find("cat#1"), Positions{2});
  // Places in the prompt are those where it was typed.
  EXPECT_EQ(words.words()[1].begin, prompt.find("cat and"));
}

}  // namespace
}  // namespace sd
