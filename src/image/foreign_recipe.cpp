#include "sd/image/foreign_recipe.h"

#include <fmt/format.h>

#include "image/foreign_fields.h"
#include "image/json_text.h"

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostFields = 500;

/// Fields that all of a kind of program have, and the program.
ForeignRecipe flat_recipe(std::string program, const Json& object) {
  ForeignRecipe recipe{std::move(program), {}, {}};
  ForeignFields fields(object);
  fields.take_common(recipe.info);
  add_setting(recipe.info, "Clip skip", fields.take({"clipskip"}));
  fields.take_rest(recipe.info);
  return recipe;
}

/// NovelAI tells the prompt beside its settings, and in later versions among them.
ForeignRecipe novelai_recipe(const std::string& description, const Json& comment) {
  ForeignRecipe recipe{"NovelAI", {}, {}};
  auto& info = recipe.info;
  ForeignFields fields(comment);
  fields.take_common(info);
  if (!description.empty()) info.prompt = description;
  const auto request = fields.take({"requesttype"}).value_or("");
  const auto strength = fields.take({"strength"});  // told of pictures that started from none too
  const bool pictured = request.starts_with("Img2Img") || request.find("nfilling") != request.npos;
  if (pictured) add_setting(info, "Denoising strength", strength);
  fields.take_rest(info);
  return recipe;
}

/// Its fields are text chunks of their own in a PNG.
std::optional<ForeignRecipe> easy_diffusion_recipe(const PictureMetadata& metadata) {
  if (text_named(metadata, "num_inference_steps") == nullptr) return std::nullopt;
  Json object = Json::object();
  for (const auto& [keyword, text] : metadata.texts) {
    if (object.size() == kMostFields) break;
    if (text != "None" && text != "False") object[keyword] = text;
  }
  return flat_recipe("Easy Diffusion", object);
}

/// Set for programs that draw their noise as ComfyUI does: on the CPU, whatever computes.
ForeignRecipe with_cpu_noise(ForeignRecipe recipe) {
  add_setting(recipe.info, "RNG", "CPU");
  return recipe;
}

std::optional<ForeignRecipe> recipe_of_object(const Json& object, bool fooocus) {
  ForeignFields fields(object);
  if (const auto* params = fields.find({"suiimageparams"})) {
    return with_cpu_noise(flat_recipe("SwarmUI", *params));
  }
  fooocus |= fields.take({"metadatascheme"}) == "fooocus";
  if (fooocus) return with_cpu_noise(flat_recipe("Fooocus", object));
  if (fields.has("generationmode") || fields.has("positiveprompt")) return invoke_recipe_of(object);
  if (const auto* comment = fields.find({"comment"});
      comment != nullptr && comment->is_string() && fields.has("description")) {
    const auto settings = parse_object(comment->get_ref<const std::string&>());
    if (settings) return novelai_recipe(fields.take({"description"}).value_or(""), *settings);
  }
  if (fields.has("numinferencesteps") || fields.has("usestablediffusionmodel")) {
    return flat_recipe("Easy Diffusion", object);
  }
  if (fields.has("c") && fields.has("uc")) return flat_recipe("Draw Things", object);
  return flat_recipe("another program", object);
}

}  // namespace

std::optional<ForeignRecipe> foreign_recipe(const PictureMetadata& metadata) {
  if (auto recipe = invoke_recipe(metadata)) return recipe;
  if (metadata.parameters) {
    const auto object = parse_object(*metadata.parameters);
    if (!object) return std::nullopt;  // an infotext
    return recipe_of_object(*object, text_named(metadata, "fooocus_scheme") != nullptr);
  }
  const auto* description = text_named(metadata, "Description");
  if (const auto* comment = text_named(metadata, "Comment")) {
    const auto* software = text_named(metadata, "Software");
    const auto settings = parse_object(*comment);
    const bool novelai = software != nullptr && *software == "NovelAI";
    if (settings && (novelai || (settings->contains("uc") && settings->contains("sampler")))) {
      return novelai_recipe(description == nullptr ? "" : *description, *settings);
    }
  }
  if (auto recipe = easy_diffusion_recipe(metadata)) return recipe;
  return comfy_recipe(metadata);
}

}  // namespace sd
