#include "weights/sharded_files.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "sd/core/dead_link.h"
#include "weights/json_file.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"
#include "weights/wrapped_names.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxShards = 1000;
constexpr std::size_t kDigits = 5;
constexpr std::string_view kIndex = ".index";

/// "NAME-00001-of-00003.safetensors" taken apart.
struct ShardName {
  std::string stem;       // "NAME"
  std::size_t count = 0;  // 3
  std::string extension;  // ".safetensors"
};

std::optional<std::size_t> five_digits(std::string_view text) {
  if (text.size() != kDigits || text.find_first_not_of("0123456789") != text.npos)
    return std::nullopt;
  std::size_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::optional<ShardName> parse_shard_name(const fs::path& path) {
  constexpr std::string_view kOf = "-of-";
  constexpr std::size_t kTail = 1 + kDigits + kOf.size() + kDigits;  // "-00001-of-00003"
  const std::string stem = path.stem().string();
  if (stem.size() <= kTail) return std::nullopt;
  const std::string_view tail = std::string_view(stem).substr(stem.size() - kTail);
  const auto number = five_digits(tail.substr(1, kDigits));
  const auto count = five_digits(tail.substr(kTail - kDigits));
  if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf || !number || !count ||
      *number < 1 || *number > *count || *count < 2) {
    return std::nullopt;
  }
  return ShardName{stem.substr(0, stem.size() - kTail), *count, path.extension().string()};
}

ShardedFiles files_by_name(const fs::path& path, const ShardName& name) {
  const auto fail = [&](std::string_view message) {
    throw CheckpointError(
        fmt::format("{}: one of {} shards, {}", path.string(), name.count, message));
  };
  if (name.count > kMaxShards) fail(fmt::format("of which at most {} are read", kMaxShards));
  ShardedFiles shards;
  for (std::size_t i = 1; i <= name.count; ++i) {
    shards.files.push_back(path.parent_path() / fmt::format("{}-{:05}-of-{:05}{}", name.stem, i,
                                                            name.count, name.extension));
    if (!is_present(shards.files.back()))
      fail(fmt::format("but {} is not there", shards.files.back().string()));
  }
  return shards;
}

}  // namespace

bool is_shard_index(const fs::path& path) {
  const std::string name = path.filename().string();
  const auto at = name.rfind(kIndex);
  if (at == name.npos || !name.ends_with(".json")) return false;
  // "….index.json", or "….index.VARIANT.json"
  const auto rest = std::string_view(name).substr(at + kIndex.size());
  return rest == ".json" ||
         (rest.starts_with('.') && rest.find('.', 1) == rest.rfind('.') && rest.rfind('.') > 1);
}

ShardedFiles read_shard_index(const fs::path& path) {
  const JsonFile index(path);
  const auto& map = index.at("weight_map");
  if (!map.is_object() || map.empty()) index.fail("no 'weight_map' in it, or an empty one");
  std::map<std::string, std::size_t> places;  // of each file
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string()) index.fail(fmt::format("'weight_map': '{}' names no file", tensor));
    const auto& name = file.get_ref<const std::string&>();
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        name.find('\0') != name.npos) {
      index.fail(fmt::format("'weight_map': '{}' lies in '{}', expected a file of the same folder",
                             tensor, name));
    }
    places.emplace(name, 0);
    if (places.size() > kMaxShards) index.fail(fmt::format("more than {} shards", kMaxShards));
  }
  ShardedFiles shards;
  shards.index = path;
  for (auto& [name, place] : places) {
    place = shards.files.size();
    shards.files.push_back(path.parent_path() / name);
  }
  for (const auto& [tensor, file] : map.items())
    shards.tensors.emplace_back(tensor, places.at(file.get_ref<const std::string&>()));
  return shards;
}

std::optional<ShardedFiles> find_shards(const fs::path& path) {
  if (is_shard_index(path)) return read_shard_index(path);
  const auto name = parse_shard_name(path);
  if (!name) return std::nullopt;
  const fs::path index =
      path.parent_path() / fmt::format("{}{}.index.json", name->stem, name->extension);
  return is_present(index) ? read_shard_index(index) : files_by_name(path, *name);
}

std::optional<fs::path> find_shard_index(const fs::path& folder) {
  constexpr std::array<std::string_view, 4> kNames = {
      "model.safetensors.index.json", "model.ckpt.index.json", "pytorch_model.bin.index.json",
      "model.bin.index.json"};
  std::error_code ignored;
  for (const auto name : kNames) {
    const auto path = folder / name;
    if (fs::is_regular_file(path, ignored) || dead_link(path)) return path;
  }
  return std::nullopt;
}

fs::path unsharded_name(const fs::path& path) {
  if (is_shard_index(path)) {
    const auto file = path.filename().string();
    return path.parent_path() / file.substr(0, file.rfind(kIndex));
  }
  const auto name = parse_shard_name(path);
  return name ? path.parent_path() / (name->stem + name->extension) : path;
}

std::vector<OpenedFile> open_shards(const ShardedFiles& shards) {
  std::vector<OpenedFile> opened;
  for (const auto& file : shards.files) opened.push_back(open_weight_file(file));
  for (const auto& [tensor, place] : shards.tensors) {
    if (opened[place].tensors->contains(tensor)) continue;
    throw CheckpointError(fmt::format("{}: '{}' is said to lie in {}, which does not hold it",
                                      shards.index.string(), tensor, shards.files[place].string()));
  }
  return opened;
}

OpenedFile open_sharded(const ShardedFiles& shards, const std::string& label) {
  auto opened = open_shards(shards);
  OpenedFile whole;
  whole.format = fmt::format("sharded {}", opened.front().format);
  whole.metadata = std::move(opened.front().metadata);
  whole.main_file = shards.files.front();
  std::vector<std::unique_ptr<TensorSource>> sources;
  std::vector<RenamedTensor> tensors;
  for (auto& file : opened) {
    for (const auto& name : file.tensors->names())
      tensors.push_back({name, sources.size(), name, false});
    sources.push_back(std::move(file.tensors));
  }
  whole.tensors =
      with_unwrapped_names(rename_tensors(label, std::move(sources), std::move(tensors)));
  return whole;
}

}  // namespace sd
