#include "trainer/tensor_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/write_safetensors.h"
#include "weights/safetensors_source.h"
#include "weights/seen_words.h"

namespace sd::train {
namespace {

DType dtype_of(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return DType::kF32;
    case at::kHalf:
      return DType::kF16;
    case at::kLong:
      return DType::kI64;
    case at::kInt:
      return DType::kI32;
    case at::kByte:
      return DType::kU8;
    default:
      throw Error(
          fmt::format("tensors of dtype {} are not written", c10::toString(tensor.scalar_type())));
  }
}

}  // namespace

TensorView view_of(const torch::Tensor& tensor) {
  TensorView view;
  view.dtype = dtype_of(tensor);
  view.shape = tensor.sizes().vec();
  view.bytes = std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes());
  return view;
}

const torch::Tensor& TensorFile::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw CheckpointError(fmt::format("{}: there is no tensor '{}'", label, name));
  }
  return found->second;
}

const std::string& TensorFile::text(const std::string& key) const {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const auto& item) { return item.first == key; });
  if (found == metadata.end()) {
    throw CheckpointError(fmt::format("{}: the metadata lack '{}'", label, key));
  }
  return found->second;
}

void write_tensor_file(const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  std::vector<torch::Tensor> kept;  // copies live until the file is written
  std::vector<NamedTensor> named;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.cpu().contiguous());
    named.push_back({name, view_of(kept.back())});
  }
  write_safetensors(path, named, metadata, /*overwrite=*/true);
}

TensorFile read_tensor_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  auto opened = open_safetensors({file->bytes(), file, file.get()}, path.string());
  TensorFile read;
  read.label = path.string();
  read.metadata = opened->metadata();
  const auto source = with_all_words(std::move(opened));  // of an exported model
  for (const auto& name : source->names()) {
    read.tensors[name] = wrap_tensor(source->at(name)).clone();
  }
  return read;
}

}  // namespace sd::train
