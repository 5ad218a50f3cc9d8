#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sd {

/// The files of CLIP's tokenizer, by name, as transformers' CLIPTokenizer reads them: merges.txt,
/// vocab.json, tokenizer_config.json and special_tokens_map.json. The text encoder takes `length`
/// ids. `padding` is the id that fills them up: 0 for OpenCLIP, the id of the end for CLIP.
std::vector<std::pair<std::string, std::string>> clip_tokenizer_files(int64_t length,
                                                                      int64_t padding);

}  // namespace sd
