#include "weights/gguf_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

#include "sd/core/error.h"
#include "weights/byte_reader.h"

namespace sd {
namespace {

enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kText,
  kList,
  kU64,
  kI64,
  kF64,
};

constexpr uint32_t kLargestVersion = 0x00ffffffu;  // above: a small number read backwards
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr std::size_t kMaxShownText = 4096;
constexpr std::string_view kOriginalShape = "comfy.gguf.orig_shape.";

/// Bytes of one value; 0 for texts and lists, which say their own.
std::size_t size_of_value(ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    case ValueType::kU64:
    case ValueType::kI64:
    case ValueType::kF64:
      return 8;
    case ValueType::kText:
    case ValueType::kList:
      break;
  }
  return 0;
}

class Parser {
 public:
  Parser(std::span<const std::byte> file, const std::string& label)
      : label_(label), reader_(file, label) {}

  GgufHeader parse() {
    if (reader_.text(4) != "GGUF") fail("not a GGUF file");
    const uint32_t version = reader_.u32();
    if (version > kLargestVersion) fail("a big-endian GGUF file; only little-endian ones are read");
    if (version != 2 && version != 3)
      fail(fmt::format("a GGUF file of version {}, expected 2 or 3", version));
    const uint64_t tensors = reader_.u64();
    const uint64_t settings = reader_.u64();
    if (tensors > kMaxGgufTensors)
      fail(fmt::format("{} tensors; at most {} are read", tensors, kMaxGgufTensors));
    if (settings > kMaxGgufSettings)
      fail(fmt::format("{} settings; at most {} are read", settings, kMaxGgufSettings));
    for (uint64_t i = 0; i < settings; ++i) read_setting();
    for (uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label_, message));
  }

  std::string name(std::string_view what) {
    const uint64_t length = reader_.u64();
    if (length > kMaxGgufName)
      fail(fmt::format("damaged: a {} of {} bytes; at most {} are read", what, length,
                       kMaxGgufName));
    return std::string(reader_.text(length));
  }

  ValueType value_type() {
    const uint32_t type = reader_.u32();
    if (type > static_cast<uint32_t>(ValueType::kF64))
      fail(fmt::format("damaged: a setting of type {}, which GGUF does not have", type));
    return static_cast<ValueType>(type);
  }

  void read_setting() {
    const std::string key = name("setting's name");
    const ValueType type = value_type();
    if (type == ValueType::kList) {
      read_list(key);
    } else if (type == ValueType::kText) {
      header_.metadata.emplace_back(key, reader_.text(reader_.u64()).substr(0, kMaxShownText));
    } else {
      header_.metadata.emplace_back(key, number(key, type));
    }
  }

  std::string number(const std::string& key, ValueType type) {
    switch (type) {
      case ValueType::kF32:
        return fmt::format("{}", std::bit_cast<float>(reader_.u32()));
      case ValueType::kF64:
        return fmt::format("{}", std::bit_cast<double>(reader_.u64()));
      case ValueType::kBool:
        return reader_.u8() != 0 ? "true" : "false";
      case ValueType::kU64: {
        const uint64_t value = reader_.u64();
        return fmt::format("{}", value);
      }
      default:
        break;
    }
    const int64_t value = integer(type);
    if (key == "general.alignment") set_alignment(value);
    return fmt::format("{}", value);
  }

  int64_t integer(ValueType type) {
    switch (type) {
      case ValueType::kU8:
        return reader_.u8();
      case ValueType::kI8:
        return static_cast<int8_t>(reader_.u8());
      case ValueType::kU16:
        return reader_.u16();
      case ValueType::kI16:
        return static_cast<int16_t>(reader_.u16());
      case ValueType::kU32:
        return reader_.u32();
      case ValueType::kI32:
        return static_cast<int32_t>(reader_.u32());
      default:
        return static_cast<int64_t>(reader_.u64());
    }
  }

  void set_alignment(int64_t value) {
    if (value < 8 || value > static_cast<int64_t>(kMaxAlignment) || value % 8 != 0)
      fail(fmt::format("general.alignment is {}, expected a multiple of 8 up to {}", value,
                       kMaxAlignment));
    alignment_ = static_cast<uint64_t>(value);
  }

  void read_list(const std::string& key) {
    const ValueType type = value_type();
    const uint64_t count = reader_.u64();
    if (type == ValueType::kList) fail(fmt::format("'{}' is a list of lists, not supported", key));
    if (type == ValueType::kText) {
      for (uint64_t i = 0; i < count; ++i) reader_.skip(reader_.u64());
    } else if (key.starts_with(kOriginalShape)) {
      read_original_shape(key, type, count);
      return;
    } else {
      const auto bytes = checked_mul(count, size_of_value(type));
      if (!bytes) fail(fmt::format("damaged: '{}' is a list of {} values", key, count));
      reader_.skip(*bytes);
    }
    header_.metadata.emplace_back(key, fmt::format("{} values", count));
  }

  void read_original_shape(const std::string& key, ValueType type, uint64_t count) {
    constexpr uint64_t kMaxOriginal = 8;
    const bool integers =
        type != ValueType::kF32 && type != ValueType::kF64 && type != ValueType::kBool;
    if (!integers || count > kMaxOriginal)
      fail(fmt::format("'{}' is no shape of at most {} integers", key, kMaxOriginal));
    std::vector<int64_t> shape;
    for (uint64_t i = 0; i < count; ++i) shape.push_back(integer(type));
    original_shapes_[key.substr(kOriginalShape.size())] = std::move(shape);
  }

  void read_tensor() {
    GgufEntry entry;
    entry.name = name("tensor's name");
    if (entry.name.empty()) fail("damaged: a tensor without a name");
    const uint32_t dimensions = reader_.u32();
    if (dimensions > kMaxGgufDimensions)
      fail(fmt::format("damaged: '{}' has {} dimensions, at most {} are possible", entry.name,
                       dimensions, kMaxGgufDimensions));
    for (uint32_t i = 0; i < dimensions; ++i) {
      const uint64_t size = reader_.u64();
      if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        fail(fmt::format("damaged: '{}' has a dimension of {}", entry.name, size));
      entry.shape.push_back(static_cast<int64_t>(size));
    }
    std::reverse(entry.shape.begin(), entry.shape.end());
    const uint32_t type = reader_.u32();
    entry.type = find_ggml_type(type);
    if (!entry.type) fail(fmt::format("'{}' is of the unknown type {}", entry.name, type));
    // Blocks do not reach over the end of a row.
    if (entry.type->block_bytes != 0 &&
        (entry.shape.empty() || entry.shape.back() % kGgmlBlock != 0)) {
      fail(
          fmt::format("damaged: '{}' has shape {}, which {} cannot hold: its rows are no multiple "
                      "of {}",
                      entry.name, shape_text(entry.shape), entry.type->name, kGgmlBlock));
    }
    entry.begin = reader_.u64();
    if (entry.begin % alignment_ != 0)
      fail(fmt::format("damaged: '{}' begins at byte {} of the data, expected a multiple of {}",
                       entry.name, entry.begin, alignment_));
    header_.entries.push_back(std::move(entry));
  }

  /// Offsets count from the data, which begins aligned behind the header; now that its end is known
  /// they become offsets in the file.
  void place_tensors() {
    const uint64_t data = (reader_.position() + alignment_ - 1) / alignment_ * alignment_;
    for (GgufEntry& entry : header_.entries) {
      const auto begin = checked_add(data, entry.begin);
      if (!begin) fail(fmt::format("damaged: '{}' begins at byte {}", entry.name, entry.begin));
      entry.begin = *begin;
    }
    if (original_shapes_.empty()) return;
    for (GgufEntry& entry : header_.entries) {
      const auto found = original_shapes_.find(entry.name);
      if (found == original_shapes_.end()) continue;
      const auto original = checked_elements(found->second);
      if (!original || original != checked_elements(entry.shape))
        fail(fmt::format("damaged: '{}' has shape {}, {}{} says {}", entry.name,
                         shape_text(entry.shape), kOriginalShape, entry.name,
                         shape_text(found->second)));
      entry.shape = found->second;
    }
  }

  std::string label_;
  ByteReader reader_;
  GgufHeader header_;
  uint64_t alignment_ = kDefaultAlignment;
  std::map<std::string, std::vector<int64_t>, std::less<>> original_shapes_;
};

}  // namespace

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& label) {
  return Parser(file, label).parse();
}

}  // namespace sd
