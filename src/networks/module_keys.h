#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// What a tensor is to its module. Names are those of kohya's and LyCORIS' files.
enum class NetworkPart {
  kDown,           // lora_down.weight, lora_A.weight, …
  kUp,             // lora_up.weight, lora_B.weight, …
  kMid,            // lora_mid.weight: Tucker's core
  kUpBias,         // lora_B.bias
  kMagnitude,      // dora_scale: its shape says which axis
  kPeftMagnitude,  // lora_magnitude_vector: always one an output
  kAlpha,
  kScale,
  kHadamard1A,
  kHadamard1B,
  kHadamard2A,
  kHadamard2B,
  kHadamardCore1,
  kHadamardCore2,
  kKronecker1,
  kKronecker1A,
  kKronecker1B,
  kKronecker2,
  kKronecker2A,
  kKronecker2B,
  kKroneckerCore2,
  kGloraA1,
  kGloraA2,
  kGloraB1,
  kGloraB2,
  kGloraCore,
  kIa3,
  kIa3OnInput,
  kDiff,
  kDiffBias,
  kNorm,
  kNormBias,
  kBlocks,    // oft_blocks
  kDiagonal,  // oft_diag: rotations themselves
  kRescale,
  kCount
};

/// The formula that changes a module's weight.
enum class NetworkKind { kNone, kLora, kLoha, kLokr, kGlora, kIa3, kFull, kNorm, kOft, kBoft };

/// "LoRA", "LoHa", …
std::string_view name_of(NetworkKind kind);

/// The tensors of one layer.
struct NetworkModule {
  std::string name;  // in the file's spelling: what all its keys begin with
  std::array<std::string, static_cast<std::size_t>(NetworkPart::kCount)> keys;

  const std::string& key(NetworkPart part) const { return keys[static_cast<std::size_t>(part)]; }
  bool has(NetworkPart part) const { return !key(part).empty(); }
};

struct SortedKeys {
  std::vector<NetworkModule> modules;  // in the file's order
  std::vector<std::string> unknown;    // keys that end in no part's name
};

/// Sorts a file's keys into modules. Throws CheckpointError beginning with `label` where two keys
/// are the same part of one module.
SortedKeys sort_keys(const std::vector<std::string>& keys, const std::string& label);

}  // namespace sd
