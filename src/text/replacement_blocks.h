#pragma once

#include <cstdint>
#include <vector>

#include "sd/text/alignment.h"

namespace sd {

/// Source ids [source_begin, source_end) give their attention to target ids
/// [target_begin, target_end): one to one if equally many, else each evenly to all.
struct ReplacementBlock {
  int64_t source_begin = 0;
  int64_t source_end = 0;
  int64_t target_begin = 0;
  int64_t target_end = 0;

  bool one_to_one() const { return source_end - source_begin == target_end - target_begin; }
};

/// The blocks of replace_words: in order, each id of either side in exactly one. Throws as it does.
std::vector<ReplacementBlock> replacement_blocks(const PromptView& source,
                                                 const PromptView& target);

}  // namespace sd
