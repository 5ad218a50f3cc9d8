#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "weights/float8.h"
#include "weights/name_index.h"
#include "weights/nested_tensors.h"
#include "weights/pickle_value.h"

namespace sd {

/// A storage as the file of a checkpoint holds it.
struct StoragePlace {
  std::size_t number = 0;  // the reader's own
  uint64_t bytes = 0;
  std::string name;  // for messages
};

/// Where a tensor lies, or why it cannot be had.
struct StoredTensor {
  static constexpr std::size_t kNoStorage = ~std::size_t{0};

  TensorView view;                       // without bytes
  const Float8Format* float8 = nullptr;  // what the bytes are in where that is not view.dtype
  std::size_t storage = kNoStorage;      // StoragePlace::number; none for a tensor without elements
  uint64_t begin = 0;                    // of its bytes in the storage
  uint64_t size = 0;
  std::string problem;
};

/// The tensors that a PyTorch checkpoint's pickle names, each checked against the storage that it
/// lies in. Shared by the readers of both containers.
class StateDict {
 public:
  /// Says where a storage lies; throws CheckpointError if the file does not hold it. The text names
  /// the tensor that asks.
  using FindStorage =
      std::function<StoragePlace(const pickle::Storage& storage, std::string_view tensor)>;

  /// Takes the dictionaries that find_tensors (nested_tensors.h) finds. Throws CheckpointError
  /// beginning with `label`: for impossible tensors, and naming what else the file is (the state of
  /// an optimiser, a textual inversion, …) if it holds no tensors. With `find` the dictionaries are
  /// those that it finds, and there may be no tensors.
  StateDict(const pickle::Document& document, const FindStorage& find_storage, std::string label,
            const FindTensors* find = nullptr);

  const std::vector<std::string>& names() const { return index_.names(); }
  bool contains(std::string_view name) const { return index_.find(name).has_value(); }
  /// Throws CheckpointError if there is no such tensor or if it is no plain one.
  const StoredTensor& at(std::string_view name) const;
  /// How the file holds it; errors as those of `at`.
  StoredAs stored(std::string_view name) const;

 private:
  void add_tensors(const pickle::Document& document, const pickle::Dict& dict,
                   const std::string& prefix, const FindStorage& find_storage);
  StoredTensor locate(const pickle::Document& document, const pickle::Tensor& tensor,
                      std::string_view name, const FindStorage& find_storage) const;
  uint64_t reached_elements(const pickle::Tensor& tensor, std::string_view name) const;
  [[noreturn]] void fail(std::string_view message) const;

  std::string label_;
  NameIndex index_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace sd
