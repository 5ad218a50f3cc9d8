#include "sd/text/prompt_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "sd/core/error.h"
#include "sd/text/emphasis.h"
#include "sd/text/network_tags.h"
#include "sd/text/prompt_schedule.h"
#include "text/whole_word.h"

namespace sd {
namespace {

constexpr int64_t kMaxChunks = 32;        // 2,400 tokens
constexpr std::size_t kMaxParts = 16;     // each is drawn as a row of its own
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

  /// `together` tokens from this one on stay in one chunk.
  void add(const WeightedToken& token, std::size_t together) {
    if (token.comma) {
      comma_ = chunk_.size();
    } else if (chunk_.size() == room_ && comma_ && chunk_.size() - *comma_ <= kBackToComma) {
      const auto behind = chunk_.begin() + static_cast<std::ptrdiff_t>(*comma_) + 1;
      std::vector<WeightedToken> moved(behind, chunk_.end());
      chunk_.erase(behind, chunk_.end());
      close();
      chunk_ = std::move(moved);
    }
    if (chunk_.size() + together > room_) close();
    chunk_.push_back(token);
  }

  void close() {
    chunks_.push_back(std::exchange(chunk_, {}));
    comma_.reset();
    if (static_cast<int64_t>(chunks_.size()) > kMaxChunks) {
      throw UsageError(
          fmt::format("the prompt needs more than {} chunks of {} tokens", kMaxChunks, room_));
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

/// How many tokens from `first` on are of one embedding; 1 for any other token.
std::size_t tokens_together(const std::vector<Token>& tokens, std::size_t first) {
  std::size_t end = first + 1;
  const auto& token = tokens[first];
  while (token.whole && end < tokens.size() && tokens[end].whole &&
         tokens[end].begin == token.begin && tokens[end].end == token.end) {
    ++end;
  }
  return end - first;
}

PromptVariant lay_out(const Tokenizer& tokenizer, const SourcedText& prompt, int64_t least) {
  ChunkBuilder builder(tokenizer);
  for (const auto& stretch : parse_emphasis(prompt.text)) {
    if (stretch.break_here) {
      builder.close();
      continue;
    }
    const auto weight = static_cast<float>(stretch.weight);
    if (!std::isfinite(weight)) {
      throw UsageError(
          fmt::format("'{}' is weighted beyond all numbers: fewer brackets, or a "
                      "weight like ({}:1.3)",
                      stretch.text, stretch.text));
    }
    const auto source = [&](std::size_t at) {
      const auto in_text = stretch.origin[at];
      return in_text < prompt.origin.size() ? prompt.origin[in_text]
             : prompt.origin.empty()        ? std::size_t{0}
                                            : prompt.origin.back() + 1;
    };
    const auto tokens = tokenizer.tokenize(stretch.text);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const auto& token = tokens[i];
      const bool comma = stretch.text.substr(token.begin, token.end - token.begin) == ",";
      const auto last = token.end > token.begin ? source(token.end - 1) + 1 : source(token.begin);
      builder.add({{token.id, source(token.begin), last, token.whole}, weight, comma},
                  tokens_together(tokens, i));
    }
  }
  return builder.finish(least);
}

/// Changes of a part whose bytes stand at `origin` in the prompt.
std::vector<ScheduledText> schedule_part(const SourcedText& part, int64_t steps) {
  auto changes = schedule_prompt(part.text, steps);
  for (auto& change : changes) {
    for (auto& at : change.prompt.origin) at = part.origin[at];
  }
  return changes;
}

/// Whether it has markup of another kind than AND.
bool has_markup_of_one(std::string_view prompt) {
  return prompt.find_first_of("()[]\\") != prompt.npos ||
         find_whole_word(prompt, kBreakWord) != prompt.npos;
}

/// Positions by the bytes that a token came from and its number among tokens of the same ones.
using TokenPlaces = std::map<std::array<std::size_t, 3>, int64_t>;

/// Adds the tokens of a variant of a part whose ids begin at `offset`; `places` knows those so far.
void add_tokens(const TokenizedPrompt& variant, int64_t offset, TokenPlaces& places,
                TokenizedPrompt& all) {
  std::array<std::size_t, 3> key = {};
  for (std::size_t i = 0; i < variant.tokens.size(); ++i) {
    const auto& token = variant.tokens[i];
    const bool same = i > 0 && key[0] == token.begin && key[1] == token.end;
    key = {token.begin, token.end, same ? key[2] + 1 : 0};
    const auto position = offset + variant.position(i);
    const auto [place, is_new] = places.insert({key, position});
    if (is_new) {
      all.tokens.push_back(token);
      all.positions.push_back(position);
    } else if (place->second != position) {
      all.moved.push_back(token);
    }
  }
}

}  // namespace

bool has_prompt_markup(std::string_view prompt) {
  return has_markup_of_one(prompt) || find_whole_word(prompt, kComposingWord) != prompt.npos;
}

PromptReader::PromptReader(std::shared_ptr<const Tokenizer> tokenizer, PromptSyntax syntax,
                           int64_t steps, int64_t chunks)
    : Tokenizer(tokenizer->specials(), tokenizer->length() * chunks),
      tokenizer_(std::move(tokenizer)),
      syntax_(syntax),
      steps_(steps),
      chunks_(chunks) {}

PromptVariant PromptReader::read_plain(std::string_view prompt) const {
  PromptVariant plain{0, tokenizer_->encode(prompt), {}, 1};
  ChunkBuilder nothing(*tokenizer_);
  const auto empty = nothing.finish(1);
  for (; plain.chunks < chunks_; ++plain.chunks) {
    plain.tokens.ids.insert(plain.tokens.ids.end(), empty.tokens.ids.begin(),
                            empty.tokens.ids.end());
  }
  plain.weights.assign(plain.tokens.ids.size(), 1.0F);
  return plain;
}

/// Empty for a prompt that is read as plain text.
std::vector<ComposedPrompt> PromptReader::split(std::string_view prompt) const {
  const bool marked = composes_ ? has_prompt_markup(prompt) : has_markup_of_one(prompt);
  if (syntax_ == PromptSyntax::kPlain || (syntax_ == PromptSyntax::kAuto && !marked)) return {};
  if (!composes_) return {{as_sourced(prompt), 1}};
  auto parts = split_composition(prompt);
  if (parts.size() > kMaxParts) {
    throw UsageError(fmt::format("the prompt puts {} prompts together with {}, at most {} can be",
                                 parts.size(), kComposingWord, kMaxParts));
  }
  return parts;
}

std::string PromptReader::readable(std::string_view text) const {
  return syntax_ == PromptSyntax::kPlain ? std::string(text) : blank_network_tags(text);
}

std::vector<NetworkTag> PromptReader::network_tags(std::string_view prompt) const {
  return syntax_ == PromptSyntax::kPlain ? std::vector<NetworkTag>() : find_network_tags(prompt);
}

std::vector<PromptPart> PromptReader::read_parts(std::string_view prompt) const {
  const auto text = readable(prompt);
  const auto parts = split(text);
  if (parts.empty()) return {{1, {read_plain(text)}}};
  std::vector<PromptPart> read;
  int64_t most = chunks_;
  for (const bool last : {false, true}) {  // once to see how many chunks, once to have as many
    read.clear();
    for (const auto& part : parts) {
      read.push_back({part.weight, {}});
      for (const auto& change : schedule_part(part.prompt, steps_)) {
        auto& variants = read.back().variants;
        variants.push_back(lay_out(*tokenizer_, change.prompt, last ? most : 1));
        variants.back().first_step = change.first_step;
        most = std::max(most, variants.back().chunks);
      }
    }
  }
  return read;
}

std::vector<double> PromptReader::part_weights(std::string_view prompt) const {
  std::vector<double> weights;
  for (const auto& part : split(readable(prompt))) weights.push_back(part.weight);
  return weights.empty() ? std::vector<double>{1} : weights;
}

std::vector<PromptVariant> PromptReader::read(std::string_view prompt) const {
  return without_composition()->read_parts(prompt).front().variants;
}

int64_t PromptReader::chunks_of(std::string_view prompt) const {
  return read_parts(prompt).front().variants.front().chunks;
}

std::shared_ptr<const PromptReader> PromptReader::without_composition() const {
  auto reader = std::make_shared<PromptReader>(*this);
  reader->composes_ = false;
  return reader;
}

std::vector<Token> PromptReader::tokenize(std::string_view text) const {
  return tokenizer_->tokenize(text);
}

TokenizedPrompt PromptReader::encode(std::string_view text) const {
  const auto parts = read_parts(text);
  const auto& first = parts.front().variants;
  if (parts.size() == 1 && first.size() == 1) return first.front().tokens;
  TokenizedPrompt together{{}, {}, {}, first.front().tokens.first};
  TokenPlaces places;
  for (const auto& part : parts) {
    const auto offset = static_cast<int64_t>(together.ids.size());
    const auto& ids = part.variants.front().tokens.ids;
    together.ids.insert(together.ids.end(), ids.begin(), ids.end());
    for (const auto& variant : part.variants) add_tokens(variant.tokens, offset, places, together);
  }
  return together;
}

}  // namespace sd
