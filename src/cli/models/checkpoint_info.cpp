#include "cli/models/checkpoint_info.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "sd/core/error.h"
#include "sd/core/model_hash.h"
#include "sd/pipeline/inspect.h"
#include "sd/weights/foreign_names.h"
#include "sd/weights/summary.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortHash = 10;  // A1111's "Model hash"

Json parts_json(const ModelSummary& model) {
  Json parts = Json::object();
  for (const auto& part : model.parts) {
    parts[part.name] = {
        {"tensors", part.tensors}, {"parameters", part.parameters}, {"bytes", part.bytes}};
  }
  return parts;
}

/// How many, and which; null for none.
Json names_json(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 100;  // a file of another family may have thousands
  if (names.empty()) return {};
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kShown));
  return {{"count", names.size()}, {"names", std::vector(names.begin(), end)}};
}

Json config_json(const ModelConfig& config) {
  const auto& [text, unet, vae] = std::tie(config.text, config.unet, config.vae);
  return {{"picture_size", config.default_pixels()},
          {"text_encoder",
           {{"width", text.width},
            {"layers", text.layers},
            {"heads", text.heads},
            {"tokens", text.positions}}},
          {"unet",
           {{"in_channels", unet.in_channels},
            {"channels", unet.model_channels},
            {"multipliers", unet.channel_mult},
            {"attention_at", unet.attention_resolutions},
            {"res_blocks", unet.num_res_blocks},
            {"context", unet.context_dim}}},
          {"vae",
           {{"channels", vae.channels},
            {"multipliers", vae.channel_mult},
            {"res_blocks", vae.num_res_blocks},
            {"latent_channels", vae.embed_dim},
            {"factor", vae.factor()}}}};
}

/// What a YAML beside the weights tells of the model besides; that it contradicts them is the
/// model's problem.
void read_sidecar(const std::filesystem::path& path, ModelSummary& model) {
  if (!model.config || !sidecar_config(path)) return;
  try {
    model.config = inspect_model({path, std::nullopt});
  } catch (const Error& error) {
    if (model.problem.empty()) model.problem = error.what();
  }
}

}  // namespace

Json checkpoint_json(const std::filesystem::path& path, bool hash) {
  auto model = describe_model(path);
  read_sidecar(path, model);
  Json json = {{"file", path.string()},
               {"kind", "checkpoint"},
               {"format", model.format},
               {"family", model.family},
               {"problem", model.problem.empty() ? Json() : Json(model.problem)},
               {"main_file", model.main_file.string()},
               {"tensors", model.tensors},
               {"parameters", model.parameters},
               {"dtypes", model.dtypes},
               {"ema", model.has_ema}};
  if (hash) {
    const auto sha256 = model_sha256(model.main_file);
    json["sha256"] = sha256;
    json["hash"] = sha256.substr(0, kShortHash);
  }
  json["missing"] = names_json(model.missing);
  json["other_shapes"] = names_json(model.mismatched);
  json["unexpected"] = names_json(model.unexpected);
  json["foreign_names"] = names_json(foreign_names(path));
  json["parts"] = parts_json(model);
  if (model.prediction) {
    json["prediction"] = name_of(model.prediction->prediction);
    json["prediction_assumed"] = model.prediction->assumed;
  }
  if (model.config) json["config"] = config_json(*model.config);
  for (const auto& [key, value] : model.metadata) json["metadata"][key] = value;
  return json;
}

}  // namespace sd::cli
