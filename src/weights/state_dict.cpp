#include "weights/state_dict.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "weights/byte_reader.h"
#include "weights/family.h"
#include "weights/pickle_globals.h"

namespace sd {
namespace {

using pickle::Document;

/// What a file without tensors is, and what to do.
struct Other {
  std::string_view what;
  std::string_view advice;
};

/// The same, by a key at its top; nothing for a file without any of the known ones.
Other other_contents(const Document& document, const pickle::Dict& top) {
  struct Row {
    std::string_view key, what;
    std::string_view advice = "Give a whole model.";
  };
  constexpr std::array kRows = {
      Row{"string_to_param", "a textual inversion embedding", kEmbeddingAdvice},
      Row{"ip_adapter", "an IP-Adapter", kIpAdapterAdvice},
      Row{"layer_structure", "a hypernetwork, which is not supported"},
      Row{"param_groups", "the state of an optimiser, without a model's weights"},
      Row{"optimizer_states", "a training checkpoint without a model's weights"},
      Row{"optimizer_state_dict", "a training checkpoint without a model's weights"},
      Row{"optimizer", "a training checkpoint without a model's weights"},
      Row{"lr_schedulers", "a training checkpoint without a model's weights"},
  };
  for (const auto& row : kRows) {
    if (child(document, top, row.key)) return {row.what, row.advice};
  }
  return {};
}

bool is_contiguous(const pickle::Tensor& tensor) {
  int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];  // within 63 bits: checked_elements has seen the whole product
  }
  return true;
}

}  // namespace

StateDict::StateDict(const Document& document, const FindStorage& find_storage, std::string label,
                     const FindTensors* find)
    : label_(std::move(label)) {
  const auto* top = document.get_if<pickle::Dict>(document.root);
  if (!top) fail("a PyTorch file, but not a checkpoint: no dictionary of tensors at its top");
  for (const auto& [prefix, dict] : find ? (*find)(document, *top) : find_tensors(document, *top))
    add_tensors(document, *dict, prefix, find_storage);
  if (find || !tensors_.empty()) return;
  const auto [what, advice] = other_contents(document, *top);
  if (!what.empty())
    fail(fmt::format("expected a Stable Diffusion model, found {}\n    {}", what, advice));
}

const StoredTensor& StateDict::at(std::string_view name) const {
  const auto place = index_.find(name);
  if (!place) fail(fmt::format("no tensor is named '{}'", name));
  const StoredTensor& found = tensors_[*place];
  if (!found.problem.empty()) fail(found.problem);
  return found;
}

StoredAs StateDict::stored(std::string_view name) const {
  const StoredTensor& found = at(name);
  const auto elements = static_cast<uint64_t>(checked_elements(found.view.shape).value_or(0));
  if (found.float8) return {found.float8->name, elements};
  return {name_of(found.view.dtype), elements * size_of(found.view.dtype)};
}

/// Whatever else stands in the dictionary (numbers, texts, None) is no tensor and has no name here.
/// Placeholders have one: they may stand where a tensor is wanted, and then the message says what
/// they are.
void StateDict::add_tensors(const Document& document, const pickle::Dict& dict,
                            const std::string& prefix, const FindStorage& find_storage) {
  for (const auto& [key, value] : dict.items) {
    const auto* text = document.get_if<pickle::Text>(key);
    const auto* tensor = document.get_if<pickle::Tensor>(value);
    const auto* placeholder = document.get_if<pickle::Placeholder>(value);
    if (!text || (!tensor && !placeholder)) continue;
    const auto name = prefix + std::string(text->utf8);
    if (!index_.add(name)) fail(fmt::format("two tensors are named '{}'", name));
    if (tensor) {
      tensors_.push_back(locate(document, *tensor, name, find_storage));
    } else {
      StoredTensor unreadable;
      unreadable.problem =
          fmt::format("'{}' is not a plain tensor: it is made by '{}.{}', which is not run here",
                      name, placeholder->module, placeholder->name);
      tensors_.push_back(std::move(unreadable));
    }
  }
}

StoredTensor StateDict::locate(const Document& document, const pickle::Tensor& tensor,
                               std::string_view name, const FindStorage& find_storage) const {
  const auto& storage = std::get<pickle::Storage>(document.values[tensor.storage]);
  const auto* float8 = float8_of_torch(tensor.dtype);
  const auto dtype = float8 ? DType::kF16 : pickle::storage_dtype(storage.type);
  const auto elements = checked_elements(tensor.shape);
  if (!dtype || !elements || storage.view_count < 0 || tensor.offset < 0) {
    fail(fmt::format("'{}' has an impossible size: shape {}, offset {} in a storage of {} elements",
                     name, shape_text(tensor.shape), tensor.offset, storage.view_count));
  }
  StoredTensor stored;
  stored.float8 = float8;
  stored.view.dtype = *dtype;
  const std::size_t element = float8 ? 1 : size_of(*dtype);
  stored.view.shape = tensor.shape;
  if (*elements == 0) return stored;
  if (!is_contiguous(tensor)) stored.view.strides = tensor.strides;

  const uint64_t reach = reached_elements(tensor, name);
  const auto end = checked_add(static_cast<uint64_t>(tensor.offset), reach);
  if (!end || *end > static_cast<uint64_t>(storage.view_count)) {
    fail(fmt::format("'{}' reaches outside its storage: shape {}, offset {}, {} elements there",
                     name, shape_text(tensor.shape), tensor.offset, storage.view_count));
  }
  const StoragePlace place = find_storage(storage, name);
  const auto storage_bytes = checked_mul(static_cast<uint64_t>(storage.count), element);
  if (storage.count < 0 || !storage_bytes || *storage_bytes != place.bytes) {
    fail(fmt::format("'{}' lies in '{}', expected {} elements of {}, found {} bytes", name,
                     place.name, storage.count, float8 ? float8->name : name_of(*dtype),
                     place.bytes));
  }
  if (storage.view_begin < 0 || storage.view_begin > storage.count - storage.view_count) {
    fail(fmt::format("'{}' needs {} elements of '{}' from element {} on, but that has only {}",
                     name, storage.view_count, place.name, storage.view_begin, storage.count));
  }
  stored.storage = place.number;
  stored.begin = static_cast<uint64_t>(storage.view_begin + tensor.offset) * element;
  stored.size = reach * element;
  return stored;
}

/// Elements from the first to the last that the strides reach. Only for tensors that have elements.
uint64_t StateDict::reached_elements(const pickle::Tensor& tensor, std::string_view name) const {
  uint64_t reach = 1;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const auto step = tensor.strides[i] < 0
                          ? std::nullopt
                          : checked_mul(static_cast<uint64_t>(tensor.shape[i] - 1),
                                        static_cast<uint64_t>(tensor.strides[i]));
    const auto sum = step ? checked_add(reach, *step) : std::nullopt;
    if (!sum) fail(fmt::format("'{}' has impossible strides {}", name, shape_text(tensor.strides)));
    reach = *sum;
  }
  return reach;
}

void StateDict::fail(std::string_view message) const {
  throw CheckpointError(fmt::format("{}: {}", label_, message));
}

}  // namespace sd
