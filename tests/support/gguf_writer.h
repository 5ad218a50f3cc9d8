#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/byte_writer.h"

namespace sd::test {

/// One tensor to be written; what is claimed on purpose makes a file that lies.
struct GgufTensor {
  std::string name;
  std::vector<uint64_t> shape;  // as torch counts
  uint32_t type = 0;            // ggml's number: 0 F32, 1 F16, 2 Q4_0, …
  std::string bytes;
  std::optional<uint64_t> claimed_offset = std::nullopt;
};

/// A GGUF file, setting by setting, tensor by tensor.
class GgufWriter {
 public:
  uint32_t version = 3;
  std::optional<uint64_t> claimed_tensors;
  std::optional<uint64_t> claimed_settings;

  GgufWriter& text(std::string_view key, std::string_view value) {
    return setting(key, 8, ByteWriter().u64(value.size()).text(value).bytes());
  }
  GgufWriter& u32(std::string_view key, uint64_t value) {
    return setting(key, 4, ByteWriter().u32(value).bytes());
  }
  /// A setting of any type, its bytes as they are.
  GgufWriter& setting(std::string_view key, uint64_t type, std::string_view bytes) {
    settings_.u64(key.size()).text(key).u32(type).text(bytes);
    ++count_;
    return *this;
  }
  GgufWriter& tensor(GgufTensor tensor) {
    tensors_.push_back(std::move(tensor));
    return *this;
  }

  std::string done(uint64_t alignment = 32) const {
    const auto padded = [&](uint64_t size) {
      return (size + alignment - 1) / alignment * alignment;
    };
    ByteWriter file;
    file.text("GGUF").u32(version);
    file.u64(claimed_tensors.value_or(tensors_.size())).u64(claimed_settings.value_or(count_));
    file.text(settings_.bytes());
    uint64_t offset = 0;
    for (const auto& tensor : tensors_) {
      file.u64(tensor.name.size()).text(tensor.name).u32(tensor.shape.size());
      for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) file.u64(*size);
      file.u32(tensor.type).u64(tensor.claimed_offset.value_or(offset));
      offset += padded(tensor.bytes.size());
    }
    std::string bytes = file.bytes();
    bytes.resize(padded(bytes.size()), '\0');
    for (const auto& tensor : tensors_) {
      bytes.resize(padded(bytes.size()), '\0');
      bytes += tensor.bytes;
    }
    return bytes;
  }

 private:
  ByteWriter settings_;
  uint64_t count_ = 0;
  std::vector<GgufTensor> tensors_;
};

}  // namespace sd::test
