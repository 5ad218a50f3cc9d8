#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "weights/sharded_files.h"

namespace sd {

/// The weights of one part of a diffusers folder.
struct PartWeights {
  ShardedFiles files;
  std::string variant;  // "fp16", "non_ema", …; empty for the plain ones
};

/// Chooses among what lies in a part's folder: `.safetensors` before `.bin`, each plain before
/// fp16; then bf16, then any other variant, in the order of their names; whole files before shards.
/// Nothing if there are no weights. Throws like read_shard_index.
std::optional<PartWeights> find_part_weights(const std::filesystem::path& part);

/// The same, where there must be some. Throws CheckpointError if there are none.
PartWeights require_part_weights(const std::filesystem::path& part);

}  // namespace sd
