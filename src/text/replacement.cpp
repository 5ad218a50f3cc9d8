#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "sd/core/error.h"
#include "sd/text/alignment.h"
#include "text/replacement_blocks.h"
#include "text/unicode.h"

namespace sd {
namespace {

/// What stands between white space, with all its tokens, those cut off included.
struct SpacedWord {
  std::string_view text;
  std::vector<int64_t> token_ids;
  std::vector<int64_t> positions;  // of the tokens kept
};

std::vector<SpacedWord> split_at_spaces(std::string_view text) {
  std::vector<SpacedWord> words;
  bool inside = false;
  for (const SourceChar& c : decode_utf8(text)) {
    const bool space = char_class(c.code) == CharClass::kSpace;
    if (!space && !inside) words.push_back({text.substr(c.begin, 0), {}, {}});
    if (!space) {
      auto& word = words.back().text;
      word = {word.data(), c.end - static_cast<std::size_t>(word.data() - text.data())};
    }
    inside = !space;
  }
  return words;
}

std::vector<SpacedWord> words_with_tokens(const PromptView& prompt) {
  auto words = split_at_spaces(prompt.text);
  const auto end_of = [&](const SpacedWord& word) {
    return static_cast<std::size_t>(word.text.data() - prompt.text.data()) + word.text.size();
  };
  const auto word_at = [&](const Token& token) {
    return std::ranges::upper_bound(words, token.begin, {}, end_of);
  };
  for (std::size_t i = 0; i < prompt.tokens.tokens.size(); ++i) {
    const Token& token = prompt.tokens.tokens[i];
    const auto word = word_at(token);
    if (word == words.end()) continue;
    word->token_ids.push_back(token.id);
    word->positions.push_back(prompt.tokens.position(i));
  }
  for (const Token& token : prompt.tokens.cut) {
    const auto word = word_at(token);
    if (word != words.end()) word->token_ids.push_back(token.id);
  }
  return words;
}

std::string count_of_words(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "word" : "words");
}

struct WordPairs {
  std::vector<SpacedWord> source;
  std::vector<SpacedWord> target;  // as many
};

WordPairs pair_words(const PromptView& source, const PromptView& target) {
  if (source.tokens.ids.size() != target.tokens.ids.size()) {
    throw UsageError(fmt::format("prompts of {} and {} ids cannot be aligned: encode both alike",
                                 source.tokens.ids.size(), target.tokens.ids.size()));
  }
  WordPairs pairs{words_with_tokens(source), words_with_tokens(target)};
  if (pairs.source.size() != pairs.target.size()) {
    throw UsageError(fmt::format(
        "word replacement needs as many words in the target as in the source: the source has {}, "
        "the target {}; change the prompt, or refine instead of replacing",
        count_of_words(pairs.source.size()), count_of_words(pairs.target.size())));
  }
  return pairs;
}

std::vector<ReplacementBlock> blocks_of(const WordPairs& pairs, const TokenizedPrompt& source_ids,
                                        const TokenizedPrompt& target_ids) {
  const auto length = static_cast<int64_t>(target_ids.ids.size());
  int64_t i = source_ids.first;
  int64_t j = target_ids.first;
  std::vector<ReplacementBlock> blocks = {{0, i, 0, j}};  // what stands before the first word
  // A word that one side has cut off leaves the other side's tokens to the next block.
  const auto close_block = [&] {
    const auto& last = blocks.back();
    blocks.push_back({last.source_end, i, last.target_end, j});
  };
  for (std::size_t k = 0; k < pairs.source.size(); ++k) {
    const auto& source = pairs.source[k].positions;
    const auto& target = pairs.target[k].positions;
    i += static_cast<int64_t>(source.size());
    j += static_cast<int64_t>(target.size());
    if (!source.empty() && !target.empty()) close_block();
  }
  while (i < length && j < length) {
    ++i;
    ++j;
    close_block();
  }
  blocks.back().source_end = length;
  blocks.back().target_end = length;
  return blocks;
}

}  // namespace

std::vector<ReplacementBlock> replacement_blocks(const PromptView& source,
                                                 const PromptView& target) {
  return blocks_of(pair_words(source, target), source.tokens, target.tokens);
}

WordReplacement replace_words(const PromptView& source, const PromptView& target) {
  const auto pairs = pair_words(source, target);
  WordReplacement replacement;
  replacement.length = static_cast<int64_t>(target.tokens.ids.size());
  replacement.matrix.resize(static_cast<std::size_t>(replacement.length * replacement.length));
  const auto entry = [&](int64_t w, int64_t n) -> double& {
    return replacement.matrix[static_cast<std::size_t>(w * replacement.length + n)];
  };
  for (const auto& block : blocks_of(pairs, source.tokens, target.tokens)) {
    const int64_t targets = block.target_end - block.target_begin;
    for (int64_t w = block.source_begin; w < block.source_end; ++w) {
      if (block.one_to_one()) {
        entry(w, block.target_begin + w - block.source_begin) = 1;
        continue;
      }
      for (int64_t n = block.target_begin; n < block.target_end; ++n) {
        entry(w, n) = 1.0 / static_cast<double>(targets);
      }
    }
  }
  for (std::size_t k = 0; k < pairs.source.size(); ++k) {
    const auto& was = pairs.source[k];
    const auto& is = pairs.target[k];
    if (was.token_ids == is.token_ids) continue;  // so Cat is cat
    replacement.words.push_back(
        {std::string(was.text), std::string(is.text), was.positions, is.positions});
  }
  return replacement;
}

AlignmentMode prompt_to_prompt_mode(std::string_view source, std::string_view target) {
  return split_at_spaces(source).size() == split_at_spaces(target).size() ? AlignmentMode::kReplace
                                                                          : AlignmentMode::kRefine;
}

}  // namespace sd
