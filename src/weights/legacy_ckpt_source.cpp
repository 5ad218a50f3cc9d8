#include "weights/legacy_ckpt_source.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "weights/byte_reader.h"
#include "weights/pickle_globals.h"
#include "weights/pickle_machine.h"
#include "weights/state_dict.h"

namespace sd {
namespace {

using pickle::Document;

constexpr int64_t kProtocol = 1001;

class LegacyCkptSource final : public TensorSource {
 public:
  LegacyCkptSource(const FileBytes& file, const std::string& label,
                   std::vector<std::string>* foreign, const FindTensors* find)
      : label_(label), file_(file), tensors_(read_tensors(foreign, find)) {}

  const std::vector<std::string>& names() const override { return tensors_.names(); }
  bool contains(std::string_view name) const override { return tensors_.contains(name); }
  const std::string& label() const override { return label_; }

  TensorView describe(std::string_view name) const override { return tensors_.at(name).view; }

  TensorView at(std::string_view name) const override {
    const StoredTensor& found = tensors_.at(name);
    TensorView view = found.view;
    if (found.storage == StoredTensor::kNoStorage) return view;
    view.bytes = storages_[found.storage].subspan(found.begin, found.size);
    view.owner = file_.owner;
    view.mapping = file_.mapping;
    return found.float8 ? widened(view, *found.float8) : view;
  }

  StoredAs stored(std::string_view name) const override { return tensors_.stored(name); }

 private:
  /// Fills in `storages_` on its way. The other pickles are of numbers and texts.
  StateDict read_tensors(std::vector<std::string>* foreign, const FindTensors* find) {
    uint64_t position = 0;
    check_preamble(position);
    const Document document = pickle::read_next(file_.bytes, position, label_);
    if (foreign) *foreign = document.foreign;
    const auto places = read_storages(document, position);
    const auto find_storage = [&](const pickle::Storage& storage, std::string_view tensor) {
      const auto found = places.find(storage.key);
      if (found == places.end())
        fail(fmt::format("'{}' lies in storage '{}', which the file does not hold", tensor,
                         storage.key));
      return StoragePlace{found->second, storages_[found->second].size(), std::string(storage.key)};
    };
    return StateDict(document, find_storage, label_, find);
  }

  /// A pickle that needs no class.
  Document read_plain(uint64_t& position) const {
    Document document = pickle::read_next(file_.bytes, position, label_);
    if (!document.foreign.empty())
      fail(fmt::format("damaged: '{}' where only numbers and texts belong",
                       document.foreign.front()));
    return document;
  }

  /// The three pickles that say what the file is.
  void check_preamble(uint64_t& position) const {
    if (!as_text(file_.bytes).starts_with(kLegacyCkptMagic)) fail("not a PyTorch checkpoint");
    read_plain(position);
    const Document protocol = read_plain(position);
    const auto* number = protocol.get_if<int64_t>(protocol.root);
    if (!number || *number != kProtocol) {
      fail(fmt::format("a PyTorch checkpoint of an unknown protocol, expected {}", kProtocol));
    }
    const Document machine = read_plain(position);
    const auto* about = machine.get_if<pickle::Dict>(machine.root);
    if (!about) fail("damaged: no description of the machine that wrote it");
    for (const auto& [key, value] : about->items) {
      const auto* name = machine.get_if<pickle::Text>(key);
      const auto* is_little = machine.get_if<bool>(value);
      if (name && name->utf8 == "little_endian" && is_little && !*is_little) {
        fail(
            "written on a big-endian machine; load and save it again with torch on a little-endian "
            "one");
      }
    }
  }

  /// Keys and what follows them, in the file's order; says at which place each key stands.
  std::unordered_map<std::string_view, std::size_t> read_storages(const Document& document,
                                                                  uint64_t position) {
    std::unordered_map<std::string_view, std::size_t> element_sizes;
    for (const auto& value : document.values) {
      const auto* storage = std::get_if<pickle::Storage>(&value);
      if (!storage) continue;
      const auto size = pickle::storage_element_size(storage->type);
      if (!size) fail(fmt::format("storages of torch.{} are not read", storage->type));
      const auto known = element_sizes.emplace(storage->key, *size).first;
      if (known->second != *size)
        fail(fmt::format("storage '{}' is said to be of two types", storage->key));
    }
    const Document keys = read_plain(position);
    const auto* list = keys.get_if<pickle::List>(keys.root);
    if (!list) fail("damaged: no list of storages behind the tensors");
    ByteReader reader(file_.bytes, label_, position);
    std::unordered_map<std::string_view, std::size_t> places;
    for (const auto item : list->items) {
      const auto* key = keys.get_if<pickle::Text>(item);
      if (!key) fail("damaged: its list of storages holds what is no text");
      const auto size = element_sizes.find(key->utf8);
      if (size == element_sizes.end())
        fail(fmt::format("storage '{}' is of an unknown type", key->utf8));
      if (!places.emplace(size->first, storages_.size()).second)
        fail(fmt::format("damaged: storage '{}' is listed twice", key->utf8));
      const auto bytes = checked_mul(reader.u64(), size->second);
      if (!bytes) fail(fmt::format("damaged: storage '{}' has an impossible size", key->utf8));
      storages_.push_back(reader.bytes(*bytes));
    }
    return places;
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label_, message));
  }

  std::string label_;
  FileBytes file_;
  std::vector<std::span<const std::byte>> storages_;
  StateDict tensors_;
};

}  // namespace

std::unique_ptr<TensorSource> open_legacy_ckpt(const FileBytes& file, const std::string& label,
                                               std::vector<std::string>* foreign,
                                               const FindTensors* find) {
  return std::make_unique<LegacyCkptSource>(file, label, foreign, find);
}

}  // namespace sd
