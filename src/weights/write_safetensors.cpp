#include "sd/weights/write_safetensors.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "sd/core/error.h"

namespace sd {
namespace {

// The format's own writer pads the header with spaces so that tensors start aligned.
constexpr std::size_t kAlignment = 8;

std::string header_of(std::span<const TensorHeader> tensors, const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header;
  for (const auto& [key, text] : metadata) header["__metadata__"][key] = text;
  std::set<std::string> seen;
  uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    if (!seen.insert(tensor.name).second)
      throw UsageError(fmt::format("'{}' is given twice", tensor.name));
    const uint64_t end = offset + tensor.bytes();
    header[tensor.name] = {
        {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Metadata of other files is passed on, and need not be UTF-8.
  auto text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

uint64_t total_bytes(std::span<const TensorHeader> tensors) {
  uint64_t total = 0;
  for (const auto& tensor : tensors) total += tensor.bytes();
  return total;
}

}  // namespace

uint64_t TensorHeader::bytes() const {
  uint64_t bytes = size_of(dtype);
  for (const int64_t side : shape) bytes *= static_cast<uint64_t>(side);
  return bytes;
}

uint64_t safetensors_size(std::span<const TensorHeader> tensors,
                          const SafetensorsMetadata& metadata) {
  return sizeof(uint64_t) + header_of(tensors, metadata).size() + total_bytes(tensors);
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::span<const TensorHeader> tensors,
                                     const SafetensorsMetadata& metadata, bool overwrite)
    : left_(total_bytes(tensors)), file_(path, overwrite) {
  const auto header = header_of(tensors, metadata);
  const uint64_t length = header.size();  // little endian, as all our machines are
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(std::as_bytes(std::span(header)));
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > left_) throw UsageError("more bytes than the tensors' shapes take");
  left_ -= bytes.size();
  file_.write(bytes);
}

void SafetensorsWriter::finish() {
  if (left_ > 0) throw UsageError(fmt::format("{} bytes of the tensors are missing", left_));
  file_.finish();
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata, bool overwrite) {
  std::vector<TensorHeader> headers;
  for (const auto& [name, view] : tensors) {
    const auto& header = headers.emplace_back(TensorHeader{name, view.dtype, view.shape});
    if (!view.strides.empty() || header.bytes() != view.bytes.size()) {
      throw UsageError(fmt::format("'{}' has shape {} but {} bytes, expected {} in C order", name,
                                   shape_text(view.shape), view.bytes.size(), header.bytes()));
    }
  }
  SafetensorsWriter writer(path, headers, metadata, overwrite);
  for (const auto& tensor : tensors) writer.write(tensor.view.bytes);
  writer.finish();
  writer.commit();
}

}  // namespace sd
