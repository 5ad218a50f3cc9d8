#include "cli/plan/vocabulary_notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>

#include "cli/shell/text_output.h"
#include "sd/text/words.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownUnlearnt = 12;
constexpr std::size_t kShownLearnt = 150;  // as many as a screen takes
constexpr std::size_t kShownCharacters = 40;

bool is_letters(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

std::vector<std::string> unlearnt_words(const std::vector<std::string>& prompts,
                                        const Tokenizer& tokenizer, const LearntIds& learnt) {
  std::set<int64_t> ids;
  for (const auto& prompt : prompts) {
    for (const auto& token : tokenizer.encode(prompt).tokens) ids.insert(token.id);
  }
  const std::vector<int64_t> asked(ids.begin(), ids.end());
  const auto known = learnt(asked);
  std::set<int64_t> unlearnt;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (!known[i]) unlearnt.insert(asked[i]);
  }
  std::vector<std::string> names;
  if (unlearnt.empty()) return names;
  for (const auto& prompt : prompts) {
    auto strange = tokenizer.encode(prompt);
    std::erase_if(strange.tokens, [&](const Token& token) { return !unlearnt.contains(token.id); });
    strange.positions.clear();  // where they stand does not matter here
    const PromptWords words(tokenizer.readable(prompt), strange);
    for (const auto& word : words.words()) {
      if (word.positions.empty() || std::ranges::find(names, word.text) != names.end()) continue;
      names.push_back(word.text);
      if (names.size() > kShownUnlearnt) return names;
    }
  }
  return names;
}

std::vector<std::string> learnt_words(const Tokenizer& tokenizer, const LearntIds& learnt) {
  std::vector<int64_t> ids(static_cast<std::size_t>(tokenizer.vocabulary()));
  std::iota(ids.begin(), ids.end(), int64_t{0});
  const auto known = learnt(ids);
  std::vector<std::string> words;
  for (std::size_t id = 0; id < ids.size(); ++id) {
    if (!known[id]) continue;
    auto word = tokenizer.decode(ids[id]);
    std::erase(word, ' ');  // what ends a word
    if (!is_letters(word)) continue;
    const auto tokens = tokenizer.tokenize(word);  // others for the first part of a longer word
    if (tokens.size() == 1 && tokens.front().id == ids[id]) words.push_back(std::move(word));
  }
  std::ranges::sort(words);
  return words;
}

std::string vocabulary_notice(const std::vector<std::string>& unlearnt,
                              const std::vector<std::string>& learnt) {
  auto names = unlearnt;
  const bool more = names.size() > kShownUnlearnt;
  if (more) names.resize(kShownUnlearnt);
  for (auto& name : names) name = shorten(name, kShownCharacters);
  auto text = fmt::format("the model never learnt {}{}: {} nothing to it", fmt::join(names, ", "),
                          more ? " and other words" : "",
                          names.size() == 1 ? "the word means" : "these words mean");
  if (learnt.empty()) return text;
  if (learnt.size() > kShownLearnt)
    return text + fmt::format("\nIt knows {} words.", learnt.size());
  return text + fmt::format("\nIt knows {} words: {}.", learnt.size(), fmt::join(learnt, ", "));
}

}  // namespace sd::cli
