#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sd {

/// CLIP's tokenizer as transformers' CLIPTokenizer reads it, by file name: merges.txt, vocab.json,
/// tokenizer_config.json and special_tokens_map.json, for a text encoder of `length` ids.
std::vector<std::pair<std::string, std::string>> clip_tokenizer_files(int64_t length);

}  // namespace sd
