#include "cli/models/inversion_info.h"

#include <string>
#include <utility>
#include <vector>

#include "sd/core/sha256.h"
#include "sd/weights/inversion_file.h"

namespace sd::cli {

nlohmann::ordered_json inversion_json(const std::filesystem::path& path, bool hash) {
  constexpr int64_t kFactor = 8;  // pixels a side of a latent
  using Json = nlohmann::ordered_json;
  const auto inversion = read_inversion(path);
  Json json = {{"file", path.string()},
               {"kind", "inversion"},
               {"method", name_of(inversion.method)},
               {"prompt", inversion.prompt},
               {"sampler", info_of(inversion.sampler).name},
               {"steps", inversion.steps},
               {"steps_kept", inversion.timesteps.size()},
               {"guidance", inversion.guidance},
               {"width", kFactor * inversion.width()},
               {"height", kFactor * inversion.height()},
               {"tokens", inversion.context.shape[0]},
               {"finished", inversion.latents.empty()},
               {"picture_sha256", inversion.picture},
               {"model", inversion.model_name},
               {"model_sha256", inversion.model}};
  auto loras = Json::array();
  for (const auto& [name, weights, file_hash] : inversion.networks)
    loras.push_back({{"name", name}, {"weights", weights}, {"hash", file_hash}});
  if (!loras.empty()) json["loras"] = std::move(loras);
  const auto add = [&](const char* key, const std::vector<InversionAddition>& additions) {
    for (const auto& [name, settings, file_hash, picture] : additions) {
      json[key].push_back({{"name", name},
                           {"settings", settings},
                           {"hash", file_hash},
                           {"picture_sha256", picture}});
    }
  };
  add("controls", inversion.controls);
  add("ip_adapters", inversion.image_prompts);
  if (hash) json["sha256"] = sha256_file(path);
  return json;
}

}  // namespace sd::cli
