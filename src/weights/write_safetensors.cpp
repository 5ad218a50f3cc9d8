#include "sd/weights/write_safetensors.h"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"

namespace sd {
namespace {

// The format's own writer pads the header with spaces so that tensors start aligned.
constexpr std::size_t kAlignment = 8;

std::size_t bytes_of(const TensorView& view) {
  std::size_t bytes = size_of(view.dtype);
  for (const int64_t side : view.shape) bytes *= static_cast<std::size_t>(side);
  return bytes;
}

std::string header_of(std::span<const NamedTensor> tensors,
                      const std::vector<std::pair<std::string, std::string>>& metadata) {
  nlohmann::ordered_json header;
  for (const auto& [key, text] : metadata) header["__metadata__"][key] = text;
  std::set<std::string> seen;
  std::size_t offset = 0;
  for (const auto& [name, view] : tensors) {
    if (!seen.insert(name).second) throw UsageError(fmt::format("'{}' is given twice", name));
    const std::size_t bytes = bytes_of(view);
    if (!view.strides.empty() || bytes != view.bytes.size()) {
      throw UsageError(fmt::format("'{}' has shape {} but {} bytes, expected {} in C order", name,
                                   shape_text(view.shape), view.bytes.size(), bytes));
    }
    header[name] = {{"dtype", name_of(view.dtype)},
                    {"shape", view.shape},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  auto text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata,
                       bool overwrite) {
  const auto header = header_of(tensors, metadata);
  std::vector<std::byte> file;
  const auto append = [&file](const void* bytes, std::size_t count) {
    const auto* first = static_cast<const std::byte*>(bytes);
    file.insert(file.end(), first, first + count);
  };
  std::size_t total = sizeof(uint64_t) + header.size();
  for (const auto& tensor : tensors) total += tensor.view.bytes.size();
  file.reserve(total);
  const uint64_t length = header.size();  // little endian, as all our machines are
  append(&length, sizeof length);
  append(header.data(), header.size());
  for (const auto& tensor : tensors) append(tensor.view.bytes.data(), tensor.view.bytes.size());
  write_file(path, file, overwrite);
}

}  // namespace sd
