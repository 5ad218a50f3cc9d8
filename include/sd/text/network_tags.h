#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// "<lora:name:0.8>" in a prompt: asks for an extra network, as in AUTOMATIC1111's web UI, and is
/// no text.
struct NetworkTag {
  std::size_t begin = 0;  // bytes [begin, end) of the prompt
  std::size_t end = 0;
  bool is_lora = true;  // or one of its kin; else a hypernetwork
  std::string words;    // behind the kind: "name:0.8" (network_words.h)
};

/// The tags of a prompt, in order: "<kind:anything>" with lora, lyco, lycoris, hypernet or
/// hypernetwork as its kind, in any case. Other text in angle brackets is none.
std::vector<NetworkTag> find_network_tags(std::string_view prompt);

/// The prompt with spaces in place of its tags, so that every other byte stands where it stood.
std::string blank_network_tags(std::string_view prompt);

}  // namespace sd
