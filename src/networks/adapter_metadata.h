#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "networks/merge.h"

namespace sd {

/// The alphas that PEFT and diffusers keep beside the tensors and not among them.
class AdapterAlphas {
 public:
  /// Reads `lora_adapter_metadata` (diffusers writes it into a .safetensors) and the
  /// `adapter_config.json` of PEFT, where there is one. Throws CheckpointError beginning with
  /// `label` for what cannot be understood.
  AdapterAlphas(const std::vector<std::pair<std::string, std::string>>& metadata,
                const std::optional<std::filesystem::path>& config, const std::string& label);

  /// Of a module, by the file's spelling.
  DefaultAlpha of(std::string_view module) const;

 private:
  struct Pattern {
    std::size_t order = 0;  // the first that fits counts
    double alpha = 1;
  };
  struct Section {
    std::optional<double> alpha;
    bool root_of_rank = false;
    std::unordered_map<std::string, Pattern> patterns;
  };
  void read(std::string_view text, const std::string& what);

  std::map<std::string, Section, std::less<>> sections_;  // by "unet", "text_encoder", ""
};

}  // namespace sd
