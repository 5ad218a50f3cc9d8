#include "sd/text/clip_vocabulary.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "text/byte_pair_encoding.h"

extern "C" {
extern const char sd_clip_merges_begin[];  // clip_merges.S
extern const char sd_clip_merges_end[];
}

namespace sd {
namespace {

constexpr const char* kBos = "<|startoftext|>";
constexpr const char* kEos = "<|endoftext|>";  // also CLIP's padding and unknown text
constexpr const char* kFirst = "!";            // id 0

std::string vocabulary_json(std::string_view merges) {
  auto spellings = spelled_vocabulary(merges);
  spellings.insert(spellings.end(), {kBos, kEos});
  // Entry by entry: an ordered object looks through all of them for each new key.
  std::string text;
  for (std::size_t id = 0; id < spellings.size(); ++id) {
    constexpr bool kAscii = true;
    text += fmt::format("{}{}: {}", id == 0 ? "{" : ", ",
                        nlohmann::json(spellings[id]).dump(-1, ' ', kAscii), id);
  }
  return text + "}";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> clip_tokenizer_files(int64_t length,
                                                                      int64_t padding) {
  const std::string_view merges(
      sd_clip_merges_begin, static_cast<std::size_t>(sd_clip_merges_end - sd_clip_merges_begin));
  const nlohmann::ordered_json specials = {{"bos_token", kBos},
                                           {"eos_token", kEos},
                                           {"pad_token", padding == 0 ? kFirst : kEos},
                                           {"unk_token", kEos}};
  nlohmann::ordered_json config = {
      {"tokenizer_class", "CLIPTokenizer"}, {"model_max_length", length}, {"do_lower_case", true}};
  config.update(specials);
  return {{"merges.txt", std::string(merges)},
          {"vocab.json", vocabulary_json(merges)},
          {"tokenizer_config.json", config.dump(2) + "\n"},
          {"special_tokens_map.json", specials.dump(2) + "\n"}};
}

}  // namespace sd
