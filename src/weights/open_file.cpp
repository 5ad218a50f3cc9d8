#include "weights/open_file.h"

#include "sd/core/mapped_file.h"
#include "weights/ckpt_source.h"
#include "weights/safetensors_source.h"
#include "weights/sniff.h"

namespace sd {

OpenedFile open_weight_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::string label = path.string();
  switch (sniff(file->bytes(), label)) {
    case FileKind::kZip:
      return {open_ckpt({file->bytes(), file, file.get()}, label), "ckpt", {}};
    case FileKind::kSafetensors:
      break;
  }
  auto tensors = open_safetensors({file->bytes(), file, file.get()}, label);
  auto metadata = tensors->metadata();
  return {std::move(tensors), "safetensors", std::move(metadata)};
}

}  // namespace sd
