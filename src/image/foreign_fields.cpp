#include "image/foreign_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

std::string plain(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') letters += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) letters += c;
  }
  return letters;
}

/// "512x768" of "(512, 768)", "512 × 768" and the like: two numbers, whatever is between.
std::optional<std::string> two_numbers(const std::string& text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::vector<std::string> numbers;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_digit(text[i])) continue;
    if (i == 0 || !is_digit(text[i - 1])) numbers.emplace_back();
    numbers.back() += text[i];
  }
  if (numbers.size() != 2) return std::nullopt;
  return numbers[0] + "x" + numbers[1];
}

std::optional<std::string> model_name(const Json* model) {
  if (model == nullptr) return std::nullopt;
  if (!model->is_object()) return setting_text(*model);
  ForeignFields fields(*model);
  return fields.take({"modelname", "name"});
}

}  // namespace

std::optional<std::string> setting_text(const Json& value) {
  if (value.is_null()) return std::nullopt;
  if (const auto* text = value.get_ptr<const std::string*>()) {
    return text->empty() ? std::nullopt : std::optional(*text);
  }
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    // {fmt} writes whole numbers without a point, up to 1e16.
    return std::isfinite(number) ? std::optional(number_text(number)) : std::nullopt;
  }
  if (value.is_structured() && value.empty()) return std::nullopt;
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void add_setting(Infotext& info, std::string key, std::optional<std::string> value) {
  if (value) info.settings.emplace_back(std::move(key), std::move(*value));
}

const std::string* text_named(const PictureMetadata& metadata, std::string_view keyword) {
  const auto found = std::ranges::find(metadata.texts, keyword, &PngText::keyword);
  return found == metadata.texts.end() ? nullptr : &found->text;
}

const Json* ForeignFields::find(std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    if (!object_.is_object()) break;
    for (const auto& [key, value] : object_.items()) {
      if (plain(key) != name || value.is_null() || taken_.contains(key)) continue;
      taken_.insert(key);
      return &value;
    }
  }
  return nullptr;
}

std::optional<std::string> ForeignFields::take(std::initializer_list<std::string_view> names) {
  const auto* value = find(names);
  return value == nullptr ? std::nullopt : setting_text(*value);
}

bool ForeignFields::has(std::string_view name) const {
  if (!object_.is_object()) return false;
  for (const auto& item : object_.items()) {
    if (plain(item.key()) == name) return true;
  }
  return false;
}

void ForeignFields::take_prompts(Infotext& info) {
  info.prompt = take({"prompt", "positiveprompt", "textprompt", "c"}).value_or("");
  info.negative_prompt = take({"negativeprompt", "negative", "uc"}).value_or("");
}

void ForeignFields::take_common(Infotext& info) {
  take_prompts(info);
  add_setting(info, "Steps",
              take({"steps", "numinferencesteps", "numberofinferencesteps", "inferencesteps"}));
  add_setting(info, "Sampler", take({"sampler", "samplername"}));
  add_setting(info, "Schedule type",
              take({"scheduler", "schedulername", "scheduletype", "noiseschedule"}));
  add_setting(info, "CFG scale", take({"cfgscale", "guidancescale", "scale", "cfg"}));
  add_setting(info, "Seed", take({"seed"}));
  const auto width = take({"width"}), height = take({"height"});
  if (width && height) {
    add_setting(info, "Size", *width + "x" + *height);
  } else if (const auto size = take({"resolution", "size"})) {
    add_setting(info, "Size", two_numbers(*size).value_or(*size));
  }
  const auto* model = find({"model", "basemodel", "modelname", "usestablediffusionmodel",
                            "stablediffusionmodel", "modelweights"});
  add_setting(info, "Model", model_name(model));
  add_setting(info, "Model hash", take({"modelhash", "basemodelhash"}));
}

void ForeignFields::take_rest(Infotext& info) {
  if (!object_.is_object()) return;
  for (const auto& [key, value] : object_.items()) {
    if (!taken_.contains(key) && value != Json(false)) add_setting(info, key, setting_text(value));
  }
}

}  // namespace sd
