#include "weights/ckpt_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "weights/byte_reader.h"
#include "weights/name_index.h"
#include "weights/pickle_globals.h"
#include "weights/pickle_machine.h"
#include "weights/zip_archive.h"

namespace sd {
namespace {

using pickle::Document;
using pickle::Id;

/// Where a tensor lies, or why it cannot be had.
struct CkptEntry {
  TensorView view;  // without bytes
  const ZipEntry* storage = nullptr;
  uint64_t begin = 0;  // of its bytes in the unpacked storage
  uint64_t size = 0;
  std::string problem;
};

class CkptSource final : public TensorSource {
 public:
  CkptSource(const FileBytes& file, const std::string& label)
      : label_(label), file_(file), archive_(file.bytes, label) {
    const ZipEntry& directory = find_pickle();
    std::shared_ptr<const std::vector<std::byte>> unpacked;
    std::span<const std::byte> pickle = directory.packed;
    if (directory.deflated) {
      unpacked = archive_.inflate(directory);
      pickle = *unpacked;
    } else {
      archive_.check_crc(directory, pickle);
    }
    const Document document = pickle::read(pickle, label_);
    add_tensors(document, find_state_dict(document));
  }

  const std::vector<std::string>& names() const override { return index_.names(); }
  bool contains(std::string_view name) const override { return index_.find(name).has_value(); }
  const std::string& label() const override { return label_; }

  TensorView describe(std::string_view name) const override { return entry(name).view; }

  TensorView at(std::string_view name) const override {
    const CkptEntry& found = entry(name);
    TensorView view = found.view;
    if (found.storage == nullptr) return view;  // no elements
    if (found.storage->deflated) {
      const auto unpacked = inflated(*found.storage);
      view.bytes = std::span(*unpacked).subspan(found.begin, found.size);
      view.owner = unpacked;
    } else {
      view.bytes = found.storage->packed.subspan(found.begin, found.size);
      view.owner = file_.owner;
      view.mapping = file_.mapping;
    }
    return view;
  }

 private:
  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label_, message));
  }

  const CkptEntry& entry(std::string_view name) const {
    const auto at = index_.find(name);
    if (!at) fail(fmt::format("no tensor is named '{}'", name));
    const CkptEntry& found = entries_[*at];
    if (!found.problem.empty()) fail(found.problem);
    return found;
  }

  const ZipEntry& find_pickle() {
    const ZipEntry* found = nullptr;
    for (const ZipEntry& entry : archive_.entries()) {
      const auto slash = entry.name.find('/');
      if (slash == std::string::npos || entry.name.substr(slash) != "/data.pkl") continue;
      if (found)
        fail(fmt::format("two pickles in one archive: '{}' and '{}'", found->name, entry.name));
      found = &entry;
    }
    if (!found) {
      fail(
          "a zip archive, but no PyTorch checkpoint (no data.pkl in it). If it holds a model, "
          "unpack it first.");
    }
    folder_ = found->name.substr(0, found->name.find('/') + 1);
    if (archive_.find(folder_ + "constants.pkl")) {
      fail("a TorchScript program, not a checkpoint; save its state_dict with torch.save first");
    }
    if (const ZipEntry* order = archive_.find(folder_ + "byteorder")) {
      if (!order->deflated && as_text(order->packed) == "big") {
        fail(
            "written on a big-endian machine; load and save it again with torch on a little-endian "
            "one");
      }
    }
    return *found;
  }

  /// Tensors by name: the dictionary below "state_dict" (or a key that other trainers use), else
  /// the top itself.
  const pickle::Dict& find_state_dict(const Document& document) const {
    static constexpr std::array<std::string_view, 4> kKeys = {"state_dict", "model", "module",
                                                              "model_state_dict"};
    const auto* dict = document.get_if<pickle::Dict>(document.root);
    if (!dict) fail("a PyTorch file, but not a checkpoint: no dictionary of tensors at its top");
    constexpr int kMaxNesting = 4;
    for (int level = 0; level < kMaxNesting; ++level) {
      const pickle::Dict* inner = nullptr;
      for (const auto key : kKeys) {
        if ((inner = child(document, *dict, key))) break;
      }
      if (!inner) break;
      dict = inner;
    }
    return *dict;
  }

  static const pickle::Dict* child(const Document& document, const pickle::Dict& dict,
                                   std::string_view key) {
    for (const auto& [name, value] : dict.items) {
      const auto* text = document.get_if<pickle::Text>(name);
      if (text && text->utf8 == key) return document.get_if<pickle::Dict>(value);
    }
    return nullptr;
  }

  /// Whatever else stands in the dictionary (numbers, texts, None) is no tensor and has no name
  /// here. Placeholders have one: they may stand where a tensor is wanted, and then the message
  /// says what they are.
  void add_tensors(const Document& document, const pickle::Dict& dict) {
    for (const auto& [key, value] : dict.items) {
      const auto* name = document.get_if<pickle::Text>(key);
      const auto* tensor = document.get_if<pickle::Tensor>(value);
      const auto* placeholder = document.get_if<pickle::Placeholder>(value);
      if (!name || (!tensor && !placeholder)) continue;
      if (!index_.add(std::string(name->utf8)))
        fail(fmt::format("two tensors are named '{}'", name->utf8));
      if (tensor) {
        entries_.push_back(locate(document, *tensor, name->utf8));
      } else {
        CkptEntry unreadable;
        unreadable.problem =
            fmt::format("'{}' is not a plain tensor: it is made by '{}.{}', which is not run here",
                        name->utf8, placeholder->module, placeholder->name);
        entries_.push_back(std::move(unreadable));
      }
    }
  }

  CkptEntry locate(const Document& document, const pickle::Tensor& tensor,
                   std::string_view name) const {
    const auto& storage = std::get<pickle::Storage>(document.values[tensor.storage]);
    const auto dtype = pickle::storage_dtype(storage.type);
    const auto elements = checked_elements(tensor.shape);
    CkptEntry entry;
    if (!dtype || !elements || storage.count < 0 || tensor.offset < 0) {
      fail(fmt::format(
          "'{}' has an impossible size: shape {}, offset {} in a storage of {} elements", name,
          shape_text(tensor.shape), tensor.offset, storage.count));
    }
    entry.view.dtype = *dtype;
    entry.view.shape = tensor.shape;
    if (*elements == 0) return entry;
    if (!is_contiguous(tensor)) entry.view.strides = tensor.strides;

    const uint64_t reach = reached_elements(tensor, name);
    const auto end = checked_add(static_cast<uint64_t>(tensor.offset), reach);
    if (!end || *end > static_cast<uint64_t>(storage.count)) {
      fail(fmt::format("'{}' reaches outside its storage: shape {}, offset {}, {} elements there",
                       name, shape_text(tensor.shape), tensor.offset, storage.count));
    }
    const std::string file = fmt::format("{}data/{}", folder_, storage.key);
    entry.storage = archive_.find(file);
    if (!entry.storage)
      fail(fmt::format("'{}' lies in '{}', which the archive does not hold", name, file));
    const auto storage_bytes = checked_mul(static_cast<uint64_t>(storage.count), size_of(*dtype));
    if (!storage_bytes || *storage_bytes != entry.storage->size) {
      fail(fmt::format("'{}' lies in '{}', expected {} elements of {}, found {} bytes", name, file,
                       storage.count, name_of(*dtype), entry.storage->size));
    }
    entry.begin = static_cast<uint64_t>(tensor.offset) * size_of(*dtype);
    entry.size = reach * size_of(*dtype);
    return entry;
  }

  /// Elements from the first to the last that the strides reach. Only for tensors that have
  /// elements.
  uint64_t reached_elements(const pickle::Tensor& tensor, std::string_view name) const {
    uint64_t reach = 1;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      const auto step = tensor.strides[i] < 0
                            ? std::nullopt
                            : checked_mul(static_cast<uint64_t>(tensor.shape[i] - 1),
                                          static_cast<uint64_t>(tensor.strides[i]));
      const auto sum = step ? checked_add(reach, *step) : std::nullopt;
      if (!sum)
        fail(fmt::format("'{}' has impossible strides {}", name, shape_text(tensor.strides)));
      reach = *sum;
    }
    return reach;
  }

  static bool is_contiguous(const pickle::Tensor& tensor) {
    int64_t expected = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
      if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
      expected *= tensor.shape[i];  // within 63 bits: checked_elements has seen the whole product
    }
    return true;
  }

  /// A deflated storage, unpacked once for all the tensors that hold it at the time.
  std::shared_ptr<const std::vector<std::byte>> inflated(const ZipEntry& storage) const {
    const std::lock_guard lock(mutex_);
    auto& kept = inflated_[&storage];
    auto unpacked = kept.lock();
    if (!unpacked) {
      unpacked = archive_.inflate(storage);
      kept = unpacked;
    }
    return unpacked;
  }

  std::string label_;
  FileBytes file_;
  ZipArchive archive_;
  std::string folder_;  // the archive's one folder, with its slash
  NameIndex index_;
  std::vector<CkptEntry> entries_;
  mutable std::mutex mutex_;
  mutable std::map<const ZipEntry*, std::weak_ptr<const std::vector<std::byte>>> inflated_;
};

}  // namespace

std::unique_ptr<TensorSource> open_ckpt(const FileBytes& archive, const std::string& label) {
  return std::make_unique<CkptSource>(archive, label);
}

}  // namespace sd
