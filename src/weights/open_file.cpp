#include "weights/open_file.h"

#include "sd/core/mapped_file.h"
#include "weights/ckpt_source.h"
#include "weights/gguf_source.h"
#include "weights/legacy_ckpt_source.h"
#include "weights/safetensors_source.h"
#include "weights/scaled_weights.h"
#include "weights/seen_words.h"
#include "weights/sharded_files.h"
#include "weights/sniff.h"
#include "weights/wrapped_names.h"

namespace sd {

OpenedFile open_weight_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const FileBytes bytes{file->bytes(), file, file.get()};
  const std::string label = path.string();
  switch (sniff(file->bytes(), label)) {
    case FileKind::kZip: {
      std::vector<std::string> foreign;
      auto tensors = with_scales_applied(open_ckpt(bytes, label, &foreign));
      return {std::move(tensors), "ckpt", {}, path, std::move(foreign)};
    }
    case FileKind::kLegacyCkpt: {
      std::vector<std::string> foreign;
      auto tensors = open_legacy_ckpt(bytes, label, &foreign);
      return {std::move(tensors), "legacy ckpt", {}, path, std::move(foreign)};
    }
    case FileKind::kGguf: {
      auto tensors = open_gguf(bytes, label);
      auto metadata = tensors->metadata();
      return {std::move(tensors), "gguf", std::move(metadata), path};
    }
    case FileKind::kSafetensors:
      break;
  }
  auto tensors = open_safetensors(bytes, label);
  auto metadata = tensors->metadata();
  return {with_scales_applied(with_all_words(std::move(tensors))), "safetensors",
          std::move(metadata), path};
}

OpenedFile open_weights(const std::filesystem::path& path) {
  if (const auto shards = find_shards(path)) return open_sharded(*shards, path.string());
  auto file = open_weight_file(path);
  file.tensors = with_unwrapped_names(std::move(file.tensors));
  return file;
}

}  // namespace sd
