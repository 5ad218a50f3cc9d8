#include "sd/weights/ip_adapter_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "weights/ckpt_source.h"
#include "weights/family.h"
#include "weights/legacy_ckpt_source.h"
#include "weights/nested_tensors.h"
#include "weights/safetensors_source.h"
#include "weights/sniff.h"

namespace sd {
namespace {

constexpr std::string_view kProjection = "image_proj", kLayers = "ip_adapter";
constexpr int64_t kXlWidth = 2048;

[[noreturn]] void fail(const TensorSource& tensors, std::string_view message) {
  throw CheckpointError(fmt::format("{}: {}", tensors.label(), message));
}

/// The two dictionaries of a .bin, their keys before the names.
std::vector<NestedTensors> find_parts(const pickle::Document& document, const pickle::Dict& top) {
  std::vector<NestedTensors> parts;
  for (const auto key : {kProjection, kLayers}) {
    const auto* value = child(document, top, key);
    if (const auto* dict = value ? std::get_if<pickle::Dict>(value) : nullptr)
      parts.push_back({fmt::format("{}.", key), dict});
  }
  if (parts.empty()) parts.push_back({"", &top});
  return parts;
}

std::unique_ptr<TensorSource> open_tensors(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const FileBytes bytes{file->bytes(), file, file.get()};
  const auto label = path.string();
  const FindTensors find = find_parts;
  switch (sniff(file->bytes(), label)) {
    case FileKind::kZip:
      return open_ckpt(bytes, label, nullptr, &find);
    case FileKind::kLegacyCkpt:
      return open_legacy_ckpt(bytes, label, nullptr, &find);
    case FileKind::kSafetensors:
      return open_safetensors(bytes, label);
    case FileKind::kGguf:
      break;
  }
  throw CheckpointError(label + ": a GGUF file, and no IP-Adapter comes as one");
}

bool is_adapter(const TensorSource& tensors) {
  const auto& names = tensors.names();
  const auto begins = [&](std::string_view prefix) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name.starts_with(prefix) && name.size() > prefix.size();
    });
  };
  return begins("image_proj.") && begins("ip_adapter.");
}

void refuse_faces(const TensorSource& tensors) {
  const auto& names = tensors.names();
  const bool lora = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.find("_lora.") != name.npos || name.find("perceiver_resampler") != name.npos;
  });
  const bool of_faces =
      tensors.contains("image_proj.norm.weight") && tensors.contains("image_proj.proj.0.weight");
  if (lora || of_faces) {
    fail(tensors,
         "an IP-Adapter FaceID, which needs the embedding of a face that insightface makes, and a "
         "LoRA\n    Give a plain, Plus, Plus-face or full-face adapter.");
  }
}

/// The shape of a tensor of `rank` dimensions, each at least 1.
std::vector<int64_t> shape_of(const TensorSource& tensors, const std::string& name,
                              std::size_t rank) {
  if (!tensors.contains(name)) fail(tensors, fmt::format("'{}' is missing", name));
  auto shape = tensors.describe(name).shape;
  const bool filled = std::all_of(shape.begin(), shape.end(), [](int64_t n) { return n > 0; });
  if (shape.size() != rank || !filled) {
    fail(tensors,
         fmt::format("'{}' has shape {}, expected {} dimensions", name, shape_text(shape), rank));
  }
  return shape;
}

int64_t count_of(const TensorSource& tensors, std::string_view prefix, int64_t first, int64_t step,
                 std::string_view suffix) {
  int64_t count = 0;
  while (tensors.contains(fmt::format("{}{}{}", prefix, first + step * count, suffix))) ++count;
  return count;
}

IpAdapterInfo info_of(const TensorSource& tensors) {
  IpAdapterInfo info;
  info.layers = count_of(tensors, "ip_adapter.", 1, 2, ".to_k_ip.weight");
  if (info.layers == 0) fail(tensors, "'ip_adapter.1.to_k_ip.weight' is missing");
  info.width = shape_of(tensors, "ip_adapter.1.to_k_ip.weight", 2)[1];
  if (info.width == kXlWidth) {
    fail(tensors,
         "an IP-Adapter of Stable Diffusion XL (2048 wide)\n    Take the one for the model's "
         "family, such as ip-adapter_sd15.");
  }
  if (tensors.contains("image_proj.latents")) {
    info.kind = IpAdapterKind::kPlus;
    info.tokens = shape_of(tensors, "image_proj.latents", 3)[1];
    info.vision = shape_of(tensors, "image_proj.proj_in.weight", 2)[1];
    info.depth = count_of(tensors, "image_proj.layers.", 0, 1, ".0.to_q.weight");
  } else if (tensors.contains("image_proj.proj.3.weight")) {
    info.kind = IpAdapterKind::kFull;
    info.tokens = 0;
    info.vision = shape_of(tensors, "image_proj.proj.0.weight", 2)[1];
  } else {
    const auto shape = shape_of(tensors, "image_proj.proj.weight", 2);
    if (shape[0] % info.width != 0) {
      fail(tensors, fmt::format("'image_proj.proj.weight' makes {} numbers, expected whole tokens "
                                "of {}",
                                shape[0], info.width));
    }
    info.tokens = shape[0] / info.width;
    info.vision = shape[1];
  }
  return info;
}

}  // namespace

IpAdapterFile open_ip_adapter(const std::filesystem::path& path) {
  IpAdapterFile file;
  file.tensors = open_tensors(path);
  if (!is_adapter(*file.tensors)) {
    fail(*file.tensors, fmt::format("expected an IP-Adapter (tensors image_proj.… and "
                                    "ip_adapter.…), found: {}",
                                    guess_family(*file.tensors).name));
  }
  refuse_faces(*file.tensors);
  file.info = info_of(*file.tensors);
  return file;
}

bool looks_like_ip_adapter(const std::filesystem::path& path) {
  try {
    return is_adapter(*open_tensors(path));
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sd
