#include "cli/models/network_info.h"

#include <algorithm>
#include <string>

#include "sd/networks/network.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostWords = 50;  // a large data set has thousands
constexpr std::size_t kShortHash = 12;  // in A1111's infotexts

}  // namespace

Json network_json(const std::filesystem::path& path, bool hash) {
  const auto info = describe_network(path);
  Json json = {{"file", path.string()},
               {"kind", "network"},
               {"format", info.format},
               {"type", info.kind},
               {"family", info.family},
               {"name", info.output_name},
               {"modules", info.modules},
               {"text_encoder", info.text_encoder},
               {"unet", info.unet},
               {"rank", nullptr},
               {"alpha", info.alpha ? Json(*info.alpha) : Json()}};
  if (info.largest_rank > 0)
    json["rank"] = {{"least", info.least_rank}, {"largest", info.largest_rank}};
  if (hash) {
    const auto whole = network_hash(path);
    json["autov3"] = whole;
    json["hash"] = whole.substr(0, kShortHash);
  }
  json["trigger_words"] = Json::object();
  for (std::size_t i = 0; i < std::min(kMostWords, info.trigger_words.size()); ++i)
    json["trigger_words"][info.trigger_words[i].first] = info.trigger_words[i].second;
  json["training"] = Json::object();
  for (const auto& [key, value] : info.training) json["training"][key] = value;
  for (const auto& [key, value] : info.metadata) json["metadata"][key] = value;
  return json;
}

}  // namespace sd::cli
