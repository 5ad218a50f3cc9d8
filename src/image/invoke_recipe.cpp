// InvokeAI's metadata: `invokeai_metadata` since version 3, `sd-metadata` and `Dream` before.
#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include "image/foreign_fields.h"
#include "image/json_text.h"

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

/// "euler_k" is Euler on Karras et al.'s schedule.
void take_scheduler(ForeignFields& fields, Infotext& info) {
  auto name = fields.take({"scheduler", "sampler"});
  if (!name) return;
  const bool karras = name->ends_with("_k");
  if (karras) name->resize(name->size() - 2);
  add_setting(info, "Sampler", std::move(name));
  if (karras) add_setting(info, "Schedule type", "karras");
}

/// Version 2 had what is not wanted in brackets within the prompt.
void split_negative(Infotext& info) {
  std::string wanted, unwanted;
  int depth = 0;
  for (const char c : info.prompt) {
    if (c == '[' && depth++ == 0) {
      unwanted += unwanted.empty() ? "" : ", ";
    } else if (c == ']' && depth > 0) {
      depth -= 1;
    } else {
      (depth > 0 ? unwanted : wanted) += c;
    }
  }
  if (depth > 0) return;  // brackets without a partner are text
  const auto last = wanted.find_last_not_of(' ');
  info.prompt = wanted.substr(0, last == std::string::npos ? 0 : last + 1);
  info.negative_prompt = unwanted;
}

/// [{"prompt": "…", "weight": 1.0}] or the text alone.
std::string prompt_of_parts(const Json* prompt) {
  if (prompt == nullptr) return {};
  if (!prompt->is_array()) return setting_text(*prompt).value_or("");
  std::string all;
  for (const auto& part : *prompt) {
    ForeignFields fields(part);
    if (!all.empty()) all += ' ';
    all += fields.take({"prompt"}).value_or("");
  }
  return all;
}

ForeignRecipe recipe_of_version_2(const Json& object) {
  ForeignRecipe recipe{"InvokeAI", {}, {}};
  auto& info = recipe.info;
  ForeignFields whole(object);
  const auto* image = whole.find({"image"});
  ForeignFields fields(image != nullptr ? *image : object);
  info.prompt = prompt_of_parts(fields.find({"prompt"}));
  split_negative(info);
  take_scheduler(fields, info);
  const auto prompts = std::pair(info.prompt, info.negative_prompt);
  fields.take_common(info);
  std::tie(info.prompt, info.negative_prompt) = prompts;
  const auto strength = fields.take({"strength"});
  if (fields.take({"type"}) == "img2img") add_setting(info, "Denoising strength", strength);
  add_setting(info, "Model", whole.take({"modelweights", "model"}));
  add_setting(info, "Model hash", whole.take({"modelhash"}));
  fields.take_rest(info);
  return recipe;
}

/// Words of a command line; quotes hold words together, a backslash takes the next character.
std::vector<std::string> command_words(const std::string& text) {
  std::vector<std::string> words;
  bool quoted = false, within = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool blank = !quoted && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t');
    if (blank) {
      within = false;
      continue;
    }
    if (!within) words.emplace_back();
    within = true;
    if (text[i] == '"') {
      quoted = !quoted;
    } else {
      i += text[i] == '\\' && i + 1 < text.size() ? 1 : 0;
      words.back() += text[i];
    }
  }
  return words;
}

/// "a prompt" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms: what was typed in version 1.
ForeignRecipe recipe_of_command(const std::string& command) {
  ForeignRecipe recipe{"InvokeAI", {}, {}};
  auto& info = recipe.info;
  Json object = Json::object();
  const auto words = command_words(command);
  std::string rest;
  bool pictured = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (i == 0 || word.size() < 2 || word[0] != '-') {
      auto& text = i == 0 ? info.prompt : rest;
      text += (text.empty() ? "" : " ") + word;
      continue;
    }
    const auto flag = std::string_view("sSWHCAfI").find(word[1]);
    constexpr std::array kKeys = {"steps",    "seed",    "width",    "height",
                                  "cfgscale", "sampler", "strength", "init_image"};
    const bool glued = word.size() > 2;
    if (flag == std::string_view::npos || word[1] == '-' || (!glued && i + 1 == words.size())) {
      rest += (rest.empty() ? "" : " ") + word;
      continue;
    }
    object[kKeys.at(flag)] = glued ? word.substr(2) : words[++i];
    pictured |= word[1] == 'I';
  }
  const auto prompt = info.prompt;
  ForeignFields fields(object);
  take_scheduler(fields, info);
  fields.take_common(info);
  info.prompt = prompt;
  split_negative(info);
  const auto strength = fields.take({"strength"});
  if (pictured) add_setting(info, "Denoising strength", strength);
  fields.take_rest(info);
  add_setting(info, "Further options", rest.empty() ? std::nullopt : std::optional(rest));
  return recipe;
}

}  // namespace

ForeignRecipe invoke_recipe_of(const Json& object) {
  ForeignRecipe recipe{"InvokeAI", {}, {}};
  auto& info = recipe.info;
  ForeignFields fields(object);
  take_scheduler(fields, info);
  fields.take_common(info);
  // Layers that are skipped; the infotext counts the one that is taken.
  const auto* clip_skip = fields.find({"clipskip"});
  const bool counted = clip_skip != nullptr && clip_skip->is_number_integer();
  const auto skipped = counted ? clip_skip->get<int64_t>() : 0;
  if (skipped > 0 && skipped < 1000) {
    add_setting(info, "Clip skip", std::to_string(skipped + 1));
  }
  const auto mode = fields.take({"generationmode"}).value_or("");
  const auto strength = fields.take({"strength"});
  const bool pictured = mode.find("img2img") != mode.npos || mode.find("paint") != mode.npos;
  if (pictured) add_setting(info, "Denoising strength", strength);
  const auto device = fields.take({"randdevice"});
  if (device) add_setting(info, "RNG", *device == "cuda" ? "NV" : "CPU");
  fields.take_rest(info);
  return recipe;
}

std::optional<ForeignRecipe> invoke_recipe(const PictureMetadata& metadata) {
  if (const auto* text = text_named(metadata, "invokeai_metadata")) {
    if (const auto object = parse_object(*text)) return invoke_recipe_of(*object);
  }
  if (const auto* text = text_named(metadata, "sd-metadata")) {
    if (const auto object = parse_object(*text)) return recipe_of_version_2(*object);
  }
  if (const auto* text = text_named(metadata, "Dream")) return recipe_of_command(*text);
  return std::nullopt;
}

}  // namespace sd
