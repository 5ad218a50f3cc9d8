#include "cli/file_info.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>

#include "cli/checkpoint_info.h"
#include "cli/text_output.h"
#include "image/json_text.h"
#include "sd/core/error.h"
#include "sd/image/foreign_recipe.h"
#include "sd/image/infotext.h"
#include "sd/image/metadata.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kIndent = 2;

/// By its first bytes, since names lie.
bool is_picture(const fs::path& path) {
  constexpr std::array<std::string_view, 4> kMagics = {"\x89PNG", "\xFF\xD8\xFF", "GIF8", "8BPS"};
  std::ifstream input(path, std::ios::binary);
  if (!input)
    throw IoError(fmt::format("{}: cannot read it: {}", path.string(), std::strerror(errno)));
  std::array<char, 12> start{};
  input.read(start.data(), start.size());
  const std::string_view bytes(start.data(), static_cast<std::size_t>(input.gcount()));
  for (const auto magic : kMagics) {
    if (bytes.starts_with(magic)) return true;
  }
  return bytes.size() == start.size() && bytes.starts_with("RIFF") && bytes.ends_with("WEBP");
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

void append_text(std::string& out, const std::string& key, const Json& value, std::size_t indent) {
  if (value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty())) return;
  out += fmt::format("\n{:{}}{}:", "", indent, printable(shorten(key, 80)));
  if (value.is_object()) {
    for (const auto& [inner_key, inner] : value.items())
      append_text(out, inner_key, inner, indent + kIndent);
    return;
  }
  const auto text = value.is_string() ? value.get<std::string>() : json_of(value);
  out += ' ';
  for (const char character : printable(text)) {
    out += character;
    if (character == '\n') out.append(indent + kIndent, ' ');
  }
}

}  // namespace

Json describe_file(const fs::path& path, bool hash) {
  std::error_code error;
  if (!fs::exists(path, error)) throw IoError(fmt::format("{} does not exist", path.string()));
  if (!fs::is_directory(path, error) && is_picture(path)) return picture_json(path);
  return checkpoint_json(path, hash);
}

std::string json_of(const Json& info) {
  return info.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const Json& info) {
  std::string text = printable(info.at("file").get<std::string>());
  for (const auto& [key, value] : info.items()) {
    if (key != "file") append_text(text, key, value, kIndent);
  }
  return text;
}

}  // namespace sd::cli
