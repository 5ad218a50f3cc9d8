#include "cli/models/file_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "cli/models/checkpoint_info.h"
#include "cli/models/embedding_info.h"
#include "cli/models/inversion_info.h"
#include "cli/models/ip_adapter_info.h"
#include "cli/models/network_info.h"
#include "cli/shell/cut_words.h"
#include "cli/shell/text_output.h"
#include "core/posix_file.h"
#include "image/json_text.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/image/embedding_picture.h"
#include "sd/image/foreign_recipe.h"
#include "sd/image/infotext.h"
#include "sd/image/metadata.h"
#include "sd/networks/network.h"
#include "sd/weights/embedding_file.h"
#include "sd/weights/inversion_file.h"
#include "sd/weights/ip_adapter_file.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kIndent = 2;
constexpr std::size_t kMostOfPrompt = 2000;  // characters: prompts are what pictures are asked for
constexpr std::size_t kMostOfList = 2000;
constexpr int kMostEntries = 200;  // of an object, such as another program's workflow

/// By its first bytes, since names lie.
bool is_picture(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kMagics = {"\x89PNG", "\xFF\xD8\xFF", "GIF8", "8BPS"};
  constexpr std::size_t kStart = 12;
  const auto bytes = read_start(path, kStart);
  for (const auto magic : kMagics) {
    if (bytes.starts_with(magic)) return true;
  }
  return bytes.size() == kStart && bytes.starts_with("RIFF") && bytes.ends_with("WEBP");
}

/// Whether the web UI put an embedding beside the picture.
bool holds_embedding(const fs::path& picture) {
  const auto texts = read_metadata(picture).texts;
  return std::ranges::any_of(texts,
                             [](const PngText& text) { return text.keyword == kEmbeddingKeyword; });
}

Json infotext_json(const Infotext& info) {
  Json json = {{"prompt", info.prompt}, {"negative_prompt", info.negative_prompt}};
  Json& settings = json["settings"] = Json::object();
  for (const auto& [key, value] : info.settings) settings[key] = value;
  return json;
}

Json picture_json(const fs::path& path) {
  const auto metadata = read_metadata(path);
  Json json = {{"file", path.string()},
               {"kind", "image"},
               {"format", metadata.format},
               {"width", metadata.width},
               {"height", metadata.height}};
  const auto recipe = foreign_recipe(metadata);
  if (recipe) {
    json["made_by"] = recipe->program;
    json["parameters"] = infotext_json(recipe->info);
    if (!recipe->notes.empty()) json["notes"] = recipe->notes;
  } else if (metadata.parameters) {
    json["parameters"] = infotext_json(parse_infotext(*metadata.parameters));
  }
  for (const auto& [keyword, text] : metadata.texts) {
    if (keyword == "parameters" && !recipe) continue;
    // Ours is JSON; ComfyUI's chunks are too.
    auto parsed = parse_object(text);
    json["texts"][keyword] = parsed ? std::move(*parsed) : Json(text);
  }
  return json;
}

/// Texts of a list each as people are shown one.
std::string list_text(Json list) {
  for (auto& entry : list) {
    if (entry.is_string()) entry = cut_text(entry.get_ref<const std::string&>());
  }
  return cut_text(json_of(list), kMostOfList);
}

/// A value as people are shown it: not all of one that is too long to be read.
std::string shown_value(const std::string& key, const Json& value) {
  if (value.is_array()) return list_text(value);
  if (key == "problem" && value.is_string()) return cut_words(value.get_ref<const std::string&>());
  const bool is_prompt = key == "prompt" || key == "negative_prompt";
  return cut_text(value.is_string() ? value.get<std::string>() : json_of(value),
                  is_prompt ? kMostOfPrompt : kMostShown);
}

void append_text(std::string& out, const std::string& key, const Json& value, std::size_t indent) {
  if (value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty())) return;
  out += fmt::format("\n{:{}}{}:", "", indent, printable(shorten(key, 80)));
  if (value.is_object()) {
    int left = kMostEntries;
    for (const auto& [inner_key, inner] : value.items()) {
      if (left-- == 0) {
        out += fmt::format("\n{:{}}… ({} entries)", "", indent + kIndent, value.size());
        break;
      }
      append_text(out, inner_key, inner, indent + kIndent);
    }
    return;
  }
  out += ' ';
  for (const char character : printable(shown_value(key, value))) {
    out += character;
    if (character == '\n') out.append(indent + kIndent, ' ');
  }
}

}  // namespace

Json describe_file(const fs::path& path, bool hash) {
  std::error_code error;
  if (!is_present(path)) throw IoError(fmt::format("{} does not exist", path.string()));
  if (fs::is_directory(path, error))
    return is_network(path) ? network_json(path, hash) : checkpoint_json(path, hash);
  if (is_picture(path))
    return holds_embedding(path) ? embedding_json(path, hash) : picture_json(path);
  if (looks_like_embedding(path)) return embedding_json(path, hash);
  if (looks_like_inversion(path)) return inversion_json(path, hash);
  if (looks_like_ip_adapter(path)) return ip_adapter_json(path, hash);
  return is_network(path) ? network_json(path, hash) : checkpoint_json(path, hash);
}

std::string json_of(const Json& info) {
  return info.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const Json& info) {
  std::string text = printable(cut_text(info.at("file").get<std::string>()));
  for (const auto& [key, value] : info.items()) {
    if (key != "file") append_text(text, key, value, kIndent);
  }
  return text;
}

}  // namespace sd::cli
