#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sd {

/// CLIP's tokenizer as transformers' CLIPTokenizer reads it, by file name: merges.txt, vocab.json,
/// tokenizer_config.json and special_tokens_map.json, for a text encoder of `length` ids that fills
/// up with the id `padding`: 0 as OpenCLIP's, or that of the end as CLIP's.
std::vector<std::pair<std::string, std::string>> clip_tokenizer_files(int64_t length,
                                                                      int64_t padding);

}  // namespace sd
