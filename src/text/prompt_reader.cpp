#include "sd/text/prompt_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "sd/core/error.h"
#include "sd/text/emphasis.h"
#include "sd/text/prompt_schedule.h"

namespace sd {
namespace {

constexpr int64_t kMaxChunks = 32;        // 2,400 tokens
constexpr std::size_t kBackToComma = 20;  // tokens, as the web UI's default

struct WeightedToken {
  Token token;
  float weight = 1;
  bool comma = false;
};

/// Fills chunks with tokens and lays them out as ids.
class ChunkBuilder {
 public:
  explicit ChunkBuilder(const Tokenizer& tokenizer)
      : tokenizer_(tokenizer),
        room_(static_cast<std::size_t>(tokenizer.length() - 1 -
                                       (tokenizer.specials().begin ? 1 : 0))) {}

  void add(const WeightedToken& token) {
    if (token.comma) {
      comma_ = chunk_.size();
    } else if (chunk_.size() == room_ && comma_ && chunk_.size() - *comma_ <= kBackToComma) {
      const auto behind = chunk_.begin() + static_cast<std::ptrdiff_t>(*comma_) + 1;
      std::vector<WeightedToken> moved(behind, chunk_.end());
      chunk_.erase(behind, chunk_.end());
      close();
      chunk_ = std::move(moved);
    }
    if (chunk_.size() == room_) close();
    chunk_.push_back(token);
  }

  void close() {
    chunks_.push_back(std::exchange(chunk_, {}));
    comma_.reset();
    if (static_cast<int64_t>(chunks_.size()) > kMaxChunks) {
      throw UsageError(fmt::format("the prompt needs more than {} chunks of {} tokens", kMaxChunks,
                                   room_));
    }
  }

  PromptVariant finish(int64_t least) {
    if (!chunk_.empty() || chunks_.empty()) close();
    chunks_.resize(std::max(chunks_.size(), static_cast<std::size_t>(least)));
    PromptVariant variant;
    variant.chunks = static_cast<int64_t>(chunks_.size());
    for (const auto& chunk : chunks_) lay_out(chunk, variant);
    return variant;
  }

 private:
  void lay_out(const std::vector<WeightedToken>& chunk, PromptVariant& variant) const {
    auto& tokens = variant.tokens;
    const auto& specials = tokenizer_.specials();
    const auto end = tokens.ids.size() + static_cast<std::size_t>(tokenizer_.length());
    if (specials.begin) tokens.ids.push_back(*specials.begin);
    variant.weights.resize(tokens.ids.size(), 1.0F);
    for (const auto& [token, weight, comma] : chunk) {
      tokens.tokens.push_back(token);
      tokens.positions.push_back(static_cast<int64_t>(tokens.ids.size()));
      tokens.ids.push_back(token.id);
      variant.weights.push_back(weight);
    }
    tokens.ids.push_back(specials.end);
    tokens.ids.resize(end, specials.padding);
    variant.weights.resize(end, 1.0F);
    tokens.first = specials.begin ? 1 : 0;
  }

  const Tokenizer& tokenizer_;
  std::size_t room_;
  std::vector<WeightedToken> chunk_;
  std::optional<std::size_t> comma_;  // the newest in chunk_
  std::vector<std::vector<WeightedToken>> chunks_;
};

PromptVariant lay_out(const Tokenizer& tokenizer, const SourcedText& prompt, int64_t least) {
  ChunkBuilder builder(tokenizer);
  for (const auto& stretch : parse_emphasis(prompt.text)) {
    if (stretch.break_here) {
      builder.close();
      continue;
    }
    const auto weight = static_cast<float>(stretch.weight);
    if (!std::isfinite(weight)) {
      throw UsageError(fmt::format("'{}' is weighted beyond all numbers: fewer brackets, or a "
                                   "weight like ({}:1.3)",
                                   stretch.text, stretch.text));
    }
    const auto source = [&](std::size_t at) {
      const auto in_text = stretch.origin[at];
      return in_text < prompt.origin.size() ? prompt.origin[in_text]
             : prompt.origin.empty()        ? std::size_t{0}
                                            : prompt.origin.back() + 1;
    };
    for (const auto& token : tokenizer.tokenize(stretch.text)) {
      const bool comma = stretch.text.substr(token.begin, token.end - token.begin) == ",";
      const auto last = token.end > token.begin ? source(token.end - 1) + 1 : source(token.begin);
      builder.add({{token.id, source(token.begin), last}, weight, comma});
    }
  }
  return builder.finish(least);
}

bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         (c & 0x80) != 0;
}

}  // namespace

bool has_prompt_markup(std::string_view prompt) {
  if (prompt.find_first_of("()[]\\") != prompt.npos) return true;
  constexpr std::string_view kBreak = "BREAK";
  for (auto at = prompt.find(kBreak); at != prompt.npos; at = prompt.find(kBreak, at + 1)) {
    const auto end = at + kBreak.size();
    if ((at == 0 || !is_word_byte(prompt[at - 1])) &&
        (end == prompt.size() || !is_word_byte(prompt[end]))) {
      return true;
    }
  }
  return false;
}

PromptReader::PromptReader(std::shared_ptr<const Tokenizer> tokenizer, PromptSyntax syntax,
                           int64_t steps, int64_t chunks)
    : Tokenizer(tokenizer->specials(), tokenizer->length() * chunks),
      tokenizer_(std::move(tokenizer)),
      syntax_(syntax),
      steps_(steps),
      chunks_(chunks) {}

std::vector<PromptVariant> PromptReader::read(std::string_view prompt) const {
  const bool markup = syntax_ == PromptSyntax::kA1111 ||
                      (syntax_ == PromptSyntax::kAuto && has_prompt_markup(prompt));
  if (!markup) {
    PromptVariant plain{0, tokenizer_->encode(prompt), {}, 1};
    ChunkBuilder nothing(*tokenizer_);
    const auto empty = nothing.finish(1);
    for (; plain.chunks < chunks_; ++plain.chunks) {
      plain.tokens.ids.insert(plain.tokens.ids.end(), empty.tokens.ids.begin(),
                              empty.tokens.ids.end());
    }
    plain.weights.assign(plain.tokens.ids.size(), 1.0F);
    return {plain};
  }
  if (split_composition(prompt).size() > 1) {
    throw UsageError(
        "AND between prompts is not supported yet\nLeave it out, or read the prompt as text: "
        "--prompt-syntax plain.");
  }
  std::vector<PromptVariant> variants;
  int64_t most = chunks_;
  for (const bool last : {false, true}) {  // once to see how many chunks, once to have as many
    variants.clear();
    for (const auto& change : schedule_prompt(prompt, steps_)) {
      variants.push_back(lay_out(*tokenizer_, change.prompt, last ? most : 1));
      variants.back().first_step = change.first_step;
      most = std::max(most, variants.back().chunks);
    }
  }
  return variants;
}

int64_t PromptReader::chunks_of(std::string_view prompt) const {
  return read(prompt).front().chunks;
}

std::vector<Token> PromptReader::tokenize(std::string_view text) const {
  return tokenizer_->tokenize(text);
}

TokenizedPrompt PromptReader::encode(std::string_view text) const {
  auto variants = read(text);
  auto all = std::move(variants.front().tokens);
  if (variants.size() == 1) return all;
  std::map<std::pair<std::size_t, std::size_t>, int64_t> places;
  for (std::size_t i = 0; i < all.tokens.size(); ++i) {
    places[{all.tokens[i].begin, all.tokens[i].end}] = all.position(i);
  }
  for (auto variant = variants.begin() + 1; variant != variants.end(); ++variant) {
    for (std::size_t i = 0; i < variant->tokens.tokens.size(); ++i) {
      const auto& token = variant->tokens.tokens[i];
      const auto position = variant->tokens.position(i);
      const auto [place, is_new] = places.insert({{token.begin, token.end}, position});
      if (is_new) {
        all.tokens.push_back(token);
        all.positions.push_back(position);
      } else if (place->second != position) {
        all.moved.push_back(token);
      }
    }
  }
  return all;
}

}  // namespace sd
