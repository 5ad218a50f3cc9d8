#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "weights/byte_reader.h"

namespace sd {

/// A JSON object of a model folder, read key by key; every wrong type is an error that names file
/// and key.
class JsonFile {
 public:
  /// Empty lists in a list take sixteen times their text in memory; the longest index of shards has
  /// 0.2 MB.
  static constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
  static constexpr int kMaxDepth = 64;

  explicit JsonFile(const std::filesystem::path& path) : path_(path.string()) {
    const auto file = MappedFile::open(path);
    if (file->size() > kMaxBytes)
      fail(fmt::format("{} bytes; at most {} are read", file->size(), kMaxBytes));
    const auto shallow = [this](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      if (depth > kMaxDepth) fail(fmt::format("nested more than {} deep", kMaxDepth));
      return true;
    };
    json_ = nlohmann::json::parse(as_text(file->bytes()), shallow, /*allow_exceptions=*/false);
    if (!json_.is_object()) fail("not a JSON object");
  }

  const nlohmann::json& json() const { return json_; }

  /// The value of `key`, or null where it is absent.
  const nlohmann::json& at(const char* key) const {
    static const nlohmann::json kNull;
    const auto found = json_.find(key);
    return found == json_.end() ? kNull : *found;
  }
  bool has(const char* key) const { return !at(key).is_null(); }

  int64_t integer(const char* key, int64_t otherwise) const {
    return has(key) ? to_integer(at(key), key) : otherwise;
  }
  double number(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_number()) wrong(key, "a number");
    return at(key).get<double>();
  }
  std::vector<int64_t> integers(const char* key) const {
    constexpr std::size_t kMaxItems = 16;
    const auto& list = at(key);
    if (!list.is_array() || list.empty() || list.size() > kMaxItems)
      wrong(key, "a list of 1 to 16 integers");
    std::vector<int64_t> numbers;
    for (const auto& item : list) numbers.push_back(to_integer(item, key));
    return numbers;
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", path_, message));
  }
  [[noreturn]] void wrong(const char* key, std::string_view expected) const {
    constexpr std::size_t kShown = 120;
    fail(fmt::format(
        "'{}' is {}, expected {}", key,
        at(key).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, kShown),
        expected));
  }

 private:
  int64_t to_integer(const nlohmann::json& value, const char* key) const {
    constexpr int64_t kMax =
        1'000'000;  // sizes of layers; the largest of SD v1 is the vocabulary, 49408
    if (!value.is_number_integer() || value.get<double>() < 1 ||
        value.get<double>() > static_cast<double>(kMax)) {
      wrong(key, "an integer from 1 to 1000000");
    }
    return value.get<int64_t>();
  }

  std::string path_;
  nlohmann::json json_;
};

}  // namespace sd
