#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sd::pickle {

/// Values refer to each other by their place in Document::values, so cycles cost nothing and
/// nothing recurses.
using Id = uint32_t;

struct None {};
struct BigInteger {};  // beyond 64 bits; nothing in a checkpoint's tensors needs one
struct Text {
  std::string_view utf8;
};
struct Bytes {
  std::span<const std::byte> bytes;
};
struct List {
  std::vector<Id> items;
};
struct Tuple {
  std::vector<Id> items;
};
struct Set {
  std::vector<Id> items;
};
struct Dict {
  std::vector<std::pair<Id, Id>> items;
};
/// A class or function that the pickle names. Naming is all that happens to it.
struct Global {
  std::string_view module;
  std::string_view name;
};
/// What Python would have made with a class or function outside the allow-list: inert.
struct Placeholder {
  std::string_view module;
  std::string_view name;
  std::optional<Id> state = std::nullopt;  // what BUILD would have given it
};
/// A persistent id: `count` elements of torch type `type` ("HalfStorage"), of which `view_count`
/// from `view_begin` on are seen. Only the oldest files have views that are not the whole.
struct Storage {
  std::string_view type;
  std::string_view key;
  int64_t count = 0;
  int64_t view_begin = 0;
  int64_t view_count = 0;
};
struct Tensor {
  Id storage = 0;
  int64_t offset = 0;  // in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  std::string_view dtype;  // torch's name for it where the storage is of bytes; else empty
};

using Value = std::variant<None, bool, int64_t, double, BigInteger, Text, Bytes, List, Tuple, Set,
                           Dict, Global, Placeholder, Storage, Tensor>;

/// What a pickle describes. Texts point into the pickle's bytes, which must outlive it.
struct Document {
  std::vector<Value> values;
  Id root = 0;
  std::vector<std::string> foreign;  // "module.Class" of what is named and not known, sorted

  template <typename T>
  const T* get_if(Id id) const {
    return std::get_if<T>(&values[id]);
  }
};

}  // namespace sd::pickle
