#include "sd/text/prompt_choices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::size_t kMaxDepth = 64;  // of braces in braces; deeper ones are text
constexpr std::size_t kMaxBytes = 16'000'000;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);
constexpr uint64_t kUncountable = 1'000'000'000'000'000'000;

/// Text, or else the options of a choice.
struct Piece {
  std::string text;
  std::vector<std::vector<Piece>> options;
};
using Pieces = std::vector<Piece>;

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// For every opening brace or square bracket the one that closes it; kNone where there is none.
std::vector<std::size_t> match_brackets(std::string_view prompt) {
  std::vector<std::size_t> partner(prompt.size(), kNone), open;
  std::size_t braces = 0;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const char c = prompt[i];
    if (c == '\\') {
      ++i;
    } else if (c == '{' || c == '[') {
      open.push_back(i);
      braces += c == '{';
    } else if (c == ']' && !open.empty() && prompt[open.back()] == '[') {
      partner[open.back()] = i;
      open.pop_back();
    } else if (c == '}' && braces > 0) {
      while (prompt[open.back()] == '[') open.pop_back();  // never closed inside the braces
      if (braces <= kMaxDepth) partner[open.back()] = i;
      open.pop_back();
      --braces;
    }
  }
  return partner;
}

class ChoiceParser {
 public:
  explicit ChoiceParser(std::string_view prompt)
      : prompt_(prompt), partner_(match_brackets(prompt)) {}

  Pieces parse() const { return parse({0, prompt_.size()}, /*is_option=*/false); }

 private:
  Pieces parse(Span span, bool is_option) const {
    Pieces pieces(1);
    std::size_t square_end = span.begin;  // bars before it belong to square brackets
    for (std::size_t i = span.begin; i < span.end; ++i) {
      const char c = prompt_[i];
      if (c == '\\' && i + 1 < span.end) {
        const char next = prompt_[++i];
        const bool ours =
            next == '{' || next == '}' || (next == '|' && is_option && i >= square_end);
        if (!ours) pieces.back().text += c;
        pieces.back().text += next;
        continue;
      }
      if (c == '[' && partner_[i] != kNone) square_end = std::max(square_end, partner_[i]);
      if (c == '{' && partner_[i] != kNone) {
        if (const auto options = split({i + 1, partner_[i]}); options.size() > 1) {
          pieces.emplace_back();
          for (const auto& option : options) pieces.back().options.push_back(parse(option, true));
          pieces.emplace_back();
          i = partner_[i];
          continue;
        }
      }
      pieces.back().text += c;
    }
    return pieces;
  }

  /// The options between bars that stand in no bracket of their own.
  std::vector<Span> split(Span inside) const {
    std::vector<Span> options = {inside};
    for (std::size_t i = inside.begin; i < inside.end; ++i) {
      if (prompt_[i] == '\\') {
        ++i;
      } else if (partner_[i] != kNone) {
        i = partner_[i];
      } else if (prompt_[i] == '|') {
        options.back().end = i;
        options.push_back({i + 1, inside.end});
      }
    }
    return options;
  }

  std::string_view prompt_;
  std::vector<std::size_t> partner_;
};

/// How many combinations there are, at most kUncountable.
uint64_t count(const Pieces& pieces) {
  uint64_t product = 1;
  for (const auto& piece : pieces) {
    if (piece.options.empty()) continue;
    uint64_t sum = 0;
    for (const auto& option : piece.options) sum = std::min(sum + count(option), kUncountable);
    product = sum > kUncountable / product ? kUncountable : product * sum;
  }
  return product;
}

std::vector<std::string> expand(const Pieces& pieces) {
  std::vector<std::string> prompts(1);
  for (const auto& piece : pieces) {
    if (piece.options.empty()) {
      for (auto& prompt : prompts) prompt += piece.text;
      continue;
    }
    std::vector<std::string> longer;
    std::vector<std::string> choices;
    for (const auto& option : piece.options) {
      auto own = expand(option);
      std::move(own.begin(), own.end(), std::back_inserter(choices));
    }
    for (const auto& prompt : prompts) {
      for (const auto& choice : choices) longer.push_back(prompt + choice);
    }
    prompts = std::move(longer);
  }
  return prompts;
}

}  // namespace

std::vector<std::string> expand_choices(std::string_view prompt, std::size_t most) {
  const auto pieces = ChoiceParser(prompt).parse();
  const auto combinations = count(pieces);
  if (combinations > most) {
    throw UsageError(fmt::format("the prompt has {}{} combinations, at most {} are drawn",
                                 combinations == kUncountable ? "over " : "", combinations, most));
  }
  if (combinations > 1 && combinations > kMaxBytes / prompt.size()) {
    throw UsageError(fmt::format("the prompt's {} combinations come to more than {} MB of text",
                                 combinations, kMaxBytes / 1'000'000));
  }
  return expand(pieces);
}

bool has_choices(std::string_view prompt) { return count(ChoiceParser(prompt).parse()) > 1; }

}  // namespace sd
