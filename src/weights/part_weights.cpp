#include "weights/part_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/weights/variants.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kStems = {"diffusion_pytorch_model", "model",
                                                    "pytorch_model"};
constexpr std::array<std::string_view, 2> kFormats = {".safetensors", ".bin"};

/// A file that may be taken, by what its name says; the smallest is.
struct Candidate {
  enum Group { kPlainOrHalf, kBFloat, kOther };
  enum Layout { kWhole, kIndex, kShards };
  Group group = kPlainOrHalf;
  std::size_t format = 0;
  std::string variant;
  Layout layout = kWhole;
  std::size_t stem = 0;
  fs::path path;

  auto key() const { return std::tie(group, format, variant, layout, stem, path); }
};

/// Takes `text` off the end of `name`.
bool take_end(std::string_view& name, std::string_view text) {
  if (!name.ends_with(text)) return false;
  name.remove_suffix(text.size());
  return true;
}

/// Takes a variant and the dot before it off the end of `name` ("x.fp16").
std::string take_variant(std::string_view& name, std::size_t stem) {
  const auto dot = name.rfind('.');
  if (dot == name.npos || dot < stem) return {};
  const auto variant = std::string(name.substr(dot + 1));
  name.remove_suffix(name.size() - dot);
  return variant;
}

std::optional<Candidate> read_name(const fs::path& path) {
  Candidate found;
  found.path = path;
  const auto whole = is_shard_index(path) ? path : unsharded_name(path);
  if (whole != path) found.layout = Candidate::kShards;
  const auto text = whole.filename().string();
  std::string_view name = text;
  const auto stem = std::ranges::find_if(
      kStems, [&](std::string_view start) { return text.starts_with(fmt::format("{}.", start)); });
  if (stem == kStems.end()) return std::nullopt;
  found.stem = static_cast<std::size_t>(stem - kStems.begin());
  if (is_shard_index(path)) {
    found.layout = Candidate::kIndex;
    take_end(name, ".json");
    if (!take_end(name, ".index")) {
      found.variant = take_variant(name, stem->size());
      take_end(name, ".index");
    }
  }
  const auto format =
      std::ranges::find_if(kFormats, [&](std::string_view end) { return take_end(name, end); });
  if (format == kFormats.end()) return std::nullopt;
  found.format = static_cast<std::size_t>(format - kFormats.begin());
  if (found.variant.empty()) found.variant = take_variant(name, stem->size());
  if (name != *stem) return std::nullopt;
  const bool plain_or_half = found.variant.empty() || found.variant == "fp16";
  found.group = plain_or_half             ? Candidate::kPlainOrHalf
                : found.variant == "bf16" ? Candidate::kBFloat
                                          : Candidate::kOther;
  return found;
}

}  // namespace

std::optional<PartWeights> find_part_weights(const fs::path& part) {
  constexpr int kMaxEntries = 10'000;
  std::optional<Candidate> best;
  std::error_code error;
  fs::directory_iterator entry(part, error);
  for (int i = 0; !error && entry != fs::directory_iterator() && i < kMaxEntries;
       entry.increment(error), ++i) {
    auto found = read_name(entry->path());
    if (found && (!best || found->key() < best->key())) best = std::move(found);
  }
  if (!best) return std::nullopt;
  auto shards = find_shards(best->path);
  return PartWeights{shards ? std::move(*shards) : ShardedFiles{{}, {best->path}, {}},
                     std::move(best->variant)};
}

PartWeights require_part_weights(const fs::path& part) {
  if (auto found = find_part_weights(part)) return std::move(*found);
  if (const auto dead = dead_link(part)) throw IoError(*dead);
  throw CheckpointError(
      fmt::format("{}: no weights in it, expected diffusion_pytorch_model.safetensors, "
                  "model.safetensors or their .fp16, .bin or "
                  "sharded variants",
                  part.string()));
}

std::optional<std::string> variant_notice(const fs::path& model) {
  if (!is_present(model / "model_index.json")) return std::nullopt;
  std::map<std::string, std::vector<std::string_view>> parts;  // of each variant
  for (const char* part : {"unet", "vae", "text_encoder"}) {
    const auto weights = find_part_weights(model / part);
    if (weights && !weights->variant.empty()) parts[weights->variant].emplace_back(part);
  }
  std::vector<std::string> variants;
  for (const auto& [variant, names] : parts)
    variants.push_back(fmt::format("'{}' of {}", variant, fmt::join(names, ", ")));
  if (variants.empty()) return std::nullopt;
  return fmt::format("{}: read the variant {}", model.string(), fmt::join(variants, "; "));
}

}  // namespace sd
