#include "weights/safetensors_header.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "sd/core/error.h"

namespace sd {
namespace {

using Json = nlohmann::json;

/// Follows the parser through {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
/// …,
/// "__metadata__": {"key": "text"}}. Every handler returns false, with `problem` set, for anything
/// else.
class HeaderHandler final : public Json::json_sax_t {
 public:
  SafetensorsHeader header;
  std::string problem;

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) return go(Place::kTop);
    if (place_ != Place::kTop || key_.empty()) return wrong("an object");
    if (key_ == "__metadata__") return go(Place::kMetadata);
    if (header.entries.size() >= kMaxSafetensorsEntries) {
      problem = fmt::format("more than {} tensors", kMaxSafetensorsEntries);
      return false;
    }
    header.entries.emplace_back().name = key_;
    seen_ = {};
    return go(Place::kEntry);
  }

  bool end_object() override {
    if (place_ == Place::kEntry && !(seen_.dtype && seen_.shape && seen_.offsets)) {
      problem = fmt::format("'{}' lacks dtype, shape or data_offsets", header.entries.back().name);
      return false;
    }
    return go(place_ == Place::kTop ? Place::kEnd : Place::kTop);
  }

  bool key(string_t& text) override {
    key_ = text;
    if (key_.empty() && place_ == Place::kTop) {
      problem = "a tensor without a name";
      return false;
    }
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::kMetadata) {
      header.metadata.emplace_back(key_, text);
      return true;
    }
    if (place_ != Place::kEntry || key_ != "dtype" || seen_.dtype) return wrong("a text");
    seen_.dtype = true;
    header.entries.back().dtype = text;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry) return wrong("a list");
    if (key_ == "shape" && !seen_.shape) {
      seen_.shape = true;
      return go(Place::kShape);
    }
    if (key_ == "data_offsets" && !seen_.offsets) {
      seen_.offsets = true;
      offsets_read_ = 0;
      return go(Place::kOffsets);
    }
    return wrong("a list");
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && offsets_read_ != 2)
      return wrong("data_offsets that are not two numbers");
    return go(Place::kEntry);
  }

  bool number_unsigned(number_unsigned_t value) override {
    auto& entry = header.entries;
    if (place_ == Place::kShape) {
      auto& shape = entry.back().shape;
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
          shape.size() >= kMaxSafetensorsDimensions) {
        return wrong("an impossible shape");
      }
      shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsets && offsets_read_ < 2) {
      (offsets_read_++ == 0 ? entry.back().begin : entry.back().end) = value;
      return true;
    }
    return wrong("a number");
  }

  bool number_integer(number_integer_t) override { return wrong("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return wrong("a number that is no 64-bit integer");
  }
  bool null() override { return wrong("null"); }
  bool boolean(bool) override { return wrong("a truth value"); }
  bool binary(binary_t&) override { return wrong("binary"); }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    problem = fmt::format("no valid JSON at byte {}", position);
    return false;
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kEnd };
  struct Seen {
    bool dtype = false;
    bool shape = false;
    bool offsets = false;
  };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool wrong(std::string_view found) {
    problem = fmt::format(
        "{} where the format has none, near '{}'", found,
        place_ == Place::kTop || header.entries.empty() ? key_ : header.entries.back().name);
    return false;
  }

  Place place_ = Place::kStart;
  std::string key_;
  Seen seen_;
  int offsets_read_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& label) {
  HeaderHandler handler;
  if (!Json::sax_parse(json, &handler)) {
    throw CheckpointError(
        fmt::format("{}: damaged safetensors header: {}", label, handler.problem));
  }
  return std::move(handler.header);
}

}  // namespace sd
