#include "networks/module_keys.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sd/core/error.h"

namespace sd {
namespace {

using Part = NetworkPart;

struct Suffix {
  std::string_view text;
  Part part;
};

// The first that a key ends in decides.
constexpr std::array kSuffixes = {
    Suffix{".lora_down.weight", Part::kDown},
    Suffix{".lora_up.weight", Part::kUp},
    Suffix{".lora_mid.weight", Part::kMid},
    Suffix{".lora_linear_layer.down.weight", Part::kDown},
    Suffix{".lora_linear_layer.up.weight", Part::kUp},
    Suffix{".lora.down.weight", Part::kDown},
    Suffix{".lora.up.weight", Part::kUp},
    Suffix{"_lora.down.weight", Part::kDown},
    Suffix{"_lora.up.weight", Part::kUp},
    Suffix{".lora_A.weight", Part::kDown},
    Suffix{".lora_B.weight", Part::kUp},
    Suffix{".lora_B.bias", Part::kUpBias},
    Suffix{".lora_magnitude_vector.weight", Part::kPeftMagnitude},
    Suffix{".lora_magnitude_vector", Part::kPeftMagnitude},
    Suffix{".dora_scale", Part::kMagnitude},
    Suffix{".alpha", Part::kAlpha},
    Suffix{".scale", Part::kScale},
    Suffix{".hada_w1_a", Part::kHadamard1A},
    Suffix{".hada_w1_b", Part::kHadamard1B},
    Suffix{".hada_w2_a", Part::kHadamard2A},
    Suffix{".hada_w2_b", Part::kHadamard2B},
    Suffix{".hada_t1", Part::kHadamardCore1},
    Suffix{".hada_t2", Part::kHadamardCore2},
    Suffix{".lokr_w1", Part::kKronecker1},
    Suffix{".lokr_w1_a", Part::kKronecker1A},
    Suffix{".lokr_w1_b", Part::kKronecker1B},
    Suffix{".lokr_w2", Part::kKronecker2},
    Suffix{".lokr_w2_a", Part::kKronecker2A},
    Suffix{".lokr_w2_b", Part::kKronecker2B},
    Suffix{".lokr_t2", Part::kKroneckerCore2},
    Suffix{".a1.weight", Part::kGloraA1},
    Suffix{".a2.weight", Part::kGloraA2},
    Suffix{".b1.weight", Part::kGloraB1},
    Suffix{".b2.weight", Part::kGloraB2},
    Suffix{".bm.weight", Part::kGloraCore},
    Suffix{".on_input", Part::kIa3OnInput},
    Suffix{".diff", Part::kDiff},
    Suffix{".diff_b", Part::kDiffBias},
    Suffix{".w_norm", Part::kNorm},
    Suffix{".b_norm", Part::kNormBias},
    Suffix{".oft_blocks", Part::kBlocks},
    Suffix{".oft_diag", Part::kDiagonal},
    Suffix{".rescale", Part::kRescale},
};

// PEFT's names with an adapter's own name in the middle: `.lora_A.default.weight`.
constexpr std::array kAdapterNamed = {
    std::pair{std::string_view(".lora_A."), Part::kDown},
    std::pair{std::string_view(".lora_B."), Part::kUp},
    std::pair{std::string_view(".lora_magnitude_vector."), Part::kPeftMagnitude},
};

struct SplitKey {
  std::string_view module;
  Part part;
};

std::optional<SplitKey> split_key(std::string_view key) {
  for (const auto& [text, part] : kSuffixes) {
    if (key.size() > text.size() && key.ends_with(text))
      return SplitKey{key.substr(0, key.size() - text.size()), part};
  }
  for (const auto& [text, part] : kAdapterNamed) {
    const auto at = key.rfind(text);
    if (at == key.npos || at == 0) continue;
    const auto rest = key.substr(at + text.size());  // "default.weight", "default"
    const auto dot = rest.find('.');
    const bool whole = dot != rest.npos && dot > 0 && rest.substr(dot) == ".weight";
    const bool bare = part == Part::kPeftMagnitude && dot == rest.npos && !rest.empty();
    if (whole || bare) return SplitKey{key.substr(0, at), part};
    if (part == Part::kUp && dot != rest.npos && dot > 0 && rest.substr(dot) == ".bias")
      return SplitKey{key.substr(0, at), Part::kUpBias};
  }
  return std::nullopt;
}

/// (IA)³ calls its vector `weight`, as any model's layer is called: only beside `on_input` is it
/// one.
std::unordered_set<std::string_view> ia3_modules(const std::vector<std::string>& keys) {
  constexpr std::string_view kOnInput = ".on_input";
  std::unordered_set<std::string_view> modules;
  for (std::string_view key : keys) {
    if (key.ends_with(kOnInput)) modules.insert(key.substr(0, key.size() - kOnInput.size()));
  }
  return modules;
}

}  // namespace

std::string_view name_of(NetworkKind kind) {
  switch (kind) {
    case NetworkKind::kNone:
      break;
    case NetworkKind::kLora:
      return "LoRA";
    case NetworkKind::kLoha:
      return "LoHa";
    case NetworkKind::kLokr:
      return "LoKr";
    case NetworkKind::kGlora:
      return "GLoRA";
    case NetworkKind::kIa3:
      return "IA3";
    case NetworkKind::kFull:
      return "full differences";
    case NetworkKind::kNorm:
      return "norms";
    case NetworkKind::kOft:
      return "OFT";
    case NetworkKind::kBoft:
      return "BOFT";
  }
  return "biases";
}

SortedKeys sort_keys(const std::vector<std::string>& keys, const std::string& label) {
  constexpr std::string_view kWeight = ".weight";
  SortedKeys sorted;
  const auto ia3 = ia3_modules(keys);
  std::unordered_map<std::string_view, std::size_t> places;
  for (const std::string& key : keys) {
    auto split = split_key(key);
    if (!split && key.ends_with(kWeight)) {
      const auto module = std::string_view(key).substr(0, key.size() - kWeight.size());
      if (ia3.contains(module)) split = SplitKey{module, Part::kIa3};
    }
    if (!split) {
      sorted.unknown.push_back(key);
      continue;
    }
    const auto [place, added] = places.emplace(split->module, sorted.modules.size());
    if (added) sorted.modules.push_back({std::string(split->module), {}});
    auto& slot = sorted.modules[place->second].keys[static_cast<std::size_t>(split->part)];
    if (!slot.empty()) {
      throw CheckpointError(fmt::format(
          "{}: '{}' and '{}' are the same part of one module\n    Take the file from where it was "
          "published.",
          label, slot, key));
    }
    slot = key;
  }
  return sorted;
}

}  // namespace sd
