#include "sd/text/alignment_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "text/replacement_blocks.h"
#include "text/unicode.h"

namespace sd {
namespace {

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> positions(static_cast<std::size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

/// One side: its ids, and where the padding begins.
class Side {
 public:
  explicit Side(const TokenizedPrompt& prompt) : prompt_(prompt), padding_(prompt.padding()) {}

  int64_t length() const { return static_cast<int64_t>(prompt_.ids.size()); }
  int64_t padding() const { return padding_; }
  int64_t id(int64_t position) const { return prompt_.ids[static_cast<std::size_t>(position)]; }
  /// CLIP pads with EOS, so that one aligned with padding counts as such.
  bool is_end(int64_t position) const { return position >= padding_ - 1; }

  std::string text(const std::vector<int64_t>& positions, const TokenText& token_text) const {
    std::vector<std::string> parts;
    int64_t paddings = 0;
    const bool run = positions.size() > 1 && is_end(positions.front());
    for (const int64_t position : positions) {
      if (position >= padding_ || run) {
        ++paddings;
      } else {
        parts.push_back(readable(token_text(id(position))));
      }
    }
    if (paddings > 0) {
      parts.push_back(paddings == 1 ? "padding" : fmt::format("padding \u00d7{}", paddings));
    }
    return fmt::format("{}", fmt::join(parts, " "));
  }

 private:
  /// A token may hold a part of a character, and spells the end of a word as a space.
  static std::string readable(std::string_view token) {
    std::string text;
    for (const SourceChar& c : decode_utf8(token)) append_utf8(c.code, text);
    if (text.ends_with(' ')) text.pop_back();
    return text;
  }

  const TokenizedPrompt& prompt_;
  int64_t padding_;
};

struct Link {
  std::vector<int64_t> source;
  std::vector<int64_t> target;
  TokenAction action = TokenAction::kOwn;
};

Link pair(const Side& source, int64_t w, const Side& target, int64_t n) {
  return {{w}, {n}, source.id(w) == target.id(n) ? TokenAction::kKept : TokenAction::kReplaced};
}

std::vector<Link> token_links(const Side& source, const Side& target,
                              const std::vector<double>& mask,
                              const std::vector<int64_t>& indices) {
  std::vector<Link> links;
  for (int64_t n = 0; n < target.length(); ++n) {
    const auto at = static_cast<std::size_t>(n);
    links.push_back(mask[at] > 0 ? pair(source, indices[at], target, n)
                                 : Link{{}, {n}, TokenAction::kOwn});
  }
  return links;
}

std::vector<Link> block_links(const Side& source, const Side& target,
                              const std::vector<ReplacementBlock>& blocks) {
  std::vector<Link> links;
  for (const auto& block : blocks) {
    if (block.one_to_one()) {
      for (int64_t w = block.source_begin; w < block.source_end; ++w) {
        links.push_back(pair(source, w, target, block.target_begin + w - block.source_begin));
      }
      continue;
    }
    const bool ends = source.is_end(block.source_begin) && target.is_end(block.target_begin);
    links.push_back({range(block.source_begin, block.source_end),
                     range(block.target_begin, block.target_end),
                     ends ? TokenAction::kKept : TokenAction::kAveraged});
  }
  return links;
}

/// Whether `link` only says what happens to padding.
bool is_padding(const Link& link, const Side& source, const Side& target) {
  return link.target.front() >= target.padding() &&
         (link.source.empty() || source.is_end(link.source.front()));
}

/// Runs of padding that fare alike become one link.
std::vector<Link> with_padding_joined(std::vector<Link> links, const Side& source,
                                      const Side& target) {
  std::vector<Link> joined;
  for (auto& link : links) {
    if (!joined.empty() && is_padding(link, source, target) &&
        is_padding(joined.back(), source, target) && joined.back().action == link.action) {
      auto& run = joined.back();
      run.source.insert(run.source.end(), link.source.begin(), link.source.end());
      run.target.insert(run.target.end(), link.target.begin(), link.target.end());
    } else {
      joined.push_back(std::move(link));
    }
  }
  return joined;
}

/// Adds the source's tokens that no link uses, each behind the one it stands behind.
std::vector<Link> with_dropped(std::vector<Link> links, const Side& source) {
  std::vector<bool> done(static_cast<std::size_t>(source.padding()));
  for (const auto& link : links) {
    for (const int64_t w : link.source) {
      if (w < source.padding()) done[static_cast<std::size_t>(w)] = true;
    }
  }
  std::vector<Link> all;
  const auto drop_from = [&](int64_t w) {
    for (; w < source.padding() && !done[static_cast<std::size_t>(w)]; ++w) {
      all.push_back({{w}, {}, TokenAction::kDropped});
      done[static_cast<std::size_t>(w)] = true;
    }
  };
  drop_from(0);
  for (auto& link : links) {
    const int64_t last = link.source.empty() ? -1 : link.source.back();
    all.push_back(std::move(link));
    if (last >= 0) drop_from(last + 1);
  }
  return all;
}

std::vector<Link> links_of(AlignmentMode mode, const PromptView& source, const PromptView& target) {
  const Side from(source.tokens);
  const Side to(target.tokens);
  if (mode == AlignmentMode::kReplace) {
    return block_links(from, to, replacement_blocks(source, target));
  }
  if (mode == AlignmentMode::kRefine) {
    const auto refinement = refine_tokens(source.tokens, target.tokens);
    return token_links(from, to, refinement.alphas, refinement.mapper);
  }
  const auto alignment = align_ids(source.tokens.ids, target.tokens.ids);
  return token_links(from, to, alignment.mask, alignment.indices);
}

}  // namespace

std::string_view name_of(TokenAction action) {
  switch (action) {
    case TokenAction::kKept:
      return "kept";
    case TokenAction::kReplaced:
      return "replaced";
    case TokenAction::kAveraged:
      return "averaged";
    case TokenAction::kOwn:
      return "own";
    case TokenAction::kDropped:
      return "dropped";
  }
  return "";
}

std::vector<AlignmentRow> describe_alignment(AlignmentMode mode, const PromptView& source,
                                             const PromptView& target,
                                             const TokenText& token_text) {
  const Side from(source.tokens);
  const Side to(target.tokens);
  const auto links =
      with_dropped(with_padding_joined(links_of(mode, source, target), from, to), from);
  std::vector<AlignmentRow> rows;
  for (const auto& link : links) {
    rows.push_back({from.text(link.source, token_text), to.text(link.target, token_text),
                    link.action, link.source, link.target});
  }
  return rows;
}

}  // namespace sd
