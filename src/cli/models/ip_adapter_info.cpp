#include "cli/models/ip_adapter_info.h"

#include <string>

#include "sd/core/sha256.h"
#include "sd/core/word_embedding.h"
#include "sd/weights/ip_adapter_file.h"

namespace sd::cli {

nlohmann::ordered_json ip_adapter_json(const std::filesystem::path& path, bool hash) {
  using Json = nlohmann::ordered_json;
  const auto info = open_ip_adapter(path).info;
  const auto family = family_of_width(info.width);
  const bool plain = info.kind == IpAdapterKind::kPlain;
  Json json = {
      {"file", path.string()},         {"kind", "ip-adapter"},
      {"adapter", name_of(info.kind)}, {"tokens", info.tokens == 0 ? Json() : Json(info.tokens)},
      {"width", info.width},           {"family", family.empty() ? Json() : Json(family)},
      {"layers", info.layers},         {"takes", plain ? "embedding" : "patches"},
      {"vision_width", info.vision}};
  if (hash) json["sha256"] = sha256_file(path);
  return json;
}

}  // namespace sd::cli
