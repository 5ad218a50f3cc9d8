#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sd/image/foreign_recipe.h"

namespace sd {

/// A value of JSON as an infotext has it: 2.0 as "2", lists and objects as JSON; nothing for null
/// and what is empty.
std::optional<std::string> setting_text(const nlohmann::ordered_json& value);

/// The fields of a JSON object under names of several programs; letters and digits count alone, so
/// that "Negative Prompt" is "negative_prompt". What was taken is not among the rest.
class ForeignFields {
 public:
  /// Null where `object` is none. It must outlive the fields.
  explicit ForeignFields(const nlohmann::ordered_json& object) : object_(object) {}

  /// The first field that has one of `names`, written as letters and digits.
  const nlohmann::ordered_json* find(std::initializer_list<std::string_view> names);
  std::optional<std::string> take(std::initializer_list<std::string_view> names);
  bool has(std::string_view name) const;

  /// Prompts, steps, guidance, seed, size and model into `info`, under their words there.
  void take_common(Infotext& info);
  void take_prompts(Infotext& info);
  /// What is left, under its own names.
  void take_rest(Infotext& info);

 private:
  const nlohmann::ordered_json& object_;
  std::set<std::string> taken_;
};

/// Adds a setting if there is one.
void add_setting(Infotext& info, std::string key, std::optional<std::string> value);

// Each knows its program by what the picture holds; nothing if it is another's.

std::optional<ForeignRecipe> invoke_recipe(const PictureMetadata& metadata);
std::optional<ForeignRecipe> comfy_recipe(const PictureMetadata& metadata);

/// InvokeAI's metadata since its version 3, wherever they stand.
ForeignRecipe invoke_recipe_of(const nlohmann::ordered_json& object);

/// The text chunk of that name, or none.
const std::string* text_named(const PictureMetadata& metadata, std::string_view keyword);

}  // namespace sd
