#pragma once

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/model_copies.h"
#include "support/part_source.h"
#include "support/temp_folder.h"

namespace sd::test {

enum class ShardFormat { kSafetensors, kZipPickle, kLegacyPickle };

/// Writes `source` in three shards with their index, as transformers names them; returns the
/// shards.
inline std::vector<std::filesystem::path> write_shards(const TensorSource& source,
                                                       const std::filesystem::path& folder,
                                                       ShardFormat format) {
  constexpr std::size_t kShards = 3;
  const bool pickled = format != ShardFormat::kSafetensors;
  const std::string stem = pickled ? "pytorch_model" : "model";
  const std::string extension = pickled ? ".bin" : ".safetensors";
  std::array<std::vector<std::string>, kShards> names;
  for (std::size_t i = 0; i < source.names().size(); ++i)
    names[i % kShards].push_back(source.names()[i]);
  nlohmann::json index = {{"metadata", {{"total_size", 1}}}};
  std::vector<std::filesystem::path> files;
  for (std::size_t i = 0; i < kShards; ++i) {
    const auto file = fmt::format("{}-{:05}-of-{:05}{}", stem, i + 1, kShards, extension);
    for (const auto& name : names[i]) index["weight_map"][name] = file;
    const PartSource part(source, names[i]);
    files.push_back(folder / file);
    auto checkpoint = pickled ? copy_as_checkpoint(part) : Checkpoint{};
    checkpoint.at_top = true;
    write_text(files.back(), format == ShardFormat::kSafetensors ? copy_as_safetensors(part)
                             : format == ShardFormat::kZipPickle
                                 ? write_checkpoint(checkpoint)
                                 : write_legacy_checkpoint(checkpoint));
  }
  write_text(folder / (stem + extension + ".index.json"), index.dump());
  return files;
}

}  // namespace sd::test
