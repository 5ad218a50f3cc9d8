#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weights/open_file.h"

namespace sd {

/// The files that hold one set of tensors together, in the order of their names, and which of them
/// holds which tensor, as far as an index says so.
struct ShardedFiles {
  std::filesystem::path index;  // empty where file names alone tell
  std::vector<std::filesystem::path> files;
  std::vector<std::pair<std::string, std::size_t>> tensors;  // name, place in `files`
};

/// True for a `*.index.json` (also `*.index.fp16.json`, of whatever variant): a list of shards.
bool is_shard_index(const std::filesystem::path& path);

/// The files that an index names. They must lie beside it, so that no index can point anywhere
/// else. Throws IoError if it cannot be read, CheckpointError if it is no such index.
ShardedFiles read_shard_index(const std::filesystem::path& index);

/// All shards of the model that `path` belongs to. `path` may be the index, or any of the shards,
/// such as `NAME-00001-of-00003.safetensors`; the index beside a shard is read if there is one.
/// Nothing for any other file. Throws like read_shard_index, and if one of the shards is missing.
std::optional<ShardedFiles> find_shards(const std::filesystem::path& path);

/// The index of a model in a folder: `model.safetensors.index.json` and the like, also a link of
/// that name to nothing; nothing if there is none.
std::optional<std::filesystem::path> find_shard_index(const std::filesystem::path& folder);

/// "NAME.safetensors" for an index or a shard of that name; any other path as it is. So the
/// settings of a sharded model lie in NAME.yaml, as those of a single file do.
std::filesystem::path unsharded_name(const std::filesystem::path& path);

/// The opened shards. Throws IoError or CheckpointError, also where the index names a tensor that
/// its shard does not hold.
std::vector<OpenedFile> open_shards(const ShardedFiles& shards);

/// All tensors of the shards as one file called `label`, by unwrapped names (wrapped_names.h). Of
/// what several hold under one name see rename_tensors.
OpenedFile open_sharded(const ShardedFiles& shards, const std::string& label);

}  // namespace sd
