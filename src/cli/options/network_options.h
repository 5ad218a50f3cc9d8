#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sd::cli {

/// LoRAs and their kin as they were given: "ink:0.8" (sd/text/network_words.h).
struct NetworkOptions {
  std::vector<std::string> loras;
  std::vector<std::string> target_loras;  // of a swap: its targets alone have them
};

/// The paths among the values of `--lora`; a name that is looked for in folders is none.
std::vector<std::filesystem::path> network_paths(const std::string& value);

/// The value without folders and ending, as pictures tell it: "ink:0.8".
std::string network_label(const std::string& value);

}  // namespace sd::cli
