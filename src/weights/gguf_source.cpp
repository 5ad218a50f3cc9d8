#include "weights/gguf_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "weights/byte_reader.h"
#include "weights/gguf_header.h"
#include "weights/name_index.h"

namespace sd {
namespace {

class Source final : public GgufSource {
 public:
  Source(const FileBytes& file, const std::string& label) : label_(label), file_(file) {
    GgufHeader header = parse_gguf_header(file_.bytes, label_);
    metadata_ = std::move(header.metadata);
    entries_ = std::move(header.entries);
    sizes_.reserve(entries_.size());
    for (const auto& entry : entries_) {
      sizes_.push_back(checked_size(entry));
      if (!index_.add(entry.name))
        fail(fmt::format("damaged: two tensors are named '{}'", entry.name));
    }
    check_overlaps();
  }

  const std::vector<std::string>& names() const override { return index_.names(); }
  bool contains(std::string_view name) const override { return index_.find(name).has_value(); }
  const std::string& label() const override { return label_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return metadata_;
  }

  TensorView describe(std::string_view name) const override {
    const GgufEntry& entry = entries_[find(name)];
    const GgmlType& type = *entry.type;
    if (!type.plain && type.block_bytes == 0) {
      fail(
          fmt::format("'{}' is stored as {}, which this program does not read; take a file in F16 "
                      "or Q8_0",
                      name, type.name));
    }
    TensorView view;
    view.dtype = type.plain.value_or(DType::kF32);
    view.shape = entry.shape;
    return view;
  }

  TensorView at(std::string_view name) const override {
    TensorView view = describe(name);
    const std::size_t place = find(name);
    const GgufEntry& entry = entries_[place];
    const auto stored = file_.bytes.subspan(entry.begin, sizes_[place]);
    if (entry.type->plain) {
      view.bytes = stored;
      view.owner = file_.owner;
      view.mapping = file_.mapping;
      return view;
    }
    const auto values = std::make_shared<std::vector<float>>(
        stored.size() / entry.type->block_bytes * static_cast<std::size_t>(kGgmlBlock));
    dequantise(*entry.type, stored, *values);
    view.bytes = std::as_bytes(std::span(*values));
    view.owner = values;
    return view;
  }

  StoredAs stored(std::string_view name) const override {
    const std::size_t place = find(name);
    return {entries_[place].type->name, sizes_[place]};
  }

 private:
  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label_, message));
  }

  std::size_t find(std::string_view name) const {
    const auto place = index_.find(name);
    if (!place) fail(fmt::format("no tensor is named '{}'", name));
    return *place;
  }

  /// Bytes of a tensor, which lie inside the file. 0 for types whose size is not known here.
  std::size_t checked_size(const GgufEntry& entry) const {
    const auto elements = checked_elements(entry.shape);
    if (!elements)
      fail(fmt::format("damaged: '{}' has the impossible shape {}", entry.name,
                       shape_text(entry.shape)));
    const GgmlType& type = *entry.type;
    const auto count = static_cast<uint64_t>(*elements);
    const auto bytes = type.plain ? checked_mul(count, size_of(*type.plain))
                                  : checked_mul(count / kGgmlBlock, type.block_bytes);
    const auto end = bytes ? checked_add(entry.begin, *bytes) : std::nullopt;
    if (!end || *end > file_.bytes.size()) {
      fail(fmt::format(
          "truncated GGUF file: '{}' of shape {} in {} at byte {} reaches outside; {} "
          "bytes are there. Download or copy it again.",
          entry.name, shape_text(entry.shape), type.name, entry.begin, file_.bytes.size()));
    }
    return *bytes;
  }

  void check_overlaps() const {
    std::vector<std::size_t> order(entries_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return std::pair(entries_[a].begin, sizes_[a]) < std::pair(entries_[b].begin, sizes_[b]);
    });
    uint64_t covered = 0;
    for (const std::size_t i : order) {
      if (entries_[i].begin < covered) {
        fail(fmt::format("damaged: '{}' begins at byte {}, inside another tensor that ends at {}",
                         entries_[i].name, entries_[i].begin, covered));
      }
      covered = entries_[i].begin + sizes_[i];
    }
  }

  std::string label_;
  FileBytes file_;
  std::vector<GgufEntry> entries_;
  std::vector<std::size_t> sizes_;  // bytes of each
  NameIndex index_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace

std::unique_ptr<GgufSource> open_gguf(const FileBytes& file, const std::string& label) {
  return std::make_unique<Source>(file, label);
}

}  // namespace sd
