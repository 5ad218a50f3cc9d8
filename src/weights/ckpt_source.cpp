#include "weights/ckpt_source.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <utility>

#include "weights/byte_reader.h"
#include "weights/pickle_machine.h"
#include "weights/state_dict.h"
#include "weights/zip_archive.h"

namespace sd {
namespace {

class CkptSource final : public TensorSource {
 public:
  CkptSource(const FileBytes& file, const std::string& label, std::vector<std::string>* foreign,
             const FindTensors* find)
      : label_(label),
        file_(file),
        archive_(file.bytes, label),
        tensors_(read_tensors(foreign, find)) {}

  const std::vector<std::string>& names() const override { return tensors_.names(); }
  bool contains(std::string_view name) const override { return tensors_.contains(name); }
  const std::string& label() const override { return label_; }

  TensorView describe(std::string_view name) const override { return tensors_.at(name).view; }

  TensorView at(std::string_view name) const override {
    const StoredTensor& found = tensors_.at(name);
    TensorView view = found.view;
    if (found.storage == StoredTensor::kNoStorage) return view;
    const ZipEntry& storage = archive_.entries()[found.storage];
    if (storage.deflated) {
      const auto unpacked = inflated(storage);
      view.bytes = std::span(*unpacked).subspan(found.begin, found.size);
      view.owner = unpacked;
    } else {
      view.bytes = storage.packed.subspan(found.begin, found.size);
      view.owner = file_.owner;
      view.mapping = file_.mapping;
    }
    return found.float8 ? widened(view, *found.float8) : view;
  }

  StoredAs stored(std::string_view name) const override { return tensors_.stored(name); }

 private:
  StateDict read_tensors(std::vector<std::string>* foreign, const FindTensors* find) const {
    const ZipEntry& directory = find_pickle();
    const std::string folder = directory.name.substr(0, directory.name.find('/') + 1);
    std::shared_ptr<const std::vector<std::byte>> unpacked;
    std::span<const std::byte> pickle = directory.packed;
    if (directory.deflated) {
      unpacked = archive_.inflate(directory, pickle::kMaxBytes);
      pickle = *unpacked;
    } else {
      archive_.check_crc(directory, pickle);
    }
    const auto find_storage = [&](const pickle::Storage& storage, std::string_view tensor) {
      const std::string name = fmt::format("{}data/{}", folder, storage.key);
      const ZipEntry* entry = archive_.find(name);
      if (!entry)
        fail(fmt::format("'{}' lies in '{}', which the archive does not hold", tensor, name));
      return StoragePlace{static_cast<std::size_t>(entry - archive_.entries().data()), entry->size,
                          name};
    };
    auto document = pickle::read(pickle, label_);
    if (foreign) *foreign = std::move(document.foreign);
    return StateDict(document, find_storage, label_, find);
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label_, message));
  }

  const ZipEntry& find_pickle() const {
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
    const std::string folder = found->name.substr(0, found->name.find('/') + 1);
    if (archive_.find(folder + "constants.pkl")) {
      fail("a TorchScript program, not a checkpoint; save its state_dict with torch.save first");
    }
    if (const ZipEntry* order = archive_.find(folder + "byteorder")) {
      if (!order->deflated && as_text(order->packed) == "big") {
        fail(
            "written on a big-endian machine; load and save it again with torch on a little-endian "
            "one");
      }
    }
    return *found;
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
  StateDict tensors_;
  mutable std::mutex mutex_;
  mutable std::map<const ZipEntry*, std::weak_ptr<const std::vector<std::byte>>> inflated_;
};

}  // namespace

std::unique_ptr<TensorSource> open_ckpt(const FileBytes& archive, const std::string& label,
                                        std::vector<std::string>* foreign,
                                        const FindTensors* find) {
  return std::make_unique<CkptSource>(archive, label, foreign, find);
}

}  // namespace sd
