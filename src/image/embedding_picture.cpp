// The JSON is {"string_to_token": …, "string_to_param": {"*": {"TORCHTENSOR": [[…], …]}}, "name",
// "step", "sd_checkpoint", "sd_checkpoint_name"}.
#include "sd/image/embedding_picture.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "image/json_text.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
#include "sd/image/read.h"

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostText = std::size_t{16} << 20;  // of the JSON: 75 vectors have 2 MB
constexpr int64_t kColours = 3;

[[noreturn]] void fail(const std::string& label, std::string_view message) {
  throw CheckpointError(
      fmt::format("{}: the embedding in this picture {}\n    Image editors and "
                  "many sites change it: take the file as it was written.",
                  label, message));
}

std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int, 256> value_of;
  value_of.fill(-1);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    value_of[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = value_of[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  return bytes;
}

/// Stretches of pixels without black rows and columns around them.
struct Crop {
  int64_t left, right, top, bottom;  // ends are behind the last
};

/// The part of the picture that no black border belongs to: from the first to the last row and
/// column that have a pixel without a zero in any colour.
std::optional<Crop> without_black(const Image& picture) {
  Crop crop{picture.width, 0, picture.height, 0};
  for (int64_t y = 0; y < picture.height; ++y) {
    for (int64_t x = 0; x < picture.width; ++x) {
      const auto* pixel =
          &picture.pixels[static_cast<std::size_t>((y * picture.width + x) * picture.channels)];
      if (pixel[0] == 0 || pixel[1] == 0 || pixel[2] == 0) continue;
      crop = {std::min(crop.left, x), std::max(crop.right, x + 1), std::min(crop.top, y),
              std::max(crop.bottom, y + 1)};
    }
  }
  if (crop.right <= crop.left || crop.bottom <= crop.top) return std::nullopt;
  return crop;
}

/// The lower four bits of columns [left, right), undone what the web UI mixes them with: a linear
/// congruential generator's numbers.
std::vector<uint8_t> nibbles_of(const Image& picture, const Crop& block) {
  constexpr uint32_t kFactor = 1664525, kAddend = 1013904223;
  uint32_t state = 0;
  std::vector<uint8_t> nibbles;
  for (int64_t y = block.top; y < block.bottom; ++y) {
    for (int64_t x = block.left; x < block.right; ++x) {
      for (int64_t c = 0; c < kColours; ++c) {
        state = kFactor * state + kAddend;
        const auto at = (y * picture.width + x) * picture.channels + c;
        nibbles.push_back(static_cast<uint8_t>(
            (picture.pixels[static_cast<std::size_t>(at)] ^ (state % 255)) & 0x0f));
      }
    }
  }
  return nibbles;
}

/// Unpacks what zlib packed; nothing if it is damaged or longer than any embedding. What stands
/// behind its end is filling.
std::optional<std::string> inflated(std::string_view packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw OutOfMemory("no memory to unpack an embedding");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  int status = Z_OK;
  while (status == Z_OK && text.size() < kMostText) {
    std::array<char, 1 << 16> buffer;
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    status = inflate(&stream, Z_NO_FLUSH);
    const auto made = buffer.size() - stream.avail_out;
    text.append(buffer.data(), made);
    if (status == Z_OK && made == 0) break;  // cut short
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END ? std::optional(std::move(text)) : std::nullopt;
}

/// What stands in the columns left and right of a picture, between them and it a black one each.
std::optional<std::string> text_of_pixels(const Image& picture) {
  if (picture.channels < kColours) return std::nullopt;
  const auto crop = without_black(picture);
  if (!crop) return std::nullopt;
  std::optional<int64_t> first, last;  // columns whose lower bits are all zero
  for (int64_t x = crop->left; x < crop->right; ++x) {
    bool black = true;
    for (int64_t y = crop->top; black && y < crop->bottom; ++y) {
      for (int64_t c = 0; c < kColours; ++c) {
        const auto at = (y * picture.width + x) * picture.channels + c;
        black &= (picture.pixels[static_cast<std::size_t>(at)] & 0x0f) == 0;
      }
    }
    if (!black) continue;
    if (!first) first = x;
    last = x;
  }
  if (!first || *first == *last) return std::nullopt;
  const auto low = nibbles_of(picture, {crop->left, *first, crop->top, crop->bottom});
  const auto high = nibbles_of(picture, {*last + 1, crop->right, crop->top, crop->bottom});
  if (low.empty() || low.size() != high.size()) return std::nullopt;
  std::string packed(low.size(), '\0');
  for (std::size_t i = 0; i < low.size(); ++i) packed[i] = static_cast<char>(high[i] << 4 | low[i]);
  return inflated(packed);
}

/// The value of a key that is a text, else "".
std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The numbers of [[…], …] or […].
void read_tensor(const Json& tensor, EmbeddingFile& embedding, const std::string& label) {
  const bool rows = !tensor.empty() && tensor.front().is_array();
  std::vector<int64_t> shape = {static_cast<int64_t>(tensor.size())};
  if (rows) shape.push_back(static_cast<int64_t>(tensor.front().size()));
  check_embedding_shape(shape, label);
  embedding.vectors = rows ? shape[0] : 1;
  embedding.width = shape.back();
  const auto take = [&](const Json& row) {
    if (!row.is_array() || static_cast<int64_t>(row.size()) != embedding.width)
      fail(label, "has rows of unequal length");
    for (const auto& value : row) {
      if (!value.is_number()) fail(label, "holds what is no number");
      embedding.values.push_back(value.get<float>());
    }
  };
  if (!rows) return take(tensor);
  for (const auto& row : tensor) take(row);
}

EmbeddingFile embedding_of_json(std::string_view text, const std::string& label) {
  const auto json = parse_object(text);
  if (!json) fail(label, "is no JSON object");
  const auto params = json->find("string_to_param");
  if (params == json->end() || !params->is_object() || params->empty())
    fail(label, "has no string_to_param");
  const auto any = params->find("*");
  const auto& param = any != params->end() ? *any : params->front();
  const auto tensor = param.is_object() ? param.find("TORCHTENSOR") : param.end();
  if (!param.is_object() || tensor == param.end() || !tensor->is_array())
    fail(label, "has no TORCHTENSOR");
  EmbeddingFile embedding;
  embedding.layout = "A1111 .png";
  embedding.name = text_at(*json, "name");
  embedding.trained_on = text_at(*json, "sd_checkpoint_name");
  embedding.trained_on_hash = text_at(*json, "sd_checkpoint");
  if (const auto step = json->find("step"); step != json->end() && step->is_number_integer())
    embedding.step = step->get<int64_t>();
  read_tensor(*tensor, embedding, label);
  check_embedding_values(embedding, label);
  return embedding;
}

}  // namespace

std::optional<EmbeddingFile> embedding_of_picture(std::span<const std::byte> png,
                                                  const std::string& label) {
  for (const auto& text : read_png_texts(png)) {
    if (text.keyword != kEmbeddingKeyword) continue;
    const auto json = from_base64(text.text);
    if (!json) fail(label, "is no base64");
    return embedding_of_json(*json, label);
  }
  const auto json = text_of_pixels(decode_image(png));
  if (!json) return std::nullopt;
  return embedding_of_json(*json, label);
}

}  // namespace sd
