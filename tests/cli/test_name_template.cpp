#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "cli/options/name_template.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

NameFields fields() {
  NameFields fields;
  fields.number = 7;
  fields.seed = 42;
  fields.index = 3;
  fields.prompt = "a red apple, on a wooden table";
  fields.model = "v1-5";
  fields.sampler = "dpmpp_2m";
  fields.scale = "7.5";
  fields.steps = 20;
  fields.width = 512;
  fields.height = 768;
  fields.date = "2026-01-31";
  fields.time = "23-59-01";
  fields.source = "a cat";
  fields.target = 1;
  return fields;
}

std::string named(const std::string& text, const NameFields& values = fields()) {
  return NameTemplate::parse(text).expand(values).string();
}

TEST(NameTemplate, PutsValuesInTheirPlaces) {
  const std::vector<std::pair<std::string, std::string>> all = {
      {"{seed}-{index}-{prompt}", "42-3-a_red_apple_on_a_wooden_table"},
      {"{number:05}", "00007"},
      {"{date}/{time} {seed:03}", "2026-01-31/23-59-01 042"},
      {"{prompt:5}", "a_red"},
      {"{sampler}_{steps}_{scale}_{width}x{height}_{model}", "dpmpp_2m_20_7.5_512x768_v1-5"},
      {"{{{seed}}}", "{42}"},
      {"{source} to {target}", "a_cat to 1"},
      {"plain", "plain"}};
  for (const auto& [text, name] : all) EXPECT_EQ(named(text), name);
}

TEST(NameTemplate, ValuesNeverLeadElsewhere) {
  auto values = fields();
  for (const std::string prompt : {"../../etc/passwd", "/root", ".hidden", "..", "a/b\\c:d*e?\"<>|",
                                   "\x1b[2J", "\xFF\xFE", "", "   ", "\n", "-rf"}) {
    values.prompt = prompt;
    const auto name = named("{prompt}", values);
    EXPECT_FALSE(name.empty()) << prompt;
    EXPECT_EQ(name.find_first_of("/\\:*?\"<>|\x1b\n"), std::string::npos) << name;
    EXPECT_NE(name.front(), '.') << name;
  }
}

TEST(NameTemplate, KeepsOtherScriptsAndCutsBetweenCharacters) {
  auto values = fields();
  values.prompt = "りんごの木";
  EXPECT_EQ(named("{prompt}", values), "りんごの木");
  EXPECT_EQ(named("{prompt:3}", values), "りんご");
}

TEST(NameTemplate, NamesStayShortEnoughForFileSystems) {
  auto values = fields();
  values.prompt = values.source = std::string(3000, 'x');
  for (const std::string text : {"{prompt}", "{prompt:100}{source:100}{prompt:100}{seed:020}"}) {
    EXPECT_LE(named(text, values).size(), 230u) << text;
  }
  values.prompt.clear();
  for (int i = 0; i < 100; ++i) values.prompt += "🍎";
  EXPECT_LE(named("{prompt:100}", values).size(), 230u);
}

TEST(NameTemplate, MistakesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> all = {
      {"{sed}", "Did you mean 'seed'"},
      {"{propmt}", "Did you mean 'prompt'"},
      {"{zzzzzz}", "number, index, seed"},
      {"{seed", "not closed"},
      {"seed}", "not opened"},
      {"", "empty"},
      {"/seed", "below OUTDIR/samples"},
      {"/", "below OUTDIR/samples"},
      {".", "the folder itself"},
      {"./{seed}", "the folder itself"},
      {"a//b", "empty"},
      {"a/", "empty"},
      {"../{seed}", "out of the folder"},
      {"a/./b", "the folder itself"},
      {"..", "out of the folder"},
      {"{seed:5}", "{seed:05}"},
      {"{seed:099}", "up to 20"},
      {"{prompt:0}", "1 to 100"},
      {"{prompt:x}", "1 to 100"},
      {"{date:5}", "takes no format"},
      {"{number}/{seed}", "not in a folder"},
      {"a\nb", "control characters"},
      {"a\xFF", "UTF-8"},
      {std::string(231, 'a'), "too long"}};
  for (const auto& [text, part] : all) {
    test::expect_error<UsageError>([&] { NameTemplate::parse(text); }, "--name: ", part);
  }
}

TEST(NameTemplate, FindsTheNumberInNamesItMade) {
  const auto numbered = NameTemplate::parse("{seed}-{number:05}-{prompt}");
  EXPECT_EQ(numbered.number_in("42-00012-a_cat"), 12);
  EXPECT_EQ(numbered.number_in("42-12-a_cat"), std::nullopt);  // fewer digits than it writes
  EXPECT_EQ(numbered.number_in("42_00012_a"), std::nullopt);
  const auto plain = NameTemplate::parse("{number:05}");
  EXPECT_EQ(plain.number_in("00003"), 3);
  EXPECT_EQ(plain.number_in("123456"), 123456);
  EXPECT_EQ(plain.number_in("x00003"), std::nullopt);
  EXPECT_EQ(plain.number_in("99999999999999999999"), std::nullopt);
  EXPECT_EQ(NameTemplate::parse("{seed}").number_in("42"), std::nullopt);
}

TEST(NameTemplate, TheListOfFieldsHoldsAll) {
  const auto list = NameTemplate::field_list(50);
  for (const char* name : {"number", "seed", "target", "prompt", "iteration"}) {
    EXPECT_NE(list.find(name), std::string::npos);
  }
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = list.find('\n', begin);
    EXPECT_LE(std::min(end, list.size()) - begin, 51u);
  }
}

TEST(NameTemplate, HoldsSeedsOfTorch) {
  auto last = fields();
  last.seed = UINT64_MAX;
  EXPECT_EQ(NameTemplate::parse("{seed:010}").expand(last), "18446744073709551615");
}

}  // namespace
}  // namespace sd::cli
