#include "weights/safetensors_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "weights/byte_reader.h"
#include "weights/float8.h"
#include "weights/name_index.h"
#include "weights/safetensors_header.h"

namespace sd {
namespace {

constexpr std::array kDTypes = {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                                DType::kI32, DType::kI16, DType::kI8,  DType::kU8,   DType::kBool};

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DType dtype : kDTypes) {
    if (name_of(dtype) == name) return dtype;
  }
  return std::nullopt;
}

/// Bytes of one element; nothing for dtypes that are not read.
std::optional<std::size_t> element_size(std::string_view name) {
  if (float8_named(name)) return 1;
  const auto dtype = parse_dtype(name);
  return dtype ? std::optional(size_of(*dtype)) : std::nullopt;
}

class Source final : public SafetensorsSource {
 public:
  Source(const FileBytes& file_bytes, const std::string& label) : label_(label), file_(file_bytes) {
    const auto file = file_.bytes;
    if (file.size() < 8) fail(fmt::format("truncated safetensors file: {} bytes", file.size()));
    const uint64_t length = ByteReader(file, label_).u64();
    if (length > kMaxSafetensorsHeader) {
      fail(fmt::format("a safetensors header of {} bytes; at most {} are read", length,
                       kMaxSafetensorsHeader));
    }
    if (length > file.size() - 8) {
      fail(
          fmt::format("truncated safetensors file: its header alone has {} bytes, the file {}. "
                      "Download or copy it again.",
                      length, file.size()));
    }
    auto header = parse_safetensors_header(as_text(file.subspan(8, length)), label_);
    metadata_ = std::move(header.metadata);
    tensors_ = file.subspan(8 + length);
    entries_ = std::move(header.entries);
    for (const auto& entry : entries_) {
      check(entry);
      if (!index_.add(entry.name))
        fail(fmt::format("damaged: two tensors are named '{}'", entry.name));
    }
    check_coverage();
  }

  const std::vector<std::string>& names() const override { return index_.names(); }
  bool contains(std::string_view name) const override { return index_.find(name).has_value(); }
  const std::string& label() const override { return label_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return metadata_;
  }

  TensorView at(std::string_view name) const override {
    const SafetensorsEntry& entry = find(name);
    TensorView view = describe(name);
    view.bytes = tensors_.subspan(entry.begin, entry.end - entry.begin);
    view.owner = file_.owner;
    view.mapping = file_.mapping;
    const auto* float8 = float8_named(entry.dtype);
    return float8 ? widened(view, *float8) : view;
  }

  TensorView describe(std::string_view name) const override {
    const SafetensorsEntry& entry = find(name);
    TensorView view;
    view.shape = entry.shape;
    if (float8_named(entry.dtype)) {
      view.dtype = DType::kF16;  // what `at` makes of it
      return view;
    }
    const auto dtype = parse_dtype(entry.dtype);
    if (!dtype)
      fail(fmt::format("'{}' has the dtype {}, which this program does not read", name,
                       entry.dtype));
    view.dtype = *dtype;
    return view;
  }

  StoredAs stored(std::string_view name) const override {
    const SafetensorsEntry& entry = find(name);
    const auto* float8 = float8_named(entry.dtype);
    return float8 ? StoredAs{float8->name, entry.end - entry.begin} : TensorSource::stored(name);
  }

 private:
  const SafetensorsEntry& find(std::string_view name) const {
    const auto at = index_.find(name);
    if (!at) fail(fmt::format("no tensor is named '{}'", name));
    return entries_[*at];
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label_, message));
  }

  void check(const SafetensorsEntry& entry) const {
    if (entry.begin > entry.end) {
      fail(fmt::format("damaged: '{}' ends at byte {}, before its begin {}", entry.name, entry.end,
                       entry.begin));
    }
    if (entry.end > tensors_.size()) {
      fail(fmt::format(
          "truncated safetensors file: '{}' ends at byte {} of its data, {} bytes are there. "
          "Download or copy it again.",
          entry.name, entry.end, tensors_.size()));
    }
    const auto elements = checked_elements(entry.shape);
    const auto size = element_size(entry.dtype);
    const auto bytes =
        elements && size ? checked_mul(static_cast<uint64_t>(*elements), *size) : std::nullopt;
    // A dtype that is not read here (F4, …) has an unknown size; `at` refuses it.
    if (!elements || (size && (!bytes || *bytes != entry.end - entry.begin))) {
      fail(fmt::format("damaged: '{}' has {} bytes, which do not make shape {} of {}", entry.name,
                       entry.end - entry.begin, shape_text(entry.shape), entry.dtype));
    }
  }

  /// The format demands it, so that no file can hide other contents between tensors.
  void check_coverage() const {
    std::vector<std::size_t> order(entries_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return std::pair(entries_[a].begin, entries_[a].end) <
             std::pair(entries_[b].begin, entries_[b].end);
    });
    uint64_t covered = 0;
    for (const std::size_t i : order) {
      const SafetensorsEntry& entry = entries_[i];
      if (entry.begin != covered) {
        fail(fmt::format(
            "damaged: '{}' begins at byte {}, {} {}", entry.name, entry.begin,
            entry.begin < covered ? "inside another tensor that ends at" : "after a hole from",
            covered));
      }
      covered = entry.end;
    }
    if (covered != tensors_.size()) {
      fail(fmt::format("damaged: {} bytes follow the last tensor", tensors_.size() - covered));
    }
  }

  std::string label_;
  FileBytes file_;
  std::span<const std::byte> tensors_;
  std::vector<SafetensorsEntry> entries_;
  NameIndex index_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace

std::unique_ptr<SafetensorsSource> open_safetensors(const FileBytes& file,
                                                    const std::string& label) {
  return std::make_unique<Source>(file, label);
}

}  // namespace sd
