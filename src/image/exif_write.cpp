#include <nlohmann/json.hpp>
#include <optional>

#include "image/exif_block.h"
#include "image/unicode.h"
#include "sd/image/encode.h"

namespace sd {
namespace {

// Types of EXIF 2.32, table 4.
constexpr uint32_t kAscii = 2;
constexpr uint32_t kLong = 4;
constexpr uint32_t kUndefined = 7;

constexpr std::size_t kHeaderSize = 8;
constexpr std::size_t kLinkSize = 4;  // to the next directory, behind the entries

std::string big_endian(uint32_t value, std::size_t count) {
  std::string bytes;
  for (std::size_t i = count; i > 0; --i) bytes += static_cast<char>(value >> (8 * (i - 1)) & 0xFF);
  return bytes;
}

struct Field {
  uint32_t tag;
  uint32_t type;
  std::string value;  // of kLong: four bytes
};

std::size_t directory_size(std::size_t fields) { return 2 + fields * kExifEntrySize + kLinkSize; }

/// A directory that stands at `offset`, the values of its fields behind it. Tags ascend.
std::string directory(const std::vector<Field>& fields, std::size_t offset) {
  std::string entries = big_endian(static_cast<uint32_t>(fields.size()), 2);
  std::string values;
  const std::size_t values_at = offset + directory_size(fields.size());
  for (const auto& [tag, type, value] : fields) {
    const auto count = type == kLong ? value.size() / 4 : value.size();
    entries +=
        big_endian(tag, 2) + big_endian(type, 2) + big_endian(static_cast<uint32_t>(count), 4);
    if (value.size() <= 4) {
      entries += value + std::string(4 - value.size(), '\0');
      continue;
    }
    entries += big_endian(static_cast<uint32_t>(values_at + values.size()), 4);
    values += value;
    if (values.size() % 2 != 0) values += '\0';  // values begin at even offsets
  }
  return entries + std::string(kLinkSize, '\0') + values;
}

std::string utf16_be(const std::string& text) {
  std::string units;
  for (const auto& [code, end] : decode_text(text)) {
    if (code < 0x10000) {
      units += big_endian(code, 2);
      continue;
    }
    units += big_endian(0xD800 + ((code - 0x10000) >> 10), 2);
    units += big_endian(0xDC00 + ((code - 0x10000) & 0x3FF), 2);
  }
  return units;
}

/// The same JSON in ASCII, which is all that an ImageDescription may hold; what is no JSON as a
/// JSON string.
std::string ascii_json(const std::string& text) {
  using Json = nlohmann::ordered_json;
  auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) json = text;
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

const std::string* text_named(const std::vector<PngText>& texts, std::string_view keyword) {
  for (const auto& text : texts) {
    if (text.keyword == keyword) return &text.text;
  }
  return nullptr;
}

}  // namespace

std::vector<std::byte> encode_exif(const std::vector<PngText>& texts) {
  const auto* parameters = text_named(texts, "parameters");
  const auto* settings = text_named(texts, kSettingsKeyword);
  if (parameters == nullptr && settings == nullptr) return {};
  std::vector<Field> fields;
  if (settings != nullptr) {
    fields.push_back({kImageDescriptionTag, kAscii,
                      std::string(kSettingsMark) + ascii_json(*settings) + std::string(1, '\0')});
  }
  std::string block = "MM" + big_endian(42, 2) + big_endian(kHeaderSize, 4);
  if (parameters == nullptr) {
    block += directory(fields, kHeaderSize);
  } else {
    fields.push_back({kExifDirectoryTag, kLong, std::string(4, '\0')});
    // The size of the first directory does not depend on where it points to.
    const auto exif_at = kHeaderSize + directory(fields, kHeaderSize).size();
    fields.back().value = big_endian(static_cast<uint32_t>(exif_at), 4);
    const Field comment{kUserCommentTag, kUndefined,
                        std::string("UNICODE\0", 8) + utf16_be(repair_utf8(*parameters))};
    block += directory(fields, kHeaderSize) + directory({comment}, exif_at);
  }
  const auto bytes = std::as_bytes(std::span(block));
  return {bytes.begin(), bytes.end()};
}

}  // namespace sd
