#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/alignment.h"

namespace sd {

/// What becomes of a target token's attention, or of a source token's.
enum class TokenAction {
  kKept,      // the source's map of the same token
  kReplaced,  // the source's map of another token
  kAveraged,  // the source's maps of a word, spread over the tokens of the word in its place
  kOwn,       // the target's own map
  kDropped,   // a source token whose map is not used
};

/// "kept", "replaced", "averaged", "own" or "dropped".
std::string_view name_of(TokenAction action);

/// One line of an alignment. Texts are for reading: tokens as the vocabulary spells them, "padding
/// ×68" for a run of paddings, empty where a side has no part.
struct AlignmentRow {
  std::string source;
  std::string target;
  TokenAction action = TokenAction::kKept;
  std::vector<int64_t> source_positions;  // indices of ids
  std::vector<int64_t> target_positions;
};

/// How an id reads: ClipTokenizer::decode, or that of another tokenizer.
using TokenText = std::function<std::string(int64_t id)>;

/// The alignment of two prompts, in the order of the target; dropped source tokens follow the token
/// that they stand behind. Every target position is in exactly one row. Throws UsageError where
/// `mode` does not apply: see replace_words and refine_tokens.
std::vector<AlignmentRow> describe_alignment(AlignmentMode mode, const PromptView& source,
                                             const PromptView& target, const TokenText& token_text);

}  // namespace sd
