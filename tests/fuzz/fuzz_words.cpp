// Two prompts and words to look for in them, apart by line breaks: what edits of attention ask of
// texts.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/alignment.h"
#include "sd/text/alignment_table.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/prompt_reader.h"
#include "sd/text/word_piece_tokenizer.h"
#include "sd/text/words.h"
#include "text/clusters.h"
#include "text/suggest.h"

namespace {

/// What stands before the next line break, which goes.
std::string next_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Whatever is found stands inside the prompt's ids.
void check_words(const std::string& prompt, const sd::TokenizedPrompt& tokens,
                 const std::vector<std::string>& queries) {
  const sd::PromptWords words(prompt, tokens);
  if (words.list().size() > 8 * prompt.size() + 64) std::abort();
  for (const auto& query : queries) {
    try {
      for (const auto position : words.find(query)) {
        if (position < 0 || position >= static_cast<int64_t>(tokens.ids.size())) std::abort();
      }
    } catch (const sd::UsageError&) {
    }
  }
}

/// Every target position is in exactly one row.
void check_rows(const std::vector<sd::AlignmentRow>& rows, std::size_t length) {
  std::vector<int> times(length);
  for (const auto& row : rows) {
    for (const auto position : row.target_positions) {
      ++times.at(static_cast<std::size_t>(position));
    }
  }
  if (std::any_of(times.begin(), times.end(), [](int count) { return count != 1; })) std::abort();
}

void check_alignment(const sd::PromptView& source, const sd::PromptView& target,
                     const sd::Tokenizer& tokenizer) {
  const auto text = [&](int64_t id) { return tokenizer.decode(id); };
  for (const auto mode :
       {sd::AlignmentMode::kFork, sd::AlignmentMode::kReplace, sd::AlignmentMode::kRefine,
        sd::prompt_to_prompt_mode(source.text, target.text)}) {
    try {
      check_rows(sd::describe_alignment(mode, source, target, text), target.tokens.ids.size());
    } catch (const sd::UsageError&) {
    }
  }
  try {
    const auto replaced = sd::replace_words(source, target);
    for (int64_t row = 0; row < replaced.length; ++row) {
      double sum = 0;
      for (int64_t column = 0; column < replaced.length; ++column) sum += replaced.at(row, column);
      if (!(sum > 0.999 && sum < 1.001)) std::abort();
    }
  } catch (const sd::UsageError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(bytes), size);
  const auto source = next_line(rest), target = next_line(rest);
  std::vector<std::string> queries;
  while (!rest.empty() && queries.size() < 8) queries.push_back(next_line(rest));

  static const sd::WordPieceTokenizer bert;
  static const sd::PromptReader reader(
      std::make_shared<sd::ClipTokenizer>(77, sd::ClipTokenizer::kEos), sd::PromptSyntax::kAuto,
      10);
  const std::array<const sd::Tokenizer*, 3> tokenizers = {&sd::ClipTokenizer::instance(), &bert,
                                                          &reader};
  for (const auto* tokenizer : tokenizers) {
    try {
      const auto from = tokenizer->encode(source), to = tokenizer->encode(target);
      check_words(tokenizer->readable(source), from, queries);
      check_words(tokenizer->readable(target), to, queries);
      check_alignment({source, from}, {target, to}, *tokenizer);
    } catch (const sd::UsageError&) {
    }
  }
  sd::did_you_mean(source, queries);
  if (sd::first_clusters(source, queries.size()).size() > source.size()) std::abort();
  return 0;
}
